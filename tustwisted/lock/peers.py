"""
How the processes that share a directory tell each other what they wait for.

Each listens on a socket of its own, and all are connected to each other.  No wake-up is
lost, for three reasons:

* A wish stands at every process until it is taken back, and each answers it with
  ``free`` when it does not hold what is wanted, or else when it gives it back.  So
  whichever of them gave it back last did that either before it heard of the wish, and
  its answer came after that, or afterwards, and told.  Either way the waiter is woken
  when it was free, and then it tries again.
* Who joins listens first and looks for the others then, so that of two one finds the
  other.  Each tells its wishes as soon as they are connected, and who joins takes
  nothing before it has heard them all.  Only a frozen process is not waited for longer
  than a moment: it tells its wishes when it is thawed, if it still has them then.
* When a connection ends, its process is looked after until it is either dead, and then
  everybody who waits tries again, or connected again, and then all wishes are told
  again.  The kernel frees all that a process has locked in one step, but not in the
  same one in which it closes its connections; so that a process is dead is told by
  the byte that it has locked for its name, on the same descriptor.

That byte is locked before the socket appears, so one whose byte is free belongs to a
dead process: whoever sees it removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.unix import Port as UNIXPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.lock.kernel import ByteLocks, byte_of_name
from tustwisted.lock.link import ILinked, Link
from tustwisted.lock.sockets import Sockets, new_name
from tustwisted.waiting import Bell, WaitedTooLong, within

log = Logger()

MEETING_S = 1.0
"""How long who joins waits for the wishes of the others, seconds."""

BACKLOG = 1024
"""How many may join while this process is frozen."""

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 10.0
_RECONNECT_S = 0.25
"""
A dying process is looked for again soon, and later and later; one that is alive, and
yet hung up, is not called back at once: it might hang up on every call.
"""


@implementer(ILinked)
class Peers:
    """
    The other processes.

    :param reactor: provides ``IReactorTime``, ``IReactorUNIX``, ``IReactorSocket``.
    :param locks: the bytes that this process locks uploads by.
    :param sockets: where the processes find each other.
    :param wished: called with a byte that another process wants; tells whether it is
        held here.
    :param freed: called with a byte that may be free, or ``None`` for any of them.
    """

    def __init__(
        self,
        reactor: Any,
        locks: ByteLocks,
        sockets: Sockets,
        wished: Callable[[int], bool],
        freed: Callable[[int | None], None],
    ) -> None:
        self._reactor = reactor
        self._locks = locks
        self._sockets = sockets
        self._wished = wished
        self._freed = freed
        self._name = new_name()
        self._standing: dict[int, float] = {}
        self._links: set[Link] = set()
        self._sought: dict[str, Deferred[None]] = {}
        self._news = Bell()  # somebody was met, or is gone
        self._left = Bell()  # somebody is gone
        self._port: UNIXPort | None = None
        self._is_stopped = False

    async def start(self) -> None:
        """
        Join the others.

        :raises OSError: it cannot be done here.
        :raises CannotListenError: nor can a socket be made.
        """
        self._locks.try_lock(byte_of_name(self._name))
        factory = _Links(lambda: self._new_link(None))
        address = self._sockets.address(self._name)
        self._port = self._reactor.listenUNIX(address, factory, BACKLOG, 0o660)
        for name in self._sockets.names():
            if name != self._name and not self._is_buried(name):
                self._connect(name)
                self._seek(name)
        with suppress(WaitedTooLong):
            await within(MEETING_S, self._all_met(), self._reactor)

    async def stop_listening(self) -> None:
        """Let nobody join any more; harmless when done twice."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            await maybeDeferred(port.stopListening)
        except FileNotFoundError:  # somebody has removed it, and Twisted stops there
            port.socket.close()

    def leave(self) -> None:
        """Hang up on everybody; what was held must be free by now."""
        self._is_stopped = True
        for seeking in list(self._sought.values()):
            seeking.cancel()
        for link in self._links:
            link.hang_up()

    async def all_left(self) -> None:
        """Wait until no connection is left."""
        while self._links:
            await self._left.rung()

    def want(self, byte: int, timeout_s: float) -> None:
        """Tell everybody that this process waits for a byte, and how long."""
        self._standing[byte] = self._reactor.seconds() + timeout_s
        for link in self._links:
            link.want(byte)

    def unwant(self, byte: int) -> None:
        """Tell everybody that it does not wait for it any more."""
        del self._standing[byte]
        for link in self._links:
            link.unwant(byte)

    def is_wanted(self, byte: int) -> bool:
        """Tell whether another process waits for a byte."""
        return any(link.is_wanted(byte) for link in self._links)

    def free(self, byte: int) -> None:
        """Tell those who wait for a byte that this process does not hold it."""
        for link in self._links:
            link.free(byte)

    # -- called by the links -----------------------------------------------------------

    def link_made(self, link: Link) -> None:
        """See :meth:`tustwisted.lock.link.ILinked.link_made`."""
        self._links.add(link)
        if self._is_stopped:
            link.hang_up()

    def link_met(self, link: Link) -> None:
        """See :meth:`tustwisted.lock.link.ILinked.link_met`."""
        self._news.ring()

    def link_lost(self, link: Link) -> None:
        """See :meth:`tustwisted.lock.link.ILinked.link_lost`."""
        self._links.discard(link)
        if not self._is_stopped:
            if link.peer_name is None:
                self._freed(None)
            else:
                self._seek(link.peer_name)
        self._news.ring()
        self._left.ring()

    def wish_heard(self, link: Link, byte: int) -> None:
        """See :meth:`tustwisted.lock.link.ILinked.wish_heard`."""
        if not self._wished(byte):
            link.free(byte)

    def free_heard(self, byte: int) -> None:
        """See :meth:`tustwisted.lock.link.ILinked.free_heard`."""
        self._freed(byte)

    # -- who is there ------------------------------------------------------------------

    def _new_link(self, peer_name: str | None) -> Link:
        return Link(self, self._reactor, self._name, self._standing, peer_name)

    async def _all_met(self) -> None:
        while not all(link.has_met for link in self._links):
            await self._news.rung()

    def _connect(self, name: str) -> None:
        """Connect to another process, if that can be done at once."""
        connection = self._sockets.connect(name)
        if connection is None:
            return
        factory = _Links(lambda: self._new_link(name))
        # The reactor makes a descriptor of its own, unless too many are open.
        with connection, suppress(OSError):
            self._reactor.adoptStreamConnection(
                connection.fileno(), connection.family, factory
            )

    def _is_linked(self, name: str) -> bool:
        return any(link.peer_name == name for link in self._links)

    def _is_buried(self, name: str) -> bool:
        """Tell whether a process is dead, and remove its socket if it is."""
        if self._locks.is_locked_elsewhere(byte_of_name(name)):
            return False
        self._sockets.bury(name)
        return True

    def _seek(self, name: str) -> None:
        """Look after a process until it is dead or connected."""
        if name in self._sought:
            return
        seeking = self._sought[name] = Deferred.fromCoroutine(self._look_after(name))

        def end(result: object) -> None:
            del self._sought[name]

        _ = seeking.addErrback(self._fail).addBoth(end)

    async def _look_after(self, name: str) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._is_linked(name):
            if self._is_buried(name):
                self._freed(None)
                return
            if pause_s > _RECONNECT_S:
                self._connect(name)
            await deferLater(self._reactor, pause_s, lambda: None)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _fail(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("another process cannot be looked after", failure)


class _Links(Factory):
    """Builds links; says nothing of it in the log."""

    noisy = False

    def __init__(self, build: Callable[[], Link]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Link:
        return self._build()
