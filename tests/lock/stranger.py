"""Another process that shares the locks of a directory, played by hand."""

from __future__ import annotations

import os
import re
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.lock.fellow import until
from tustwisted.lock.file import LOCKS_NAME
from tustwisted.lock.kernel import ByteLocks, byte_of_name
from tustwisted.lock.sockets import Sockets, new_name


class HandTurned:
    """The reactor, but its time is turned by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class Stranger:
    """Another process that is played by hand: its lock, its socket and what it says."""

    def __init__(self, test: TestCase, directory: str) -> None:
        self.name = new_name()
        self.locks = ByteLocks.open(os.path.join(directory, LOCKS_NAME))
        self.locks.try_lock(byte_of_name(self.name))
        self.sockets = Sockets.open(directory)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.setblocking(False)
        self.listening.bind(self.sockets.address(self.name))
        self.listening.listen(5)
        self.connection: socket.socket | None = None
        self._is_dead = False
        test.addCleanup(self.sockets.close)
        test.addCleanup(self.die)

    async def accept(self) -> None:
        """Let somebody in."""

        def is_there() -> bool:
            try:
                self.connection, _ = self.listening.accept()
            except BlockingIOError:
                return False
            self.connection.setblocking(False)
            return True

        await until(is_there)

    def connect(self, name: str) -> None:
        """Call another one."""
        self.connection = self.sockets.connect(name)

    def say(self, *lines: str) -> None:
        """Say some lines at once."""
        assert self.connection is not None
        self.connection.sendall("".join(f"{line}\n" for line in lines).encode())

    def hello(self, *lines: str) -> None:
        """Introduce itself after some lines."""
        self.say(*lines, f"hello {self.name}")

    async def hear(self, line: str) -> str:
        """Wait for a line that begins so, and return all that was said up to there."""
        heard = b""

        def is_said() -> bool:
            nonlocal heard
            assert self.connection is not None
            try:
                heard += self.connection.recv(1 << 16)
            except BlockingIOError:
                return False
            return re.search(rb"(?m)^%s( \d+)?\n" % line.encode(), heard) is not None

        await until(is_said)
        return heard.decode()

    async def is_hung_up_on(self) -> None:
        """Wait for the end of the connection."""

        def has_ended() -> bool:
            assert self.connection is not None
            try:
                return self.connection.recv(1 << 16) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        await until(has_ended)

    def hang_up(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close()

    def die(self) -> None:
        """Be killed: all is closed, and the socket's name stays."""
        if not self._is_dead:
            self._is_dead = True
            self.hang_up()
            self.listening.close()
            self.locks.close()
