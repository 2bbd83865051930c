"""The step between an upload's last byte and its end (D3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen
from twisted.logger import Logger

from tustwisted.errors import FinishFailed
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.events import UploadFinished
from tustwisted.protocol.upload import UploadInfo, UploadState

log = Logger()

OnFinish = Callable[[UploadFinished], Awaitable[None]]


@frozen
class FinishStep:
    """
    Takes a whole upload from its last byte to ``FINISHED``; done under its lock.

    :param on_finish: what the application does with an upload that is whole.  It may
        be told the same event again after a crash, and sees only bytes that are as
        safe as the store promises for a finished upload.
    """

    _store: IDataStore
    _on_finish: OnFinish | None

    async def __call__(self, upload: UploadInfo) -> UploadInfo:
        """
        Finish an upload.

        :returns: the finished upload.
        :raises FinishFailed: ``on_finish`` failed; the upload stays finish-failed.
        :raises NoSpace: or :class:`StorageFailed`; the step can be done again.
        """
        if self._on_finish is not None:
            await self._store.set_state(upload.upload_id, UploadState.FINISHING)
            await self._tell(self._on_finish, upload)
        await self._store.set_state(upload.upload_id, UploadState.FINISHED)
        log.info(
            "upload {upload_id} finished, {length} bytes",
            upload_id=upload.upload_id,
            length=upload.length,
        )
        return upload.become(UploadState.FINISHED)

    async def _tell(self, on_finish: OnFinish, upload: UploadInfo) -> None:
        try:
            await on_finish(UploadFinished(upload.become(UploadState.FINISHING)))
        except Exception as error:
            log.failure("finishing {upload_id} failed", upload_id=upload.upload_id)
            await self._store.set_state(upload.upload_id, UploadState.FINISH_FAILED)
            raise FinishFailed from error
