"""
Lockers of several processes: turns within each of them, and what keeps them apart.

In one process those who want an upload take turns (:mod:`tustwisted.lock.turns`);
whoever has his turn takes the upload from the other processes too.  How that is done is
all that a locker of several processes is made of: an :class:`IProcessLocks`.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NoReturn

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface, implementer

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock, ILocker
from tustwisted.lock.directory import DirectoryLock
from tustwisted.lock.turns import Turn, Turns
from tustwisted.probes import IReachable


class IProcessLocks(Interface):
    """
    Keeps the uploads of one process from the others.

    In one process nobody asks for an upload that is held or asked for there already.
    """

    is_leasing: bool = Attribute(
        """See :attr:`tustwisted.interfaces.ILocker.is_leasing`."""
    )

    async def start(wished: Callable[[str], None]) -> None:
        """
        Make ready; nothing is opened or taken before.

        :param wished: called in the reactor with the id of an upload that this process
            holds, and that another one wants.  Perhaps several times for one holder,
            and perhaps for one that has given it back; never for what this process
            does not hold.
        :raises CannotStart: it cannot work here; nothing stays taken.
        """

    async def stop() -> None:
        """Let go of everything; may be started again."""

    def take(upload_id: str, timeout_s: float) -> Deferred[IProcessLock]:
        """
        Take an upload; whoever holds it in another process is told that it is wanted.

        :param timeout_s: how long to wait at the most, seconds.
        :returns: fires with the lock.  Cancelling it leaves nothing behind.
        :raises UploadLocked: (errback) it was not freed in time.
        :raises LocksUnavailable: (errback) nobody can tell whether it is free.
        """

    async def try_take(upload_id: str) -> IProcessLock | None:
        """
        Take an upload if no other process holds it; none is told.

        :returns: ``None`` when one does.
        :raises LocksUnavailable: nobody can tell whether it is free.
        """


class IProcessLock(Interface):
    """An upload that no other process holds."""

    def when_lost() -> Deferred[None]:
        """Return what fires when it is gone without a release; always the same."""

    def require_held() -> None:
        """
        Judge by the clock whether it is still held.

        :raises LockLost: it is gone.
        """

    def release() -> None:
        """Give it back; harmless when done twice or when it is gone."""


@implementer(ILock)
@define(eq=False, repr=False)
class SharedLock:
    """A lock held by somebody in this process, against all processes."""

    _turn: Turn
    _process_lock: IProcessLock

    def when_lost(self) -> Deferred[None]:
        """See :meth:`tustwisted.interfaces.ILock.when_lost`."""
        return self._process_lock.when_lost()

    def require_held(self) -> None:
        """See :meth:`tustwisted.interfaces.ILock.require_held`."""
        self._process_lock.require_held()

    def release(self) -> None:
        """See :meth:`tustwisted.interfaces.ILock.release`."""
        self._process_lock.release()
        self._turn.release()  # whoever is next here takes it from the others himself


@implementer(ILocker, IReachable)
@define(eq=False, repr=False)
class SharedLocker:
    """
    Locks for uploads that several processes serve.

    :param clock: measures how long somebody waits.
    :param process_locks: keep the processes apart.
    :param directory: where the uploads are; held, together with others of the same
        kind of locker, from ``start`` to ``stop``.
    """

    _clock: IReactorTime
    _process_locks: IProcessLocks
    _directory: DirectoryLock | None = None
    _turns: Turns = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._turns = Turns(self._clock)

    @property
    def is_leasing(self) -> bool:
        """See :attr:`tustwisted.interfaces.ILocker.is_leasing`."""
        return self._process_locks.is_leasing

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.ILocker.start`."""
        if self._directory is not None:
            self._directory.take()
        try:
            await self._process_locks.start(self._turns.ask_back)
        except BaseException:
            if self._directory is not None:
                self._directory.release()
            raise

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.ILocker.stop`."""
        await self._process_locks.stop()
        if self._directory is not None:
            self._directory.release()

    async def ping(self) -> None:
        """See :meth:`tustwisted.probes.IReachable.ping`."""
        reachable = IReachable(self._process_locks, None)
        if reachable is not None:
            await reachable.ping()

    def acquire(
        self, upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[ILock]:
        """See :meth:`tustwisted.interfaces.ILocker.acquire`."""
        turn = self._turns.acquire_free(upload_id, wanted)
        if turn is not None:  # as it is nearly always: nothing to wait for here
            return self._take(turn, upload_id, timeout_s, timeout_s)
        return Deferred.fromCoroutine(self._acquire(upload_id, wanted, timeout_s))

    async def _acquire(
        self, upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> ILock:
        ends_s = self._clock.seconds() + timeout_s
        turn = await self._turns.acquire(upload_id, wanted, timeout_s)
        left_s = ends_s - self._clock.seconds()
        return await self._take(turn, upload_id, left_s, timeout_s)

    def _take(
        self, turn: Turn, upload_id: str, left_s: float, timeout_s: float
    ) -> Deferred[ILock]:
        """Take an upload from the other processes for whoever has his turn here."""

        def give_up(failure: Failure) -> NoReturn:
            turn.release()
            if failure.check(UploadLocked):
                raise UploadLocked(timeout_s) from None
            failure.raiseException()

        try:
            taking = self._process_locks.take(upload_id, left_s)
        except BaseException:
            turn.release()
            raise
        return taking.addCallbacks(partial(SharedLock, turn), give_up)

    async def try_acquire(self, upload_id: str) -> ILock | None:
        """See :meth:`tustwisted.interfaces.ILocker.try_acquire`."""
        turn = self._turns.try_acquire(upload_id)
        if turn is None:
            return None
        process_lock: IProcessLock | None = None
        try:
            process_lock = await self._process_locks.try_take(upload_id)
        finally:
            if process_lock is None:
                turn.release()
        return None if process_lock is None else SharedLock(turn, process_lock)
