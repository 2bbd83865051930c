"""A reactor of which something is different, for endpoints that listen by it."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from zope.interface import directlyProvides, providedBy


class AlteredReactor:
    """
    Does what another reactor does, but for the methods of a subclass.

    :param reactor: the other one.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, *providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


class WrappingReactor(AlteredReactor):
    """Listens with TLS as it listens without, with another factory."""

    def listenSSL(
        self,
        port: int,
        factory: IProtocolFactory,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorSSL.listenSSL`."""
        # Not above: it needs pyOpenSSL, which those without TLS may not have.
        from twisted.protocols.tls import TLSMemoryBIOFactory  # noqa: PLC0415

        secure = TLSMemoryBIOFactory(contextFactory, False, factory)
        return self.listenTCP(port, secure, backlog, interface)  # type: ignore[no-any-return]
