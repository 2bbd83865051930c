"""A store that fences keeps its contracts, also by the way of claims."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.contracts.test_stores import SmallFiles, ThreadedDisk, _FileStoreContract
from tustwisted.abilities import (
    IChunkWriter,
    IClaim,
    IConcatenates,
    IDefersLength,
    IOpensJudged,
    IReads,
    IUploadReader,
    IVerifiesChunks,
)
from tustwisted.interfaces import IDataStore, IDisk, IUploadWriter
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_fences import FencesContract

_T = TypeVar("_T")


@implementer(IChunkWriter)
@define(eq=False)
class ClaimedWriter:
    """A writer whose claim is released when it is closed."""

    _writer: IUploadWriter
    _release: Callable[[], None]

    @property
    def offset(self) -> int:
        """Ask the writer."""
        return self._writer.offset

    @property
    def sync_due(self) -> bool:
        """Ask the writer."""
        return self._writer.sync_due

    def write(self, buffers: Sequence[bytes]) -> None:
        """Tell the writer."""
        self._writer.write(buffers)

    def settle(self) -> int:
        """Tell the writer."""
        return self._writer.settle()

    def accept(self) -> None:
        """Tell the writer."""
        IChunkWriter(self._writer).accept()

    def discard(self) -> None:
        """Tell the writer."""
        IChunkWriter(self._writer).discard()

    def close(self) -> None:
        """Close the writer, then release the claim."""
        self._writer.close()
        self._release()


@implementer(
    IDataStore, IConcatenates, IDefersLength, IOpensJudged, IReads, IVerifiesChunks
)
@define(eq=False)
class ClaimingStore:
    """A store that claims an upload for each call that changes it."""

    store: FileStore
    releases: bool
    """If not, each claim is contested by the one before it."""

    _alive: list[IClaim] = field(factory=list)

    async def start(self) -> None:
        """Start the store."""
        await self.store.start()

    async def stop(self) -> None:
        """Stop the store."""
        await self.store.stop()

    async def create(self, info: UploadInfo) -> None:
        """Create, which needs no lock."""
        await self.store.create(info)

    async def concatenate(
        self, info: UploadInfo, is_wanted: Callable[[], bool]
    ) -> None:
        """Concatenate, which needs no lock."""
        await self.store.concatenate(info, is_wanted)

    async def info(self, upload_id: str) -> UploadInfo:
        """Look, which needs no lock."""
        return await self.store.info(upload_id)

    async def open_reader(self, upload_id: str) -> IUploadReader:
        """Read, which needs no lock."""
        return await self.store.open_reader(upload_id)

    async def awaiting_finish(self) -> Sequence[str]:
        """List, which needs no lock."""
        return await self.store.awaiting_finish()

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        """Open a writer."""
        return await self._open(
            upload_id, lambda claim: claim.store.open_writer(upload_id, offset)
        )

    async def open_chunk(self, upload_id: str, offset: int) -> IChunkWriter:
        """Open a chunk."""
        return await self._open(
            upload_id,
            lambda claim: IVerifiesChunks(claim.store).open_chunk(upload_id, offset),
        )

    async def open_judged(
        self, upload_id: str, judge: Callable[[UploadInfo], object]
    ) -> tuple[UploadInfo, IUploadWriter]:
        """Open a writer of what is shown."""
        shown: list[UploadInfo] = []

        async def open_it(claim: IClaim) -> IUploadWriter:
            upload, writer = await IOpensJudged(claim.store).open_judged(
                upload_id, judge
            )
            shown.append(upload)
            return writer

        writer = await self._open(upload_id, open_it)
        return shown[0], writer

    async def set_length(self, upload_id: str, length: int) -> None:
        """Set a length."""
        await self._with(
            upload_id,
            lambda claim: IDefersLength(claim.store).set_length(upload_id, length),
        )

    async def set_state(self, upload_id: str, state: UploadState) -> None:
        """Set a state."""
        await self._with(
            upload_id, lambda claim: claim.store.set_state(upload_id, state)
        )

    async def remove(self, upload_id: str) -> None:
        """Remove."""
        await self._with(upload_id, lambda claim: claim.store.remove(upload_id))

    async def _open(
        self, upload_id: str, f: Callable[[IClaim], Coroutine[Any, Any, IUploadWriter]]
    ) -> ClaimedWriter:
        claim = await self.store.claim(upload_id)
        try:
            writer = await f(claim)
        except BaseException:
            await self._release(claim)
            raise
        return ClaimedWriter(
            writer,
            lambda: _ignore(Deferred.fromCoroutine(self._release(claim))),
        )

    async def _with(
        self, upload_id: str, f: Callable[[IClaim], Coroutine[Any, Any, None]]
    ) -> None:
        claim = await self.store.claim(upload_id)
        try:
            await f(claim)
        finally:
            await self._release(claim)

    async def _release(self, claim: IClaim) -> None:
        if self.releases:
            await claim.release()
        else:
            self._alive.append(claim)


def _ignore(fired: Deferred[None]) -> None:
    """Wait for nothing: the disk is immediate."""
    assert fired.called


class _ClaimedContract(_FileStoreContract):
    releases = True

    async def make_store(  # type: ignore[override] # of the same use
        self, files: IFiles | None = None
    ) -> ClaimingStore:
        """Return a store on an empty directory."""
        return ClaimingStore(await super().make_store(files), self.releases)

    async def make_full_store(  # type: ignore[override]
        self, room_bytes: int
    ) -> ClaimingStore | None:
        """Return a store on a disk with room for a few bytes, or for no copies."""
        return await self.make_store(SmallFiles(room_bytes)) if self.releases else None

    async def make_again(  # type: ignore[override]
        self, store: IDataStore
    ) -> ClaimingStore:
        """Return a store on the same directory."""
        assert isinstance(store, ClaimingStore)
        return ClaimingStore(await super().make_again(store.store), self.releases)

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Read the data file."""
        assert isinstance(store, ClaimingStore)
        return await super().read(store.store, upload_id)


