"""The locker of a single process, and the lock that keeps the process single."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tustwisted.interfaces import ILock, ILocker
from tustwisted.lock.directory import DirectoryLock
from tustwisted.lock.turns import Turns


@implementer(ILocker)
@define(eq=False, repr=False)
class MemoryLocker:
    """
    Locks for the uploads of one process; waiters are served in the order they came.

    :param clock: measures how long somebody waits.
    :param directory: where the uploads are; held against other processes from
        ``start`` to ``stop``.  ``None`` when no other process can reach them.
    """

    _clock: IReactorTime
    _directory: DirectoryLock | None = None
    _turns: Turns = field(init=False)

    is_leasing = False

    def __attrs_post_init__(self) -> None:
        self._turns = Turns(self._clock)

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
        return self._turns.acquire(upload_id, wanted, timeout_s)  # type: ignore[return-value]

    async def try_acquire(self, upload_id: str) -> ILock | None:
        """See :meth:`tustwisted.interfaces.ILocker.try_acquire`."""
        return self._turns.try_acquire(upload_id)
