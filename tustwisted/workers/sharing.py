"""Accepting from a listening socket that other processes accept from as well."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IReadDescriptor,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

log = Logger()

EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Why a connection cannot be accepted now, though it could be later."""

CLOSED: Final = (errno.EINVAL, errno.EBADF, errno.ENOTSOCK)
"""What a socket says to which nobody can connect any more."""

COURTESY_S: Final = 0.001
"""How long others may go first; if none does, one connection is taken all the same."""

PAUSE_S: Final = 0.1
"""How long to wait for descriptors, while other workers take the connections."""


@implementer(IListeningPort, IReadDescriptor)
class SharedPort:
    """
    Takes one connection at a time, so that other processes have their share.

    Twisted's own port takes up to a hundred before it looks at anything else, and it
    thinks that a UNIX socket is its alone: it unlinks the path when it stops.

    :param reactor: provides ``IReactorFDSet``, ``IReactorSocket``, ``IReactorTime``.
    :param listening: owned by this port from now on.
    :param factory: makes the protocols.
    :param has_too_many: whether others should go first.
    """

    def __init__(
        self,
        reactor: Any,
        listening: socket.socket,
        factory: IProtocolFactory,
        has_too_many: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reactor = reactor
        self._socket = listening
        self._factory = factory
        self._has_too_many = has_too_many
        self._host = _address(listening)
        self._is_listening = False
        self._is_paused = False
        self._was_courteous = False
        listening.setblocking(False)

    # -- IListeningPort ----------------------------------------------------------------

    def startListening(self) -> None:
        """Begin to accept; a port that only holds its socket is never told to."""
        self._is_listening = True
        self._factory.doStart()
        self._reactor.addReader(self)

    def stopListening(self) -> Deferred[None]:
        """Close the socket here; in other processes it goes on listening."""
        if self._is_listening:
            self._is_listening = False
            self._reactor.removeReader(self)
            self._factory.doStop()
        self._socket.close()
        return succeed(None)

    def getHost(self) -> IAddress:
        """Tell where it listens."""
        return self._host

    # -- as a port of Twisted ----------------------------------------------------------

    def stopReading(self) -> None:
        """Accept nothing for a while; who connects waits, or others accept it."""
        self._is_paused = True
        self._reactor.removeReader(self)

    def startReading(self) -> None:
        """Accept again."""
        self._is_paused = False
        self._go_on()

    # -- IReadDescriptor ---------------------------------------------------------------

    def fileno(self) -> int:
        """Name the socket."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name the port in logs."""
        return type(self).__name__

    def doRead(self) -> None:
        """Accept a connection, unless another process should, or was quicker."""
        if self._has_too_many() and not self._was_courteous:
            self._was_courteous = True
            self._pause(COURTESY_S)
            return
        self._was_courteous = False
        try:
            connection, _ = self._socket.accept()
        except OSError as error:
            self._not_accepted(error)
            return
        with connection:  # what serves it has a descriptor of its own
            connection.setblocking(False)
            self._serve(connection)

    def connectionLost(self, reason: Failure) -> None:
        """Stop: the reactor says that the socket is of no use any more."""
        self.stopListening()  # type: ignore[unused-awaitable] # has fired

    # -- inside ------------------------------------------------------------------------

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._reactor.adoptStreamConnection(
                connection.fileno(), connection.family, self._factory
            )
        except OSError as error:
            self._not_accepted(error)  # ENOTCONN: the client has gone already
        except Exception:
            log.failure("a connection could not be served")

    def _not_accepted(self, error: OSError) -> None:
        if error.errno in EXHAUSTED:
            log.warn(
                "no connection can be accepted for {pause_s} s: {reason}",
                pause_s=PAUSE_S,
                reason=os.strerror(error.errno),
            )
            self._pause(PAUSE_S)
        elif error.errno in CLOSED:
            self._reactor.removeReader(self)  # it would be readable for ever

    def _pause(self, seconds: float) -> None:
        self._reactor.removeReader(self)
        self._reactor.callLater(seconds, self._go_on)

    def _go_on(self) -> None:
        if self._is_listening and not self._is_paused:
            self._reactor.addReader(self)


def _address(listening: socket.socket) -> IAddress:
    name = listening.getsockname()
    if listening.family == socket.AF_INET:
        return IPv4Address("TCP", *name)
    if listening.family == socket.AF_INET6:
        return IPv6Address("TCP", *name)
    return UNIXAddress(name)
