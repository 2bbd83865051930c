"""
A relay between a client and the daemon: it tells what really went over the wire.

It can hold an upload at an exact byte, cut it there or leave it hanging, and spoil a
byte.  What it sends on is what came; the reading of it is in :mod:`tests.clients.seen`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.clients.gate import Gate
from tests.clients.seen import Line, Seen
from tests.integration.raw import LIMIT_S

PIECE = 65536


@define(eq=False)
class Wire:
    """
    The relay; it ends with its test.

    :param port: where the daemon listens; it may come and go.
    """

    test: SynchronousTestCase
    port: int
    requests: list[Seen] = field(factory=list)
    _gate: Gate = field(factory=Gate)
    _listener: socket.socket = field(init=False)
    _ends: list[socket.socket] = field(factory=list)
    _threads: list[threading.Thread] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.test.addCleanup(self._end)
        self._run(self._accept)

    @property
    def url(self) -> str:
        """The creation URL, by way of the relay."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/files/"

    def told(self) -> list[str]:
        """The requests in the order in which they began, as ``POST 201``."""
        return [f"{seen.method} {seen.status}" for seen in self.requests]

    def all(self, method: str) -> list[Seen]:
        """The requests of one method."""
        return [seen for seen in self.requests if seen.method == method]

    # -- what goes wrong ---------------------------------------------------------------

    def hold_at(self, count: int) -> None:
        """Let so many bytes of bodies pass, and no more."""
        self._gate.hold_at(count)

    def spoil_at(self, count: int) -> None:
        """Change the byte of a body before which so many have passed."""
        self._gate.spoil_at = count

    def cut(self) -> None:
        """Break all connections; later ones are neither held nor cut."""
        ends = list(self._ends)
        self._gate.open()
        for end in ends:
            _shut(end, socket.SHUT_RDWR)

    def strand(self) -> None:
        """Leave what is held hanging, as a lost network does; later ones pass."""
        self._gate.open()

    # -- the connections ---------------------------------------------------------------

    def _run(self, call: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
            except OSError:
                client.close()
                continue
            client.settimeout(LIMIT_S)
            self._ends += (client, server)
            answers = bytearray()
            self._run(self._send_on, client, server, answers)
            self._run(self._answer, client, server, answers)

    def _send_on(
        self, client: socket.socket, server: socket.socket, answers: bytearray
    ) -> None:
        era = self._gate.era
        line = Line(
            client.makefile("rb"),
            server.sendall,
            lambda piece: self._gate.pass_on(era, piece, server.sendall),
            answers,
        )
        try:
            for seen in line.requests():
                self.requests.append(seen)
        except OSError:
            _shut(client, socket.SHUT_RDWR)  # nobody waits for what it still sends
        _shut(server, socket.SHUT_WR)

    def _answer(
        self, client: socket.socket, server: socket.socket, answers: bytearray
    ) -> None:
        try:
            while piece := server.recv(PIECE):
                answers += piece
                client.sendall(piece)
        except OSError:
            pass
        _shut(client, socket.SHUT_WR)

    def _end(self) -> None:
        # Shut down as well: a close alone does not wake a thread that is in a call.
        for end in (self._listener, *self._ends):
            _shut(end, socket.SHUT_RDWR)
            end.close()
        self._gate.end()
        for thread in self._threads:
            thread.join(LIMIT_S)
            self.test.assertFalse(thread.is_alive(), "a thread of the relay goes on")


def _shut(end: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # it is shut already
        end.shutdown(how)
