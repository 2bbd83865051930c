"""A reactor whose TCP connections are :mod:`tustwisted.web.connection`'s."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.tcp import Port

from tustwisted.altered import AlteredReactor
from tustwisted.web.connection import PromptConnection


class PromptReactor(AlteredReactor):
    """Makes such connections, where it listens and where it adopts them."""

    def listenTCP(self, *args: Any, **kwargs: Any) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorTCP.listenTCP`."""
        port: IListeningPort = self._reactor.listenTCP(*args, **kwargs)
        if isinstance(port, Port):
            port.transport = PromptConnection
        return port

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> object:
        """See :meth:`twisted.internet.interfaces.IReactorSocket`."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            return self._reactor.adoptStreamConnection(
                fileDescriptor, addressFamily, factory
            )
        # As Twisted's reactor does it, with a class that it has no parameter for.
        return PromptConnection._fromConnectedSocket(
            fileDescriptor, addressFamily, factory, self._reactor
        )
