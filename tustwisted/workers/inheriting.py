"""
One set of endpoint descriptions, for the process that listens and for those that serve.

Both parse the same descriptions, each against a reactor that is Twisted's except for
listening.  So whatever a description wraps around its connections, TLS or the PROXY
protocol, is made where they are served.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from tustwisted.altered import AlteredReactor, WrappingReactor
from tustwisted.workers.sharing import SharedPort

_SYSTEMD = re.compile(r"^(haproxy:)?systemd(\\?):.*$")


class AdoptingReactor(AlteredReactor):
    """
    Serves ports that systemd opened, and leaves them as they are when it stops.

    Twisted's own way unlinks the path of a UNIX socket, at which systemd still listens:
    nobody could connect until the socket unit is started again.
    """

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorSocket.adoptStreamPort`."""
        listening = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        port = SharedPort(self._reactor, listening, factory)
        port.startListening()
        return port


class HoldingReactor(AlteredReactor):
    """
    Listens, and accepts nothing: what was opened is for others to inherit.

    :param reactor: opens the ports.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.ports: list[Any] = []
        """What was opened, in order: an ``IListeningPort`` with a ``fileno()``."""

    def close(self) -> Deferred[list[object]]:
        """
        Close the ports; nobody can connect any more, as far as they were opened here.

        :returns: fires when that is done, which takes a turn of the reactor.
        """
        ports, self.ports = self.ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def listenTCP(self, *args: Any, **kwargs: Any) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorTCP.listenTCP`."""
        return self._hold(self._reactor.listenTCP(*args, **kwargs))

    def listenSSL(
        self,
        port: int,
        factory: IProtocolFactory,
        contextFactory: object,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorSSL.listenSSL`."""
        return self.listenTCP(port, factory, backlog, interface)

    def listenUNIX(self, *args: Any, **kwargs: Any) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorUNIX.listenUNIX`."""
        return self._hold(self._reactor.listenUNIX(*args, **kwargs))

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorSocket.adoptStreamPort`."""
        listening = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        port = SharedPort(self._reactor, listening, factory)
        self.ports.append(port)
        return port

    def _hold(self, port: Any) -> IListeningPort:
        port.stopReading()
        self.ports.append(port)
        return port  # type: ignore[no-any-return]


class InheritingReactor(WrappingReactor):
    """
    Listens on what was inherited, whatever is asked for, in the same order.

    :param reactor: serves the connections.
    :param inherited: the listening sockets; owned by this from now on.
    :param has_too_many: whether other processes should take the next connection.
    """

    def __init__(
        self,
        reactor: Any,
        inherited: Iterator[socket.socket],
        has_too_many: Callable[[], bool],
    ) -> None:
        super().__init__(reactor)
        self._inherited = inherited
        self._has_too_many = has_too_many

    def listenTCP(
        self,
        port: int,
        factory: IProtocolFactory,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorTCP.listenTCP`."""
        return self._listen(factory)

    def listenUNIX(
        self,
        address: str,
        factory: IProtocolFactory,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorUNIX.listenUNIX`."""
        return self._listen(factory)

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorSocket.adoptStreamPort`."""
        return self._listen(factory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        listening = next(self._inherited, None)
        if listening is None:
            raise LookupError("a worker listens on what it inherited, nowhere else")
        port = SharedPort(self._reactor, listening, factory, self._has_too_many)
        port.startListening()
        return port


def without_activation(description: str) -> str:
    """
    Describe what a worker does with a port that systemd opened.

    The descriptors that systemd gave are the supervisor's; to a worker they are
    sockets like the others.
    """
    return _SYSTEMD.sub(r"\1tcp\2:0", description)
