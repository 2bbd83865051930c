"""
For those who write a store: the contracts of its abilities, as tests.

Each is mixed into a test case beside :class:`tustwisted.testing.StoreContract`, when
the store provides the interface of :mod:`tustwisted.abilities` that it is about.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from tustwisted.abilities import (
    IChunkWriter,
    IDefersLength,
    IOpensJudged,
    IVerifiesChunks,
)
from tustwisted.errors import (
    NoSpace,
    OffsetConflict,
    StorageFailed,
    UploadExpired,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IUploadWriter
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import NOT_IDS, StoreCase

LARGE_BYTES = 3 * 1024 * 1024
"""More than a store may hold in memory while a chunk is in doubt."""


class DefersLengthContract(StoreCase):
    """Every promise of IDefersLength."""

    async def test_defers_length(self) -> None:
        """The store provides the interface."""
        verifyObject(IDefersLength, await self.make_store())

    async def test_a_length_is_told_later(self) -> None:
        """A length that is told is kept, and changes nothing else."""
        store = await self.make_store()
        info = UploadInfo("u", None, is_partial=True, created_s=1_700_000_000.0)
        await store.create(info)
        await self.write(store, "u", 0, b"abc")
        await IDefersLength(store).set_length("u", 9)
        expected = UploadInfo("u", 9, 3, is_partial=True, created_s=1_700_000_000.0)
        self.assertEqual(await store.info("u"), expected)
        await self.write(store, "u", 3, b"def")
        self.assertEqual(await self.read(store, "u"), b"abcdef")

    async def test_a_length_ends_an_upload(self) -> None:
        """With a length that is there already the finish step is due."""
        store = await self.make_store()
        await store.create(UploadInfo("u", None))
        await self.write(store, "u", 0, b"abc")
        self.assertEqual(list(await store.awaiting_finish()), [])
        await IDefersLength(store).set_length("u", 3)
        self.assertEqual(list(await store.awaiting_finish()), ["u"])

    async def test_a_length_needs_an_upload(self) -> None:
        """No length is told of what is not there."""
        store = await self.make_store()
        for upload_id in (*NOT_IDS, "unknown"):
            setting = IDefersLength(store).set_length(upload_id, 3)
            await self.refused(UploadNotFound, setting)


class OpensJudgedContract(StoreCase):
    """Every promise of IOpensJudged."""

    async def open_judged(self, store: IDataStore) -> IUploadWriter:
        """Open an upload that is judged to be right, and see that it is closed."""
        shown: list[UploadInfo] = []
        opening = IOpensJudged(store).open_judged("u", shown.append)
        upload, writer = await opening
        self.addCleanup(writer.close)
        self.assertEqual(shown, [upload])
        self.assertEqual(upload, await store.info("u"))
        self.assertEqual(writer.offset, upload.offset)
        return writer

    async def test_opens_judged(self) -> None:
        """The store provides the interface."""
        verifyObject(IOpensJudged, await self.make_store())

    async def test_what_is_shown_is_opened(self) -> None:
        """An upload is shown as it is, and opened where it ends."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 6, owner="alice", created_s=1_700_000_000.0))
        for offset, letters in ((0, b"abc"), (3, b"def")):
            writer = await self.open_judged(store)
            self.assertEqual(writer.offset, offset)
            writer.write([letters])
            self.assertEqual(writer.settle(), offset + 3)
            writer.close()
        self.assertEqual(await self.read(store, "u"), b"abcdef")

    async def test_what_is_judged_wrong_is_not_opened(self) -> None:
        """What the judge raises is raised, and the upload is what it was."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 6))
        await self.write(store, "u", 0, b"abc")
        before = await store.info("u")

        def judge(_: UploadInfo) -> None:
            raise UploadExpired

        await self.refused(UploadExpired, IOpensJudged(store).open_judged("u", judge))
        self.assertEqual(await store.info("u"), before)
        await self.write(store, "u", 3, b"def")

    async def test_what_is_past_receiving_takes_no_bytes(self) -> None:
        """It is shown and opened, and nothing more."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        await self.write(store, "u", 0, b"abc")
        await store.set_state("u", UploadState.FINISHED)
        writer = await self.open_judged(store)
        self.write_refused(StorageFailed, writer, [b"x"])
        self.assertEqual(await self.read(store, "u"), b"abc")

    async def test_nobody_judges_what_is_not_there(self) -> None:
        """No upload, no judge."""
        store = await self.make_store()
        shown: list[UploadInfo] = []
        for upload_id in (*NOT_IDS, "unknown"):
            opening = IOpensJudged(store).open_judged(upload_id, shown.append)
            await self.refused(UploadNotFound, opening)
        self.assertEqual(shown, [])


