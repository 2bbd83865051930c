"""
A streaming site on a loopback socket, and clients that block, in threads.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.threads import deferToThread
from twisted.python import log
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.resource import IResource

from tests.web.harness import Recorder, Route
from tustwisted.lending import ISocketLoan
from tustwisted.web.streaming import StreamingSite
from tustwisted.web.wants import everything

reactor: Any = _reactor
_T = TypeVar("_T")

LIMIT_S = 20.0
"""Longer than anything here takes: a client that waits longer fails its test."""

MOST_BYTES = 262_144
"""Of one read."""


class Client:
    """A client that blocks; for use in a thread."""

    def __init__(self, port: int, tls: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self._seen = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def send_until_refused(self, data: bytes, times: int) -> int:
        """Send again and again, without reading, and tell how often it worked."""
        for count in range(times):
            try:
                self.socket.sendall(data)
            except OSError:
                return count
        return times

    def response(self) -> tuple[int, bytes]:
        """Read one response with Content-Length, or an interim one."""
        while b"\r\n\r\n" not in self._seen:
            self._more()
        top, _, self._seen = self._seen.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", top)
        size = int(length[1]) if length else 0
        while len(self._seen) < size:
            self._more()
        body, self._seen = self._seen[:size], self._seen[size:]
        return int(top.split(b" ")[1]), body

    def at_end(self) -> bool:
        """Whether the server has closed its half and nothing is left."""
        return not self._seen and not self.socket.recv(1)

    def fin(self) -> None:
        """Close in peace."""
        self.socket.close()

    def rst(self) -> None:
        """Close with a reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionDone("the server closed the connection")
        self._seen += data


class Ending(Recorder):
    """
    A recorder whose end can be awaited.

    :ivar over: fires with the verdict.
    :ivar paused: fires when it has paused, which it does once if asked to.
    """

    def __init__(self, pausing: bool = False) -> None:
        super().__init__(self._pause_once)
        self.over: Deferred[str] = Deferred()
        self.paused: Deferred[None] = Deferred()
        self.at_end = lambda: self.over.callback(self.verdict)
        self._pausing = pausing

    def _pause_once(self, _: Recorder) -> None:
        if self._pausing:
            self._pausing = False
            self.producer.pauseProducing()
            self.paused.callback(None)


class Borrower(Ending):
    """
    A recorder that takes what it can out of the socket itself.

    :ivar taken_bytes: how much that was.
    """

    taken_bytes = 0

    def write(self, data: bytes) -> None:
        super().write(data)
        loan = self.producer.lend(1)
        if loan is not None:
            _ = Deferred.fromCoroutine(self._take(loan)).addErrback(_report)

    async def _take(self, loan: ISocketLoan) -> None:
        while loan.left_bytes and await loan.when_readable():
            piece = b""
            with contextlib.suppress(OSError):
                piece = os.read(loan.fileno(), min(MOST_BYTES, loan.left_bytes))
            if not piece:
                break
            self.data += piece
            self.taken_bytes += len(piece)
            loan.taken(len(piece))
        loan.give_back()


def _report(failure: Failure) -> None:
    log.err(failure)


class Receiving(Route):
    """
    Gives each request with a body an :class:`Ending`; others it answers.

    :ivar endings: the recorders, in the order of their requests.
    """

    make: type[Ending] = Ending

    def __init__(
        self, respond: Callable[[Any, str], object], pausing: bool = False
    ) -> None:
        super().__init__(self._receive)
        self.endings: list[Ending] = []
        self._awaited: list[tuple[int, Deferred[None]]] = []
        self._respond = respond
        self._pausing = pausing

    def _receive(self, request: Any) -> None:
        ending = self.make(self._pausing)
        self.endings.append(ending)
        _ = ending.over.addCallback(self._over, request)
        request.body.deliver_to(ending)
        for count, began in self._awaited:
            if count == len(self.endings):
                began.callback(None)

    def began(self, count: int = 1) -> Deferred[None]:
        """Wait until so many bodies have begun."""
        if len(self.endings) >= count:
            return succeed(None)
        began: Deferred[None] = Deferred()
        self._awaited.append((count, began))
        return began

    def _over(self, verdict: str, request: Any) -> str:
        self._respond(request, verdict)
        return verdict


class CountingSite(StreamingSite):
    """
    A site that knows when its connections are gone.

    :ivar gone: one Deferred for each connection; fires with its end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gone: list[Deferred[None]] = []

    def buildProtocol(self, addr: Any) -> Any:
        protocol: Any = super().buildProtocol(addr)
        gone: Deferred[None] = Deferred()
        self.gone.append(gone)
        lost = protocol.connectionLost

        def connection_lost(reason: Failure) -> None:
            lost(reason)
            gone.callback(None)

        protocol.connectionLost = connection_lost
        return protocol


class SocketCase(TestCase):
    """Serves on a port of its own for one test."""

    timeout = 60

    def serve(self, resource: IResource, tls: Any = None, **kwargs: Any) -> int:
        """Listen; when the test is over, the port and all connections end."""
        kwargs.setdefault("wants", everything)
        site = CountingSite(resource, reactor=reactor, **kwargs)
        self.addCleanup(lambda: DeferredList(site.gone))
        if tls is None:
            port = reactor.listenTCP(0, site, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, site, tls, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def in_thread(self, function: Callable[[], _T]) -> Deferred[_T]:
        """Run a client."""
        return deferToThread(function)
