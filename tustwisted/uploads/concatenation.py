"""Putting a final upload together from partial ones (concatenation, D13)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.abilities import IConcatenates
from tustwisted.errors import (
    FinishFailed,
    FinishRejected,
    InvalidConcat,
    InvalidUploadLength,
    ServerShutdown,
    UploadInterrupted,
    UploadNotFinished,
)
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.caller import Caller, client_of
from tustwisted.uploads.checks import check_maximum, limit_of
from tustwisted.uploads.creating import Creating
from tustwisted.uploads.finishing import Finishing
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.removing import Removing

log = Logger()

AT_ONCE: Final = 16
"""So many parts are looked up in one turn of the reactor: 1 ms on a quick disk."""


@define(eq=False, repr=False)
class Concatenation:
    """
    The making of one final upload, which ends early when nobody waits for it.

    :param finishing: does the finish steps of uploads.
    :param max_size_bytes: the longest upload; ``None`` for no limit.
    :param caller: who asks for it; the parts must be his.
    """

    _store: IConcatenates
    _lookup: Lookup
    _creating: Creating
    _removing: Removing
    _finishing: Finishing
    _ongoing: Ongoing
    _clock: IReactorTime
    _max_size_bytes: int | None
    _caller: Caller | None
    _given_up: bool = field(init=False, default=False)

    async def run_while_wanted(
        self, final: UploadInfo, length: int | None, is_named: bool
    ) -> UploadInfo:
        """
        Do the work, and the finish step of what comes of it.

        When this is cancelled, it ends at the next step, if the upload is not there by
        then: nobody would ever learn its id.

        :param final: without a length, which comes of its parts.
        :param length: what the client believes it to be.
        :param is_named: its id is not a random one.
        :raises TusError: see :meth:`tustwisted.uploads.uploads.Uploads.concatenate`.
        """
        try:
            return await self._ongoing.own(self._run(final, length, is_named))
        except CancelledError:
            self._given_up = True
            raise

    async def _run(
        self, wish: UploadInfo, length: int | None, is_named: bool
    ) -> UploadInfo:
        parts = await self._look_all_up(wish.partial_uploads)
        wish = evolve(wish, length=_judge(parts, length, self._max_size_bytes))
        final = await self._creating.ask(wish, self._caller)
        assert final.length is not None
        check_maximum(final.length, limit_of(final, self._max_size_bytes))
        try:
            copying = partial(self._store.concatenate, final, self._is_wanted)
            await self._creating.create_by(final, wish, self._caller, is_named, copying)
        except UploadInterrupted:
            if not self._ongoing.is_running:
                raise ServerShutdown from None
            raise
        log.info(
            "upload {upload_id} concatenated of {count} others for {client}, "
            "{length} bytes",
            upload_id=final.upload_id,
            client=client_of(self._caller),
            count=len(parts),
            length=final.length,
        )
        try:
            return await self._finishing.finish(final.upload_id, self._caller)
        except (FinishFailed, FinishRejected):
            if self._caller is not None:
                # A client has only the parts, and will ask for another one: each would
                # stay.
                await self._removing.discard(final.upload_id)
            raise

    def _is_wanted(self) -> bool:
        return self._ongoing.is_running and not self._given_up

    async def _look_all_up(self, upload_ids: Sequence[str]) -> list[UploadInfo]:
        """Look each upload up once, some at a time: a list may have thousands."""
        found: dict[str, UploadInfo] = {}
        different = list(dict.fromkeys(upload_ids))
        for start in range(0, len(different), AT_ONCE):
            if start:
                await deferLater(self._clock, 0)
            group = different[start : start + AT_ONCE]
            found |= zip(group, await self._look_up_together(group), strict=True)
        return [found[upload_id] for upload_id in upload_ids]

    async def _look_up_together(self, group: Sequence[str]) -> list[UploadInfo]:
        """Look some up at the same time; the first in the list to fail is told."""
        looking = [Deferred.fromCoroutine(self._look_up(part)) for part in group]
        found = []
        for _, looked in await DeferredList(looking, consumeErrors=True):
            if isinstance(looked, Failure):
                looked.raiseException()
            found.append(looked)
        return found

    async def _look_up(self, upload_id: str) -> UploadInfo:
        """Tell of a part, after the finish step that a crash may have left undone."""
        upload = await self._lookup.find(upload_id, self._caller)
        if upload.is_partial and upload.awaits_finish:
            return await self._finishing.finish(upload_id)
        return upload


def _judge(
    parts: Sequence[UploadInfo], length: int | None, max_size_bytes: int | None
) -> int:
    """
    Tell how long the final upload will be, if it may be made.

    Spec: tus 1.0.0, Concatenation; rows T-178, T-179, T-181, T-184.
    """
    if not all(part.is_partial for part in parts):
        raise InvalidConcat("Upload-Concat", "lists an upload that is not partial")
    if not all(part.state is UploadState.FINISHED for part in parts):
        raise UploadNotFinished
    total = sum(part.offset for part in parts)
    if length not in (None, total):
        raise InvalidUploadLength(
            "Upload-Length", f"is not the {total} bytes of the partial uploads"
        )
    check_maximum(total, MAX_BYTES if max_size_bytes is None else max_size_bytes)
    return total
