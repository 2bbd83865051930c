"""The locker of a single process, and the lock that keeps the process single."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock, ILocker
from tustwisted.lock.directory import DirectoryLock

log = Logger()

MAX_WAITERS = 100
"""How many may wait for one upload; who comes then is told so at once."""


@implementer(ILock)
@define(eq=False)
class MemoryLock:
    """A lock held by somebody in this process; it is never lost."""

    generation: int
    _wanted: Callable[[], None]
    _release: Callable[[], None]
    lost: Deferred[None] = field(init=False, factory=Deferred)
    _told: bool = field(init=False, default=False)
    _released: bool = field(init=False, default=False)

    def release(self) -> None:
        """Pass the lock on to whoever waits longest; harmless when done twice."""
        if not self._released:
            self._released = True
            self._release()

    def ask_back(self) -> None:
        """Tell the holder, once, that somebody else wants the lock."""
        if not self._told and not self._released:
            self._told = True
            try:
                self._wanted()
            except Exception:
                log.failure("a holder of a lock failed when it was asked for it")


@define(eq=False)
class _Waiter:
    wanted: Callable[[], None]
    granted: Deferred[ILock]
    timeout: IDelayedCall | None = None


@define(eq=False)
class _Turn:
    """Who holds the lock of one upload, and who waits for it."""

    holder: MemoryLock
    waiters: deque[_Waiter] = field(factory=deque)
    is_free: bool = False
    is_passing: bool = False


@implementer(ILocker)
@define(eq=False)
class MemoryLocker:
    """
    Locks for the uploads of one process; waiters are served in the order they came.

    :param clock: measures how long somebody waits.
    :param directory: where the uploads are; held against other processes from
        ``start`` to ``stop``.  ``None`` when no other process can reach them.
    """

    _clock: IReactorTime
    _directory: DirectoryLock | None = None
    _turns: dict[str, _Turn] = field(init=False, factory=dict)
    _generations: Iterator[int] = field(init=False, factory=lambda: itertools.count(1))

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.ILocker.start`."""
        if self._directory is not None:
            self._directory.take()

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.ILocker.stop`."""
        if self._directory is not None:
            self._directory.release()

    def acquire(
        self, upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[ILock]:
        """See :meth:`tustwisted.interfaces.ILocker.acquire`."""
        turn = self._turns.get(upload_id)
        if turn is not None and len(turn.waiters) >= MAX_WAITERS:
            return fail(UploadLocked(0))
        if turn is None:
            return succeed(self._take(upload_id, wanted))
        return self._wait(turn, wanted, timeout_s)

    async def try_acquire(self, upload_id: str) -> ILock | None:
        """See :meth:`tustwisted.interfaces.ILocker.try_acquire`."""
        if upload_id in self._turns:
            return None
        return self._take(upload_id, _ignore)

    def _take(self, upload_id: str, wanted: Callable[[], None]) -> MemoryLock:
        lock = self._lock_for(upload_id, wanted)
        self._turns[upload_id] = _Turn(lock)
        return lock

    def _wait(
        self, turn: _Turn, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[ILock]:
        def leave(_: object = None) -> None:
            turn.waiters.remove(waiter)
            _cancel(waiter)

        def give_up() -> None:
            waiter.timeout = None
            leave()
            waiter.granted.errback(UploadLocked(timeout_s))

        waiter = _Waiter(wanted, Deferred(leave))
        turn.waiters.append(waiter)
        waiter.timeout = self._clock.callLater(timeout_s, give_up)
        turn.holder.ask_back()
        return waiter.granted

    def _lock_for(self, upload_id: str, wanted: Callable[[], None]) -> MemoryLock:
        return MemoryLock(
            next(self._generations), wanted, lambda: self._pass_on(upload_id)
        )

    def _pass_on(self, upload_id: str) -> None:
        turn = self._turns[upload_id]
        turn.is_free = True
        if turn.is_passing:
            return  # who was granted it has released it already: the loop goes on
        turn.is_passing = True
        while turn.is_free and turn.waiters:
            turn.is_free = False
            waiter = turn.waiters.popleft()
            _cancel(waiter)
            turn.holder = lock = self._lock_for(upload_id, waiter.wanted)
            waiter.granted.callback(lock)
            if turn.waiters:
                lock.ask_back()  # the others asked before this one held it
        turn.is_passing = False
        if turn.is_free:
            del self._turns[upload_id]


def _ignore() -> None:
    """Whoever wants the lock waits for the end of what is soon done."""


def _cancel(waiter: _Waiter) -> None:
    if waiter.timeout is not None:
        waiter.timeout.cancel()
        waiter.timeout = None
