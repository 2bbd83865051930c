"""Removing what has expired, and what a crash has left, a little at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from tustwisted.abilities import ISearch, ISweeps, LeftAlone, Leftover
from tustwisted.errors import TusError, UploadLocked, UploadNotFound
from tustwisted.interfaces import IDataStore
from tustwisted.lock.held import Held
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.events import Events
from tustwisted.uploads.finishing import Finishing
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.removing import Removing

log = Logger()

PAUSE_S = 0.002
"""Between two steps: others may have the disk and the processor."""

MAX_FAILURES = 100
"""After so many a sweep gives up: the storage is broken, and each is logged."""

_MAX_TOLD = 1000
"""Of what is left alone so much is told by its name, once in the life of a process."""


@define
class Swept:
    """What one sweep has done."""

    looked_at: int = 0
    """Uploads."""
    expired: int = 0
    """Uploads that were removed."""
    locked: int = 0
    """What was in use, and is looked at the next time (T-159)."""
    cleared: int = 0
    """Leftovers that were removed."""
    left_alone: int = 0
    """What fits nothing that the store makes."""
    failed: int = 0
    """What could not be removed."""


@define(eq=False, repr=False)
class Sweeping:
    """
    Sweeps the uploads of one store.

    :param is_wanted: asked before each removal; if not, the sweep ends.
    """

    _store: IDataStore
    _locks: Locks
    _lookup: Lookup
    _finishing: Finishing
    _removing: Removing
    _events: Events
    _clock: IReactorTime
    _is_wanted: Callable[[], bool]
    _told: set[str] = field(init=False, factory=set)

    async def sweep(self, leftover_before_s: float) -> Swept:
        """Look at everything once; see :meth:`~.uploads.uploads.Uploads.sweep`."""
        swept = Swept()
        await self.settle_events()
        search = ISweeps(self._store).search(leftover_before_s)
        try:
            while self._goes_on(swept) and await self._step(search, swept):
                await deferLater(self._clock, PAUSE_S)
        finally:
            search.close()
        return swept

    async def settle_events(self) -> None:
        """
        See what became of the events that a crash left undecided.

        :raises StorageFailed: nobody can tell.
        """
        if not self._events.has_durable:
            return
        for upload_id in await self._events.outbox.all_unsettled():
            await self._locked(upload_id, Swept(), self._settle)

    async def _settle(self, _: Held, upload_id: str, __: Swept) -> None:
        await self._events.settle(upload_id)

    def _goes_on(self, swept: Swept) -> bool:
        return self._is_wanted() and swept.failed < MAX_FAILURES

    async def _step(self, search: ISearch, swept: Swept) -> bool:
        """Do one batch; tell whether there may be more."""
        batch = await search.next_batch()
        if batch is None:
            return False
        swept.looked_at += len(batch.uploads)
        for upload in batch.uploads:
            if self._lookup.has_expired(upload):
                await self._locked(upload.upload_id, swept, self._expire)
            elif _is_left_unfinished(upload):
                await self._locked(upload.upload_id, swept, self._finish)
            elif self._finishing.step.is_dropped(upload):
                await self._locked(upload.upload_id, swept, self._drop)
        for leftover in batch.leftovers:
            clear = partial(self._clear, search, leftover)
            await self._locked(leftover.upload_id, swept, clear, claims=False)
        for found in batch.left_alone:
            swept.left_alone += 1
            self._tell(found)
        return True

    async def _locked(
        self,
        upload_id: str,
        swept: Swept,
        work: Callable[[Held, str, Swept], Awaitable[None]],
        claims: bool = True,
    ) -> None:
        """
        Do some work under a lock, if nobody holds it and the sweep goes on.

        :param claims: as holders do; the store claims itself what it clears away.
        """
        if not self._goes_on(swept):
            return
        try:
            lock = await self._locks.acquire_now(upload_id)
            held = Held(lock, self._store)
            if claims:
                held = await self._locks.hold(upload_id, lock)
            try:
                await work(held, upload_id, swept)
            finally:
                await held.release()
        except UploadLocked:
            swept.locked += 1
        except UploadNotFound:
            pass  # somebody else was faster
        except Exception as error:  # an edge: no upload keeps the others from it
            swept.failed += 1
            if not isinstance(error, TusError):  # those were logged where they arose
                log.failure("sweeping {upload_id} failed", upload_id=upload_id)

    async def _expire(self, held: Held, upload_id: str, swept: Swept) -> None:
        upload = await held.store.info(upload_id)
        if self._lookup.has_expired(upload):
            await self._removing.remove(held.store, upload, kind=EventType.POST_EXPIRE)
            swept.expired += 1
            log.info("upload {upload_id} expired", upload_id=upload_id)

    async def _finish(self, held: Held, upload_id: str, _: Swept) -> None:
        await self._finishing.finish_held(held, upload_id)

    async def _drop(self, held: Held, upload_id: str, _: Swept) -> None:
        await self._finishing.drop_held(held, upload_id)

    async def _clear(
        self, search: ISearch, leftover: Leftover, _: Held, upload_id: str, swept: Swept
    ) -> None:
        if await search.clear(leftover):
            swept.cleared += 1
            log.info("leftover {name} cleared away", name=leftover.name)

    def _tell(self, found: LeftAlone) -> None:
        if found.name not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(found.name)
            log.warn(
                "{name} is left alone: it {problem}",
                name=found.name,
                problem=found.problem,
            )


def _is_left_unfinished(upload: UploadInfo) -> bool:
    """Tell whether a finish step is due that nobody has tried in vain before."""
    return upload.awaits_finish and upload.state is not UploadState.FINISH_FAILED