class VerifiesChunksContract(StoreCase):
    """Every promise of IVerifiesChunks that does not need a crash to be seen."""

    async def open_chunk(
        self, store: IDataStore, upload_id: str, offset: int
    ) -> IChunkWriter:
        """Open a chunk, and see that it is closed."""
        chunk = await IVerifiesChunks(store).open_chunk(upload_id, offset)
        self.addCleanup(chunk.close)
        return chunk

    async def make_upload(self, length: int | None = None) -> IDataStore:
        """Return a store that has three bytes of an upload."""
        store = await self.make_store()
        await store.create(UploadInfo("u", length))
        await self.write(store, "u", 0, b"abc")
        return store

    async def test_verifies_chunks(self) -> None:
        """The store provides IVerifiesChunks, and what it opens IChunkWriter."""
        store = await self.make_upload()
        verifyObject(IVerifiesChunks, store)
        verifyObject(IChunkWriter, await self.open_chunk(store, "u", 3))

    async def test_an_accepted_chunk_counts(self) -> None:
        """Small or large, it is there once it was accepted."""
        for size in (0, 1, LARGE_BYTES):
            store = await self.make_upload()
            chunk = await self.open_chunk(store, "u", 3)
            chunk.write([b"d" * (size // 2), b""])
            chunk.write([b"e" * (size - size // 2)])
            chunk.accept()
            self.assertEqual((chunk.offset, chunk.settle()), (3 + size, 3 + size))
            chunk.close()
            self.assertEqual((await store.info("u")).offset, 3 + size)
            expected = b"abc" + b"d" * (size // 2) + b"e" * (size - size // 2)
            self.assertTrue(await self.read(store, "u") == expected)

    async def test_a_chunk_in_doubt_does_not_count(self) -> None:
        """Until it is accepted nobody is told of any of its bytes."""
        for size in (1, LARGE_BYTES):
            store = await self.make_upload()
            chunk = await self.open_chunk(store, "u", 3)
            for _ in range(2):
                chunk.write([b"x" * size])
                self.assertEqual((await store.info("u")).offset, 3)
                self.assertEqual((chunk.offset, chunk.settle()), (3, 3))

    async def test_a_chunk_that_was_discarded(self) -> None:
        """It leaves nothing, and others go on in its place."""
        for size in (1, LARGE_BYTES):
            store = await self.make_upload()
            chunk = await self.open_chunk(store, "u", 3)
            chunk.write([b"x" * size])
            chunk.discard()
            chunk.discard()
            chunk.close()
            self.assertEqual((await store.info("u")).offset, 3)
            self.assertEqual(await self.read(store, "u"), b"abc")
            await self.write(store, "u", 3, b"def")
            self.assertEqual(await self.read(store, "u"), b"abcdef")

    async def test_a_chunk_that_was_accepted_stays(self) -> None:
        """There is nothing to discard any more."""
        for size in (1, LARGE_BYTES):
            store = await self.make_upload()
            chunk = await self.open_chunk(store, "u", 3)
            chunk.write([b"x" * size])
            chunk.accept()
            chunk.discard()
            self.assertEqual(chunk.settle(), 3 + size)
            chunk.close()
            self.assertEqual((await store.info("u")).offset, 3 + size)

    async def test_a_chunk_that_was_only_closed(self) -> None:
        """It counts for nothing, and the next writer writes in its place."""
        for size in (1, LARGE_BYTES):
            store = await self.make_upload()
            chunk = await self.open_chunk(store, "u", 3)
            chunk.write([b"x" * size])
            chunk.close()
            chunk.close()
            self.assertEqual((await store.info("u")).offset, 3)
            await self.write(store, "u", 3, b"def")
            self.assertEqual(await self.read(store, "u"), b"abcdef")

    async def test_a_chunk_in_doubt_ends_no_upload(self) -> None:
        """It is not whole, and its finish step not due, before the last is accepted."""
        store = await self.make_upload(3 + LARGE_BYTES)
        chunk = await self.open_chunk(store, "u", 3)
        chunk.write([b"x" * LARGE_BYTES])
        self.assertEqual(list(await store.awaiting_finish()), [])
        chunk.accept()
        chunk.settle()
        chunk.close()
        self.assertEqual(list(await store.awaiting_finish()), ["u"])

    async def test_a_chunk_begins_at_the_end(self) -> None:
        """It is opened where the upload ends, and of nothing that is not there."""
        store = await self.make_upload()
        opening = IVerifiesChunks(store).open_chunk
        for offset in (0, 2, 4):
            await self.refused(OffsetConflict, opening("u", offset))
        for upload_id in (*NOT_IDS, "unknown"):
            await self.refused(UploadNotFound, opening(upload_id, 0))

    async def test_a_chunk_of_a_finished_upload(self) -> None:
        """Without bytes it is fine, with bytes it is refused."""
        store = await self.make_upload(3)
        await store.set_state("u", UploadState.FINISHED)
        chunk = await self.open_chunk(store, "u", 3)
        chunk.accept()
        self.assertEqual(chunk.settle(), 3)
        self.write_refused(StorageFailed, chunk, [b"x"])

    async def test_a_chunk_in_a_removed_upload(self) -> None:
        """A chunk that is closed after its upload was removed leaves nothing."""
        store = await self.make_upload()
        chunk = await self.open_chunk(store, "u", 3)
        chunk.write([b"x" * LARGE_BYTES])
        await store.remove("u")
        chunk.close()
        await self.refused(UploadNotFound, store.info("u"))
        await store.create(UploadInfo("u", 3))
        self.assertEqual((await store.info("u")).offset, 0)

    async def test_a_chunk_on_a_full_storage(self) -> None:
        """What cannot be stored is an error, and the offset tells what counts."""
        store = await self.make_full_store(5)
        if store is None:
            return
        await store.create(UploadInfo("u", None))
        chunk = await self.open_chunk(store, "u", 0)
        with self.assertRaises(NoSpace):
            chunk.write([b"x" * LARGE_BYTES])
            chunk.accept()
        offset = chunk.offset
        self.assertIn(offset, range(6))
        chunk.close()
        self.assertEqual((await store.info("u")).offset, offset)
