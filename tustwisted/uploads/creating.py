"""The beginning of uploads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

from attrs import frozen
from twisted.logger import Logger

from tustwisted.errors import LocksUnavailable, TusError, UploadLocked
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.ids import new_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.checks import check_maximum
from tustwisted.uploads.finishing import Finishing
from tustwisted.uploads.locks import Locks

log = Logger()


@frozen
class Creating:
    """
    Creates uploads.

    :param max_size_bytes: the longest upload; ``None`` for no limit.
    :param random_bytes: for their ids.
    :param now_s: tells the time, seconds since 1970.
    :param locks: of ids that an application has chosen: they may have been used before,
        and what is left of that may be about to be removed.
    :param finishing: does the finish steps of uploads.
    """

    _store: IDataStore
    _max_size_bytes: int | None
    _random_bytes: Callable[[int], bytes]
    _now_s: Callable[[], float]
    _locks: Locks
    _finishing: Finishing

    async def create(
        self,
        length: int | None,
        metadata: Metadata,
        upload_id: str | None,
        is_partial: bool,
    ) -> UploadInfo:
        """See :meth:`tustwisted.uploads.uploads.Uploads.create`."""
        if length is not None:
            check_maximum(length, self._max_size_bytes)
        upload = UploadInfo(
            upload_id or new_id(self._random_bytes),
            length,
            metadata=metadata,
            created_s=self._now_s(),
            is_partial=is_partial,
        )
        async with self._reserved(upload_id):
            await self._store.create(upload)
        log.info(
            "upload {upload_id} created, {length} bytes",
            upload_id=upload.upload_id,
            length=length,
        )
        return await self._finish(upload) if upload.awaits_finish else upload

    async def _finish(self, upload: UploadInfo) -> UploadInfo:
        try:
            return await self._finishing.finish(upload.upload_id)
        except (LocksUnavailable, UploadLocked):
            # Whoever asked for it believes that it is not there, and asks again.
            with suppress(TusError):
                await self._store.remove(upload.upload_id)
            raise

    def plan_final(
        self,
        partial_uploads: Sequence[str],
        metadata: Metadata,
        upload_id: str | None,
        concat_header: str,
    ) -> UploadInfo:
        """Say what a final upload will be, but for its length."""
        return UploadInfo(
            upload_id or new_id(self._random_bytes),
            None,
            metadata=metadata,
            created_s=self._now_s(),
            is_final=True,
            partial_uploads=tuple(partial_uploads),
            concat_header=concat_header,
        )

    def _reserved(self, upload_id: str | None) -> AbstractAsyncContextManager[object]:
        """
        Keep everybody off an id while an upload gets it.

        :param upload_id: of an application's own; ``None``: a random one, which nobody
            has had before.
        """
        return nullcontext() if upload_id is None else self._locks.held(upload_id)
