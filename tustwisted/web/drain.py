"""
A Site that knows its connections: how many there may be, and how they end (D12).

At the end idle ones close, and busy ones after their answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    ITransport,
)
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.http import BAD_REQUEST
from twisted.web.http import Request as HTTPRequest
from twisted.web.pages import errorPage
from twisted.web.resource import IResource
from twisted.web.server import Request

from tustwisted.web.admission import Admission
from tustwisted.web.body import Body
from tustwisted.web.observed import watch_nothing
from tustwisted.web.streaming import StreamingSite

STREAM_LINGER_S: Final = 1.0
"""How long an answered connection of HTTP/2 stays: it writes in later turns."""

IDLE_S: Final = 1.0
"""How long a connection must be idle before it gives way to somebody who waits."""


class DrainingSite(StreamingSite):
    """
    A :class:`~tustwisted.web.streaming.StreamingSite` that knows its connections.

    Its parameters are those of ``StreamingSite``, and:

    :param counted: called with the number of its connections whenever that changes.
    :param most_connections: how many there may be: see :meth:`accept_from`.
    :param watch: called with each request that is refused since there are too many.
    """

    def __init__(
        self,
        *args: Any,
        counted: Callable[[int], None] = lambda _: None,
        most_connections: int = sys.maxsize,
        watch: Callable[[Request], None] = watch_nothing,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._counted = counted
        self._most = most_connections
        self._watch = watch
        self._admission = Admission(self.reactor, most_connections, self._make_room)
        self._connections: set[Any] = set()
        self._idle: dict[Any, float] = {}
        self._told_to_end: Any = None
        self._requests: dict[Any, int] = {}
        self._running = 0
        self._bodies: dict[Any, Body] = {}
        self._drained: Deferred[None] | None = None
        self._reading: Any = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    # Twisted's annotation names its own proxy; all that is asked of it is IProtocol.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """Watch a new connection from its begin to its end."""
        protocol = super().buildProtocol(addr)
        if protocol is None:
            return None
        return _Watched(protocol, self)

    def getResourceFor(self, request: Request) -> IResource:
        """Count a request until it is answered."""
        # A stream of HTTP/2 has no transport, but begins when its connection reads.
        transport = request.transport or self._reading
        self._requests[transport] = self._requests.get(transport, 0) + 1
        self._running += 1
        self._idle.pop(transport, None)
        done = request.notifyFinish()
        done.addBoth(  # type: ignore[unused-awaitable]
            self._request_done, request, transport
        )
        # A connection of HTTP/2 has many.  Who was there before the limit was lowered
        # is served on.
        if self._running > max(self._most, len(self._connections)):
            self._watch(request)
            request.setHeader(b"Retry-After", b"1")
            return errorPage(503, "Busy", "try again later")
        return cast(IResource, super().getResourceFor(request))

    def log(self, request: HTTPRequest) -> None:
        """
        Write a line for a request that was refused, and none for another.

        What uploads go through has lines of its own, and a line takes 0.1 ms.
        """
        if request.code >= BAD_REQUEST:
            super().log(request)

    def limit_connections(self, most: int) -> None:
        """Let there be so many from now on; nobody who is there has to go."""
        self._most = most
        self._admission.limit(most)

    def accept_from(self, port: IListeningPort) -> None:
        """Accept from a port that listens while there is room for connections."""
        self._admission.accept_from(port)

    def accept_no_more(self) -> None:
        """Leave the ports alone, since they are to be closed."""
        self._admission.end()

    def drain(self) -> Deferred[None]:
        """
        Close every connection that is idle now, and the others as they become idle.

        :returns: fires when none is left.
        """
        if not self._connections:
            return succeed(None)
        self._drained = drained = Deferred[None]()
        for transport in list(self._connections):
            self._close_if_idle(transport)
        return drained

    def abort(self) -> None:
        """Drop the connections that are left."""
        for transport in list(self._connections):
            transport.abortConnection()

    # -- for the connections -----------------------------------------------------------

    def made(self, transport: ITransport) -> None:
        """Take note of a new connection."""
        self._connections.add(transport)
        self._idle[transport] = self.reactor.seconds()
        self._count()

    def deliver(self, data: bytes, transport: ITransport, protocol: IProtocol) -> None:
        """Pass on what a connection has read; the requests in it come from there."""
        outer, self._reading = self._reading, transport
        try:
            protocol.dataReceived(data)
        finally:
            self._reading = outer

    def gone(self, transport: ITransport) -> None:
        """Take note of a connection's end."""
        self._connections.discard(transport)
        self._idle.pop(transport, None)
        self._count()
        self._bodies.pop(transport, None)
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)

    # -- inside ------------------------------------------------------------------------

    def _count(self) -> None:
        self._counted(len(self._connections))
        self._admission.counted(len(self._connections))

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest, if it is long enough."""
        told = self._told_to_end
        if told in self._idle:  # it does not read what it was sent
            told.abortConnection()
            return
        for transport, since_s in self._idle.items():
            if self.reactor.seconds() - since_s < IDLE_S:
                return
            if not self._lingers(transport):
                self._told_to_end = transport
                transport.loseConnection()
                return

    def _request_done(self, _: object, request: Request, transport: Any) -> None:
        self._running -= 1
        left = self._requests.pop(transport) - 1
        if left:
            self._requests[transport] = left
        if transport not in self._connections:
            return
        if not left:
            self._idle[transport] = self.reactor.seconds()
        body = getattr(request, "body", None)
        if body is not None and not body.complete:
            self._bodies[transport] = body
        if self._drained is None:
            return
        if request.transport is None:
            self.reactor.callLater(STREAM_LINGER_S, self._close_if_idle, transport)
        else:
            self._close_if_idle(transport)

    def _close_if_idle(self, transport: Any) -> None:
        if transport in self._connections and not (
            transport in self._requests or self._lingers(transport)
        ):
            transport.loseConnection()

    def _lingers(self, transport: Any) -> bool:
        # A connection that was answered early closes by itself, in steps that let its
        # client read the answer: see tustwisted.web.exchange.
        body = self._bodies.get(transport)
        return body is not None and not body.complete


class _Watched(proxyForInterface(IProtocol, "_protocol")):  # type: ignore[misc]
    """A connection's protocol, with its begin and end told to somebody else as well."""

    def __init__(self, protocol: IProtocol, site: DrainingSite) -> None:
        super().__init__(protocol)
        self._site = site

    def makeConnection(self, transport: ITransport) -> None:
        """Tell of the begin, then pass it on."""
        self._transport = transport
        self._site.made(transport)
        self._protocol.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, and tell from where it comes meanwhile."""
        self._site.deliver(data, self._transport, self._protocol)

    def connectionLost(self, reason: Failure) -> None:
        """Pass the end on, then tell of it."""
        self._protocol.connectionLost(reason)
        self._site.gone(self._transport)
