"""A reverse proxy that breaks one thing, over real sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import ContextFactory
from twisted.python.failure import Failure

END = b"\r\n\r\n"

CUT = b"cut"
"""Instead of an answer: the connection ends."""

Answering = Callable[["Asked"], bytes | None]
Changing = Callable[[bytes], bytes]


@frozen
class Asked:
    """The head of a request."""

    method: str
    path: str
    head: bytes

    @property
    def length(self) -> int:
        """Of its body, bytes."""
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", self.head)
        return int(found[1]) if found else 0


def answer(status: str, *lines: str) -> bytes:
    """Write an answer of a proxy's own."""
    head = [f"HTTP/1.1 {status}", "Server: proxy", "Content-Length: 0", *lines, "", ""]
    return "\r\n".join(head).encode()


def without(name: str) -> Changing:
    """Take a header out of a head."""
    pattern = re.compile(rb"(?i)\r\n%b: [^\r]*" % name.encode())
    return lambda head: pattern.sub(b"", head)


def with_line(line: str) -> Changing:
    """Add a header to a head."""
    return lambda head: head + b"\r\n" + line.encode()


def replaced(old: str, new: str) -> Changing:
    """Change some text in a head."""
    return lambda head: head.replace(old.encode(), new.encode())


@define(eq=False)
class Proxy:
    """
    Passes one request of each connection on to a port, and what comes back.

    :param reactor: the global one.
    :param target: the port.
    :param tls: what it listens with, if it speaks TLS; the target never does.

    :ivar answers: answers some requests itself.
    :ivar request: changes what it passes on: the request line and the headers.
    :ivar response: changes what comes back: the status line and the headers.
    :ivar greets: answers by 400 whatever comes first, as to what is no HTTP.
    :ivar buffers: keeps a body back until it is complete.
    :ivar asked: the requests that came.
    """

    reactor: Any
    target: int
    tls: ContextFactory | None = None
    answers: Answering = lambda _: None
    request: Changing = bytes
    response: Changing = bytes
    buffers: bool = False
    greets: bool = False
    asked: list[Asked] = field(init=False, factory=list)
    port: int = field(init=False, default=0)
    gone: list[Deferred[None]] = field(init=False, factory=list)
    _listening: Any = field(init=False, default=None)

    def start(self) -> None:
        """Listen."""
        front = _Making(lambda: _Front(self))
        if self.tls is None:
            listen = self.reactor.listenTCP(0, front, interface="127.0.0.1")
        else:
            listen = self.reactor.listenSSL(0, front, self.tls, interface="127.0.0.1")
        self._listening = listen
        self.port = listen.getHost().port

    async def stop(self) -> None:
        """End; every connection is gone afterwards."""
        await self._listening.stopListening()
        await DeferredList(self.gone)


class _Side(Protocol):
    """One of the two connections, with what came before a head was complete."""

    transport: Any = None

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.seen = b""
        self.gone: Deferred[None] = Deferred()
        proxy.gone.append(self.gone)
        self.other: _Side | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the other side too."""
        self.gone.callback(None)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.loseConnection()


class _Front(_Side):
    """Reads a request."""

    asked: Asked | None = None
    is_passed = False

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy)
        self.pass_on: Callable[[bytes], None] = _drop

    def dataReceived(self, data: bytes) -> None:
        """Pass it on when it is time."""
        if self.is_passed:
            self.pass_on(data)
            return
        if self.proxy.greets:
            self.transport.write(answer("400 Bad Request"))
        self.seen += data
        head, end, body = self.seen.partition(END)
        if not end:
            return
        if self.asked is None:
            method, path = head.decode("latin-1").split(" ")[:2]
            self.asked = Asked(method, path, head)
            self.proxy.asked.append(self.asked)
            own = self.proxy.answers(self.asked)
            if own is not None:
                self.is_passed = True
                if own == CUT:
                    self.transport.abortConnection()
                else:
                    self.transport.write(own)
                return
        if self.proxy.buffers and len(body) < self.asked.length:
            return
        self.is_passed = True
        self._connect(self.proxy.request(head) + END + body)

    def _connect(self, sent: bytes) -> None:
        self.transport.pauseProducing()
        back = _Back(self.proxy, self)
        self.pass_on = back.send
        back.send(sent)
        endpoint = TCP4ClientEndpoint(
            self.proxy.reactor, "127.0.0.1", self.proxy.target
        )
        connecting = endpoint.connect(_Making(lambda: back))
        _ = connecting.addErrback(back.connectionLost)


class _Back(_Side):
    """Reads the answer."""

    is_passed = False

    def __init__(self, proxy: Proxy, front: _Front) -> None:
        super().__init__(proxy)
        self.front = front
        self.waiting = b""

    def send(self, data: bytes) -> None:
        """Send, now or when there is a connection; TLS tells some though it pauses."""
        if self.transport is None:
            self.waiting += data
        else:
            self.transport.write(data)

    def connectionMade(self) -> None:
        """Pass on what waits."""
        self.other, self.front.other = self.front, self
        self.transport.write(self.waiting)
        if self.front.gone.called:
            self.transport.loseConnection()
        else:
            self.front.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, changed."""
        if not self.is_passed:
            self.seen += data
            head, end, body = self.seen.partition(END)
            if not end:
                return
            self.is_passed = True
            data = self.proxy.response(head) + END + body
        self.front.transport.write(data)


def _drop(_: bytes) -> None:
    """Do as nginx does with the body of a request that it refuses."""


class _Making(Factory):
    noisy = False

    def __init__(self, make: Callable[[], Protocol]) -> None:
        self._make = make

    def buildProtocol(self, _: IAddress | None) -> Any:
        return self._make()
