"""The step between an upload's last byte and its end, and who takes it (D3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen
from twisted.logger import Logger

from tustwisted.errors import FinishFailed, TusError
from tustwisted.interfaces import IDataStore
from tustwisted.lock.held import Held
from tustwisted.protocol.events import UploadFinished
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup, require_id
from tustwisted.uploads.ongoing import Ongoing

log = Logger()

OnFinish = Callable[[UploadFinished], Awaitable[None]]


@frozen
class FinishStep:
    """
    Takes a whole upload from its last byte to ``FINISHED``; done by its holder.

    :param on_finish: what the application does with an upload that is whole.  It may
        be told the same event again after a crash, and sees only bytes that are as
        safe as the store promises for a finished upload.
    """

    _on_finish: OnFinish | None

    async def __call__(self, store: IDataStore, upload: UploadInfo) -> UploadInfo:
        """
        Finish an upload.

        :param store: as the holder may use it.
        :returns: the finished upload.
        :raises FinishFailed: ``on_finish`` failed; the upload stays finish-failed.
        :raises NoSpace: or :class:`StorageFailed`; the step can be done again.
        """
        if self._on_finish is not None:
            await store.set_state(upload.upload_id, UploadState.FINISHING)
            await self._tell(self._on_finish, store, upload)
        await store.set_state(upload.upload_id, UploadState.FINISHED)
        log.info(
            "upload {upload_id} finished, {length} bytes",
            upload_id=upload.upload_id,
            length=upload.length,
        )
        return upload.become(UploadState.FINISHED)

    async def _tell(
        self, on_finish: OnFinish, store: IDataStore, upload: UploadInfo
    ) -> None:
        try:
            await on_finish(UploadFinished(upload.become(UploadState.FINISHING)))
        except Exception as error:
            log.failure("finishing {upload_id} failed", upload_id=upload.upload_id)
            await store.set_state(upload.upload_id, UploadState.FINISH_FAILED)
            raise FinishFailed(upload.upload_id) from error


@frozen
class Finishing:
    """
    Does finish steps that are due, under the locks of their uploads.

    :param step: what is done.
    """

    _store: IDataStore
    _lookup: Lookup
    _locks: Locks
    _ongoing: Ongoing
    _step: FinishStep

    async def finish(self, upload_id: str) -> UploadInfo:
        """
        Do the finish step of an upload if it is due.

        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.finish`.
        """
        require_id(upload_id)
        async with self._locks.held(upload_id) as held:
            return await self.finish_held(held, upload_id)

    async def finish_held(self, held: Held, upload_id: str) -> UploadInfo:
        """As :meth:`finish`, for the holder of an upload."""
        upload = await self._lookup.find_locked(upload_id)
        if upload.awaits_finish:
            return await self._step(held.store, upload)
        return upload

    async def recover(self) -> int:
        """
        Do the steps that a crash has left undone.

        :returns: how many uploads were finished.
        """
        finished = 0
        for upload_id in await self._store.awaiting_finish():
            if not self._ongoing.is_running:
                break
            try:
                await self._ongoing.own(self.finish(upload_id))
            except Exception as error:  # an edge: no upload keeps the others from it
                if not isinstance(error, TusError):
                    log.failure("finishing {upload_id} failed", upload_id=upload_id)
                log.warn(
                    "upload {upload_id} stays unfinished: {error}",
                    upload_id=upload_id,
                    error=error,
                )
            else:
                finished += 1
        return finished
