"""The locks of uploads, as the core takes them: with an end to every wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import frozen
from twisted.internet.defer import Deferred

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock, ILocker


@frozen
class Locks:
    """
    Waits for locks.

    :param timeout_s: how long at the most, seconds.
    """

    _locker: ILocker
    _timeout_s: float

    def acquire(self, upload_id: str, wanted: Callable[[], None]) -> Deferred[ILock]:
        """See :meth:`tustwisted.interfaces.ILocker.acquire`."""
        return self._locker.acquire(upload_id, wanted, self._timeout_s)

    async def acquire_now(self, upload_id: str) -> ILock:
        """
        Take a lock that is free.

        :raises UploadLocked: it is not; its holder does not hear of this.
        """
        lock = await self._locker.try_acquire(upload_id)
        if lock is None:
            raise UploadLocked(0.0)
        return lock

    @asynccontextmanager
    async def held(self, upload_id: str) -> AsyncIterator[None]:
        """
        Hold an upload for a short piece of work, which nobody stops (T-236).

        :raises UploadLocked: another request did not free it in time.
        """
        lock = await self.acquire(upload_id, _ignore)
        try:
            yield
        finally:
            lock.release()


def _ignore() -> None:
    """Whoever wants an upload that is finished or removed waits for the end of that."""
