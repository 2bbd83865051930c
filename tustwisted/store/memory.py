"""Uploads in memory, for tests and for small servers that need not remember."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from attrs import define, evolve, field
from zope.interface import implementer

from tustwisted.abilities import (
    Batch,
    IChunkWriter,
    IConcatenates,
    IDefersLength,
    IReads,
    ISearch,
    ISweeps,
    IUploadReader,
    IVerifiesChunks,
    Leftover,
)
from tustwisted.errors import (
    NoSpace,
    OffsetConflict,
    StorageFailed,
    UploadExists,
    UploadInterrupted,
    UploadNotFinished,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IUploadWriter
from tustwisted.protocol.upload import UploadInfo, UploadState


@define(eq=False, repr=False)
class _MemoryUpload:
    info: UploadInfo
    modified_s: float
    content: bytearray = field(factory=bytearray)


_BATCH = 100
"""Uploads; to look at so many takes less than a millisecond."""


@implementer(IDataStore, IConcatenates, IDefersLength, IReads, ISweeps, IVerifiesChunks)
@define(eq=False, repr=False)
class MemoryStore:
    """Keeps whole uploads in memory; they end with the process."""

    capacity_bytes: int | None = None
    """How much all uploads together may hold; ``None``: as much as there is."""

    _seconds: Callable[[], float] = time.time
    """Tells the time, seconds since 1970; called from any thread."""

    _uploads: dict[str, _MemoryUpload] = field(factory=dict, init=False)

    async def start(self) -> None:
        """Do nothing: memory is there."""

    async def stop(self) -> None:
        """Do nothing: the uploads stay readable."""

    async def create(self, info: UploadInfo) -> None:
        """See :meth:`tustwisted.interfaces.IDataStore.create`."""
        if info.upload_id in self._uploads:
            raise UploadExists(info.upload_id)
        self._uploads[info.upload_id] = _MemoryUpload(info, info.created_s)

    async def info(self, upload_id: str) -> UploadInfo:
        """See :meth:`tustwisted.interfaces.IDataStore.info`."""
        upload = self._find(upload_id)
        return evolve(
            upload.info, offset=len(upload.content), modified_s=upload.modified_s
        )

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        """See :meth:`tustwisted.interfaces.IDataStore.open_writer`."""
        return await self._open(upload_id, offset)

    async def _open(self, upload_id: str, offset: int) -> _MemoryWriter:
        upload = self._find(upload_id)
        if offset != len(upload.content):
            raise OffsetConflict(len(upload.content), offset)
        takes_bytes = upload.info.state is UploadState.RECEIVING
        return _MemoryWriter(self, upload, offset, takes_bytes)

    async def open_chunk(self, upload_id: str, offset: int) -> IChunkWriter:
        """See :meth:`tustwisted.abilities.IVerifiesChunks.open_chunk`."""
        return _MemoryChunk(await self._open(upload_id, offset))

    async def set_length(self, upload_id: str, length: int) -> None:
        """See :meth:`tustwisted.abilities.IDefersLength.set_length`."""
        upload = self._find(upload_id)
        upload.info = evolve(upload.info, length=length)

    async def open_reader(self, upload_id: str) -> IUploadReader:
        """See :meth:`tustwisted.abilities.IReads.open_reader`."""
        info = await self.info(upload_id)
        if info.state is not UploadState.FINISHED:
            raise UploadNotFinished
        return _MemoryReader(info, self._find(upload_id).content)

    async def set_state(self, upload_id: str, state: UploadState) -> None:
        """See :meth:`tustwisted.interfaces.IDataStore.set_state`."""
        upload = self._find(upload_id)
        upload.info = upload.info.become(state)

    async def remove(self, upload_id: str) -> None:
        """See :meth:`tustwisted.interfaces.IDataStore.remove`."""
        self._find(upload_id)
        del self._uploads[upload_id]

    async def awaiting_finish(self) -> Sequence[str]:
        """See :meth:`tustwisted.interfaces.IDataStore.awaiting_finish`."""
        return [
            upload_id
            for upload_id, upload in self._uploads.items()
            if upload.info.at(len(upload.content)).awaits_finish
        ]

    async def concatenate(
        self, info: UploadInfo, is_wanted: Callable[[], bool]
    ) -> None:
        """See :meth:`tustwisted.abilities.IConcatenates.concatenate`."""
        if not is_wanted():
            raise UploadInterrupted
        parts = [self._find(upload_id) for upload_id in info.partial_uploads]
        if any(part.info.state is not UploadState.FINISHED for part in parts):
            raise UploadNotFinished
        content = bytearray().join(part.content for part in parts)
        if len(content) != info.length:
            raise UploadNotFinished
        room = self.room_bytes()
        if room is not None and len(content) > room:
            raise NoSpace
        await self.create(info)
        upload = self._find(info.upload_id)
        upload.content, upload.modified_s = content, self.now_s()

    def search(self, leftover_before_s: float) -> ISearch:
        """See :meth:`tustwisted.abilities.ISweeps.search`; no crash leaves anything."""
        return _MemorySearch(self)

    def ids(self) -> list[str]:
        """List the uploads that there are."""
        return list(self._uploads)

    def content(self, upload_id: str) -> bytes:
        """
        Return the bytes of an upload as they are now.

        :raises UploadNotFound: no such upload.
        """
        return bytes(self._find(upload_id).content)

    def room_bytes(self) -> int | None:
        """Tell how many bytes still fit; ``None``: any number."""
        if self.capacity_bytes is None:
            return None
        taken = sum(len(upload.content) for upload in self._uploads.values())
        return max(0, self.capacity_bytes - taken)

    def now_s(self) -> float:
        """Tell the time, seconds since 1970."""
        return self._seconds()

    def _find(self, upload_id: str) -> _MemoryUpload:
        try:
            return self._uploads[upload_id]
        except KeyError:
            raise UploadNotFound from None


@implementer(IUploadWriter)
@define(eq=False, repr=False)
class _MemoryWriter:
    _store: MemoryStore
    _upload: _MemoryUpload
    offset: int
    _usable: bool

    sync_due = False
    """See :attr:`tustwisted.store.writer.FileWriter.sync_due`."""

    def write(self, buffers: Sequence[bytes]) -> None:
        """Store bytes, as many as fit."""
        self.require_usable()
        self._upload.modified_s = self._store.now_s()
        for buffer in buffers:
            room = self._store.room_bytes()
            fitting = buffer if room is None else buffer[:room]
            self._upload.content += fitting
            self.offset += len(fitting)
            if len(fitting) < len(buffer):
                self._usable = False
                raise NoSpace

    def require_usable(self) -> None:
        """Refuse to go on after an error, or when the upload takes no bytes."""
        if not self._usable:
            raise StorageFailed

    def settle(self) -> int:
        """Do nothing: memory promises nothing."""
        return self.offset

    def close(self) -> None:
        """Take no more bytes."""
        self._usable = False


@implementer(IChunkWriter)
@define(eq=False, repr=False)
class _MemoryChunk:
    _writer: _MemoryWriter
    _held: list[bytes] = field(init=False, factory=list)

    sync_due = False

    @property
    def offset(self) -> int:
        """Where the upload ends: before the chunk, until it was accepted."""
        return self._writer.offset

    def write(self, buffers: Sequence[bytes]) -> None:
        """Hold bytes back."""
        self._writer.require_usable()
        self._held += buffers

    def accept(self) -> None:
        """Store what was held back, as much as fits."""
        held, self._held = self._held, []
        if held:
            self._writer.write(held)

    def settle(self) -> int:
        """Do nothing: memory promises nothing."""
        return self.offset

    def discard(self) -> None:
        """Forget what was held back."""
        self._held.clear()

    def close(self) -> None:
        """Forget what was held back."""
        self._held.clear()
        self._writer.close()


@implementer(ISearch)
@define(eq=False, repr=False)
class _MemorySearch:
    _store: MemoryStore
    _ids: Iterator[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ids = iter(self._store.ids())

    async def next_batch(self) -> Batch | None:
        """Look at some more uploads."""
        ids = list(islice(self._ids, _BATCH))
        if not ids:
            return None
        uploads: list[UploadInfo] = []
        for upload_id in ids:
            with suppress(UploadNotFound):  # removed meanwhile
                uploads.append(await self._store.info(upload_id))
        return Batch(tuple(uploads))

    async def clear(self, leftover: Leftover) -> bool:
        """Clear nothing away: nothing is left."""
        return False

    def close(self) -> None:
        """Hold nothing."""


@implementer(IUploadReader)
@define(eq=False, repr=False)
class _MemoryReader:
    info: UploadInfo
    _content: bytearray | None

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Copy some bytes."""
        if self._content is None:
            raise StorageFailed
        return bytes(self._content[offset : offset + size_bytes])

    def close(self) -> None:
        """Forget the bytes."""
        self._content = None
