"""The locks of uploads, as the core takes them: with an end to every wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tustwisted.abilities import IFences
from tustwisted.errors import UploadLocked
from tustwisted.interfaces import IDataStore, ILock, ILocker
from tustwisted.lock.held import Held
from tustwisted.observing import IObserver
from tustwisted.uploads.limits import InForce

_T = TypeVar("_T")


@frozen(eq=False, repr=False)
class Locks:
    """
    Waits for locks, and claims what they are for.

    :param in_force: tells how long to wait at the most.
    :param clock: measures waits.
    :param observer: is told of them.
    """

    _locker: ILocker
    _store: IDataStore
    _in_force: InForce
    _clock: IReactorTime
    _observer: IObserver

    def acquire(self, upload_id: str, wanted: Callable[[], None]) -> Deferred[ILock]:
        """See :meth:`tustwisted.interfaces.ILocker.acquire`; then :meth:`hold`."""
        timeout_s = self._in_force.limits.lock_timeout_s
        waiting = self._locker.acquire(upload_id, wanted, timeout_s)
        if not waiting.called:
            began_s = self._clock.seconds()
            waiting.addBoth(self._waited, began_s)  # type: ignore[unused-awaitable]
        return waiting

    def _waited(self, result: _T, began_s: float) -> _T:
        took_s = self._clock.seconds() - began_s
        self._observer.waited(not isinstance(result, Failure), took_s)
        return result

    async def acquire_now(self, upload_id: str) -> ILock:
        """
        Take a lock that is free; then :meth:`hold`.

        :raises UploadLocked: it is not; its holder does not hear of this.
        """
        lock = await self._locker.try_acquire(upload_id)
        if lock is None:
            raise UploadLocked(0.0)
        return lock

    async def hold(self, upload_id: str, lock: ILock) -> Held:
        """
        Get hold of an upload whose lock was taken; not to be cancelled.

        Where a lock may end while its holder is frozen, that one is shut out here.

        :raises TusError: it cannot be claimed; the lock is released.
        """
        fences = IFences(self._store, None) if self._locker.is_leasing else None
        if fences is None:
            return Held(lock, self._store)
        try:
            lock.require_held()  # or it is the claim of a successor that is ended
            claim = await fences.claim(upload_id)
        except BaseException:
            lock.release()
            raise
        held = Held(lock, claim.store, claim)
        try:
            lock.require_held()  # or what is claimed was somebody else's meanwhile
        except BaseException:
            await held.release()
            raise
        return held

    @asynccontextmanager
    async def held(self, upload_id: str) -> AsyncIterator[Held]:
        """
        Hold an upload for a short piece of work, which nobody stops (T-236).

        :raises UploadLocked: another request did not free it in time.
        """
        lock = await self.acquire(upload_id, _ignore)
        held = await self.hold(upload_id, lock)
        try:
            yield held
        finally:
            await held.release()


def _ignore() -> None:
    """Whoever wants an upload that is finished or removed waits for the end of that."""
