"""What stands between a lock that is held and the receiver that will release it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import define, field, frozen

from tustwisted.abilities import IDefersLength, IOpensJudged, IVerifiesChunks
from tustwisted.errors import (
    ChecksumMismatch,
    InvalidChecksum,
    InvalidUploadLength,
    UnsupportedChecksum,
)
from tustwisted.interfaces import IDataStore, IDisk, IUploadWriter
from tustwisted.lock.held import Held
from tustwisted.protocol.checksum import Checksum, algorithms_of
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.choose import choose, may_borrow
from tustwisted.receive.pipes import Pipes
from tustwisted.receive.receiver import Receiver
from tustwisted.receive.verifying import VerifyingWriter
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.checks import check_under_lock, limit_of
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.finishing import FinishStep
from tustwisted.uploads.limits import InForce
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.removing import Removing


@define(eq=False, repr=False)
class Opening:
    """
    Opens uploads for what requests bring.

    :param finish: the finish step.
    :param in_force: tells the longest upload.
    """

    _lookup: Lookup
    _disk: IDisk
    _finish: FinishStep
    _removing: Removing
    _in_force: InForce
    _pipes: Pipes = field(init=False, factory=Pipes)

    async def open(
        self,
        upload_id: str,
        chunk: Chunk,
        held: Held,
        caller: Caller | None,
        is_new: bool,
    ) -> Receiver:
        """
        Judge a chunk under the lock, and open its upload.

        :param held: the upload.
        :param caller: whose it must be, and who is told what hooks say at its end.
        :param is_new: the request that brings the chunk has created the upload: if its
            checksum is wrong, nothing of that remains (T-090).
        :returns: the receiver, which will release what is held.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.receive`; the
            upload is still held.
        """
        store = held.store
        # A hook may have given somebody else what the caller has just created.
        judge = partial(self._judge, chunk, None if is_new else caller)
        opening = IOpensJudged(store, None)
        seal = None
        if opening is not None and chunk.has_only_bytes:
            upload, writer = await opening.open_judged(upload_id, judge)
        else:
            found = await store.info(upload_id)
            upload = judge(found)
            writer, seal = await self._open_in_steps(
                store, found, upload, chunk, is_new
            )
        borrows = may_borrow(chunk.body_length)
        return Receiver(
            upload,
            writer,
            held,
            self._disk,
            choose(self._disk, chunk.body_length, seal is not None),
            partial(self._finish, store, caller=caller),
            seal,
            limit_of(upload, self._in_force.limits.max_size_bytes),
            self._pipes if borrows else None,
        )

    def _judge(
        self, chunk: Chunk, caller: Caller | None, found: UploadInfo
    ) -> UploadInfo:
        self._lookup.check_locked(found, caller)
        return check_under_lock(found, chunk, self._in_force.limits.max_size_bytes)

    async def _open_in_steps(
        self,
        store: IDataStore,
        found: UploadInfo,
        upload: UploadInfo,
        chunk: Chunk,
        is_new: bool,
    ) -> tuple[IUploadWriter, _Seal | None]:
        """
        Open an upload, and tell the store its length before or after that.

        :param found: what the store knows.
        :param upload: the same with the length that the chunk tells.
        """
        upload_id = upload.upload_id
        tell_length = None
        if upload.length is not None and found.length is None:
            tell_length = partial(_tell_length, store, upload_id, upload.length)
        if chunk.checksum is None and tell_length is not None:
            await tell_length()  # first, so that it outlives a cut (T-109)
            tell_length = None
        writer = await _open_writer(store, upload_id, chunk)
        if not isinstance(writer, VerifyingWriter):
            return writer, None
        remove = partial(self._removing.remove, store, found) if is_new else None
        return writer, _Seal(self._disk, writer, chunk, tell_length, remove)


async def _open_writer(
    store: IDataStore, upload_id: str, chunk: Chunk
) -> IUploadWriter:
    if chunk.checksum is None:
        return await store.open_writer(upload_id, chunk.offset)
    writer = await IVerifiesChunks(store).open_chunk(upload_id, chunk.offset)
    return VerifyingWriter(writer, algorithms_of(chunk.checksum))


async def _tell_length(store: IDataStore, upload_id: str, length: int) -> None:
    deferring = IDefersLength(store, None)
    if deferring is None:
        raise InvalidUploadLength("Upload-Length", "cannot be told any more")
    await deferring.set_length(upload_id, length)


@frozen(eq=False, repr=False)
class _Seal:
    """Makes a chunk count when it came as a whole, if its checksum is right."""

    _disk: IDisk
    _writer: VerifyingWriter
    _chunk: Chunk
    _tell_length: Callable[[], Awaitable[None]] | None
    """What the upload's record is told only if the chunk counts (T-110)."""
    _remove: Callable[[], Awaitable[None]] | None
    """Takes the upload away if the chunk does not count."""

    async def confirm(self) -> None:
        checksum = self._chunk.checksum
        try:
            if not isinstance(checksum, Checksum):
                assert checksum is not None
                checksum = checksum.tell()
                checksum.require_supported()
            # Always in a thread: the last bytes are hashed there, and a large chunk
            # that must be synced takes its time.
            run = self._disk.sync if self._writer.sync_due else self._disk.write
            await run(self._writer.accept, checksum)
        except (ChecksumMismatch, InvalidChecksum, UnsupportedChecksum):
            if self._remove is not None:
                await self._remove()
            raise
        if self._tell_length is not None:
            await self._tell_length()

    async def discard(self) -> None:
        await self._disk.copy(self._writer.discard)
