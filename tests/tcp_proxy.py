"""A TCP proxy for tests, which can do what a network does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import ContextFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure


@define(eq=False)
class Proxy:
    """
    Passes bytes on to a port of 127.0.0.1, as long as it is let.

    :param reactor: the global one.
    :param target: the port.
    :param tls: what it listens with, if it speaks TLS; the target never does.

    :ivar passes_requests: what clients send is passed on; else it is swallowed.
    :ivar passes_replies: what the target sends is passed on; else it is swallowed.
    :ivar cuts_at_first_byte: connections end as soon as a client says something.
    :ivar accepted: how many connections there were.
    """

    reactor: Any
    target: int
    tls: ContextFactory | None = None
    passes_requests: bool = True
    passes_replies: bool = True
    cuts_at_first_byte: bool = False
    accepted: int = 0
    port: int = field(init=False, default=0)
    _listening: Any = field(init=False, default=None)
    _sides: set[_Side] = field(init=False, factory=set)

    def start(self) -> None:
        """Listen, on the same port as the last time."""
        factory: Any = _Front(self)
        if self.tls is not None:
            factory = TLSMemoryBIOFactory(self.tls, False, factory)
        listen = self.reactor.listenTCP
        self._listening = listen(self.port, factory, interface="127.0.0.1")
        self.port = self._listening.getHost().port

    async def refuse(self) -> None:
        """Cut all, and refuse connections until :meth:`start`."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.stopListening()
        self.cut()

    async def stop(self) -> None:
        """End; every connection is gone afterwards."""
        await self.refuse()
        for side in list(self._sides):
            await side.closed

    def cut(self) -> None:
        """End all connections at once."""
        for side in list(self._sides):
            side.abort()

    def freeze(self) -> None:
        """Go on accepting, and swallow all that comes."""
        self.passes_requests = self.passes_replies = False

    def thaw(self) -> None:
        """Pass on all that comes from now on; what was swallowed is lost."""
        self.passes_requests = self.passes_replies = True


class _Side(Protocol):
    """One of the two connections."""

    transport: Any = None

    def __init__(self, proxy: Proxy, received: Callable[[bytes], None]) -> None:
        self._proxy = proxy
        self._received = received
        self._early: list[bytes] = []
        self.closed: Deferred[None] = Deferred()
        self.other: _Side | None = None
        self.connecting: Deferred[Any] | None = None

    def connectionMade(self) -> None:
        """Send what came before."""
        self._proxy._sides.add(self)
        early, self._early = self._early, []
        for data in early:
            self.send(data)

    def send(self, data: bytes) -> None:
        """Send, now or when there is a connection."""
        if self.transport is None:
            self._early.append(data)
        else:
            self.transport.write(data)

    def abort(self) -> None:
        """End now."""
        if self.transport is not None and not self.closed.called:
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Pass it on."""
        self._received(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """End the other side too."""
        self._proxy._sides.discard(self)
        self.closed.callback(None)
        if self.connecting is not None:
            self.connecting.cancel()
        if self.other is not None:
            self.other.abort()


class _Front(Factory):
    noisy = False

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def buildProtocol(self, _: IAddress | None) -> Any:
        proxy = self._proxy
        proxy.accepted += 1

        def request(data: bytes) -> None:
            if proxy.cuts_at_first_byte:
                front.abort()
            elif proxy.passes_requests:
                back.send(data)

        def reply(data: bytes) -> None:
            if proxy.passes_replies:
                front.send(data)

        front, back = _Side(proxy, request), _Side(proxy, reply)
        front.other, back.other = back, front
        endpoint = TCP4ClientEndpoint(proxy.reactor, "127.0.0.1", proxy.target)
        connecting = endpoint.connect(_Back(back))
        front.connecting = connecting.addErrback(lambda _: front.abort())
        return front


class _Back(Factory):
    noisy = False

    def __init__(self, side: _Side) -> None:
        self._side = side

    def buildProtocol(self, _: IAddress | None) -> Any:
        return self._side
