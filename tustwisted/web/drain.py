"""A Site that can end: idle connections close, busy ones after their answer (D12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocol, ITransport
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request

from tustwisted.web.body import Body
from tustwisted.web.streaming import StreamingSite


class DrainingSite(StreamingSite):
    """
    A :class:`~tustwisted.web.streaming.StreamingSite` that knows its connections.

    Its parameters are those of ``StreamingSite``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: set[Any] = set()
        self._requests: Counter[Any] = Counter()
        self._bodies: dict[Any, Body] = {}
        self._drained: Deferred[None] | None = None

    # Twisted's annotation names its own proxy; all that is asked of it is IProtocol.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """Watch a new connection from its begin to its end."""
        protocol = super().buildProtocol(addr)
        if protocol is None:
            return None
        return _Watched(protocol, self._connections.add, self._gone)

    def getResourceFor(self, request: Request) -> IResource:
        """Count a request until it is answered."""
        self._requests[request.transport] += 1
        done = request.notifyFinish()
        done.addBoth(  # type: ignore[unused-awaitable]
            lambda _: self._request_done(request)
        )
        return cast(IResource, super().getResourceFor(request))

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

    def _request_done(self, request: Request) -> None:
        transport = request.transport
        self._requests[transport] -= 1
        if not self._requests[transport]:
            del self._requests[transport]
        if transport not in self._connections:
            return
        body = getattr(request, "body", None)
        if body is not None and not body.complete:
            self._bodies[transport] = body
        if self._drained is not None:
            self._close_if_idle(transport)

    def _close_if_idle(self, transport: Any) -> None:
        # A connection that was answered early closes by itself, in steps that let its
        # client read the answer: see tustwisted.web.exchange.
        body = self._bodies.get(transport)
        lingers = body is not None and not body.complete
        if not self._requests[transport] and not lingers:
            transport.loseConnection()

    def _gone(self, transport: ITransport) -> None:
        self._connections.discard(transport)
        self._bodies.pop(transport, None)
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)


class _Watched(proxyForInterface(IProtocol, "_protocol")):  # type: ignore[misc]
    """A connection's protocol, with its begin and end told to somebody else as well."""

    def __init__(
        self,
        protocol: IProtocol,
        made: Callable[[ITransport], None],
        lost: Callable[[ITransport], None],
    ) -> None:
        super().__init__(protocol)
        self._made = made
        self._lost = lost

    def makeConnection(self, transport: ITransport) -> None:
        """Tell of the begin, then pass it on."""
        self._transport = transport
        self._made(transport)
        self._protocol.makeConnection(transport)

    def connectionLost(self, reason: Failure) -> None:
        """Pass the end on, then tell of it."""
        self._protocol.connectionLost(reason)
        self._lost(self._transport)