class ClaimedFinishTests(_ClaimedContract, TestCase):
    """The contract of a store, by way of claims."""


class ClaimedNoneTests(_ClaimedContract, TestCase):
    """The contract of a store that never syncs, by way of claims."""

    durability = Durability.NONE


class ClaimedStrictTests(_ClaimedContract, TestCase):
    """The contract of a store that syncs every offset, by way of claims."""

    durability = Durability.STRICT


class ContestedFinishTests(_ClaimedContract, TestCase):
    """The contract of a store whose every claim is contested."""

    releases = False


class ContestedStrictTests(_ClaimedContract, TestCase):
    """The contract of a store that syncs, whose every claim is contested."""

    releases = False
    durability = Durability.STRICT


class FileStoreFencesTests(FencesContract, TestCase):
    """The contract of IFences on a FileStore."""

    durability = Durability.FINISH

    def make_disk(self) -> IDisk:
        """Return the disk to use."""
        return ImmediateDisk()

    async def make_store(self) -> FileStore:
        """Return a store on an empty directory."""
        store = FileStore(self.mktemp(), self.make_disk(), self.durability)
        await store.start()
        return store

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Read the data file."""
        assert isinstance(store, FileStore)
        with open(f"{store.directory}/{upload_id}", "rb") as file:
            return file.read()


class FileStoreFencesStrictTests(FileStoreFencesTests):
    """The contract of IFences on a FileStore that syncs every offset."""

    durability = Durability.STRICT


class FileStoreFencesInThreadsTests(FileStoreFencesTests):
    """The contract of IFences on a FileStore with real threads."""

    durability = Durability.NONE

    def make_disk(self) -> IDisk:
        """Return a disk with threads, joined after the test."""
        disk = ThreadedDisk()
        disk.start()
        self.addCleanup(disk.stop)
        return disk
