"""How a request gets hold of an upload, and what becomes of that when it is gone."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred

from tustwisted.errors import ServerShutdown, TusError, UploadLocked
from tustwisted.interfaces import ILock
from tustwisted.observing import IObserver
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.receiver import Receiver
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.checks import check_without_lock
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.claim import Claim, Deliver
from tustwisted.uploads.limits import InForce
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.opening import Opening
from tustwisted.uploads.progress import Progress
from tustwisted.uploads.removing import Removing


@define(eq=False, repr=False)
class Receiving:
    """
    Turns chunks into receivers, one for an upload at a time.

    It goes on when the request that brought the chunk is cut off meanwhile, except for
    the wait for somebody else: what had arrived by then is to be kept.
    """

    _locks: Locks
    _lookup: Lookup
    _ongoing: Ongoing
    _opening: Opening
    _removing: Removing
    _progress: Progress
    _in_force: InForce
    _observer: IObserver
    _claims: set[Claim] = field(init=False, factory=set)

    async def receive(
        self,
        upload_id: str,
        chunk: Chunk,
        deliver: Deliver | None,
        caller: Caller | None,
    ) -> Receiver:
        """
        Take an upload over from whoever holds it, and open it for a chunk.

        :param deliver: see :class:`tustwisted.uploads.claim.Claim`.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.receive`.
        """
        finding = self._find(upload_id, chunk, caller)
        return await self._receive(finding, chunk, deliver, caller)

    async def receive_new(
        self,
        creating: Coroutine[Deferred[Any], Any, UploadInfo],
        chunk: Chunk,
        deliver: Deliver | None,
        caller: Caller | None,
    ) -> Receiver:
        """
        Create an upload, and open it for its first chunk.

        :raises TusError: as ``creating``, and as :meth:`receive`.
        """
        return await self._receive(creating, chunk, deliver, caller, is_new=True)

    async def _receive(
        self,
        finding: Coroutine[Deferred[Any], Any, UploadInfo],
        chunk: Chunk,
        deliver: Deliver | None,
        caller: Caller | None,
        is_new: bool = False,
    ) -> Receiver:
        claim = Claim(deliver, self._observer.taken_over)
        work = self._ongoing.own(self._take(claim, finding, chunk, caller, is_new))
        try:
            return await work
        except CancelledError:
            claim.leave()
            raise

    def end_waits(self) -> None:
        """Let nobody wait for a lock any more: the uploads are stopping."""
        for claim in list(self._claims):
            claim.leave()

    async def _find(
        self, upload_id: str, chunk: Chunk, caller: Caller | None
    ) -> UploadInfo:
        upload = await self._lookup.find(upload_id, caller)
        check_without_lock(upload, chunk, self._in_force.limits.max_size_bytes)
        return upload

    async def _take(
        self,
        claim: Claim,
        finding: Coroutine[Deferred[Any], Any, UploadInfo],
        chunk: Chunk,
        caller: Caller | None,
        is_new: bool,
    ) -> Receiver:
        upload_id = (await finding).upload_id
        try:
            lock = await self._lock(claim, upload_id)
            held = await self._locks.hold(upload_id, lock)
        except TusError:
            if is_new:  # nobody will ever learn its id
                await self._removing.discard(upload_id)
            raise
        try:
            self._ongoing.require_running()
            receiver = await self._opening.open(upload_id, chunk, held, caller, is_new)
        except BaseException:
            await held.release()
            raise
        self._ongoing.keep(receiver)
        self._progress.watch(receiver, caller)
        claim.grant(receiver)
        if not self._ongoing.is_running:
            receiver.stop(ServerShutdown())
        return receiver

    async def _lock(self, claim: Claim, upload_id: str) -> ILock:
        self._claims.add(claim)
        try:
            return await claim.lock(self._locks, upload_id)
        except UploadLocked:
            self._ongoing.require_running()
            raise
        finally:
            self._claims.discard(claim)
