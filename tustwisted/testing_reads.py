"""
For those who write a store whose uploads can be read: the contract of that, as tests.

It is mixed into a test case beside :class:`tustwisted.testing.StoreContract`.
"""

from __future__ import annotations

import os
from typing import cast

from zope.interface.verify import verifyObject

from tustwisted.abilities import IHasDescriptor, IReads, IUploadReader
from tustwisted.errors import StorageFailed, UploadNotFinished, UploadNotFound
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import NOT_IDS, StoreCase


class ReadContract(StoreCase):
    """Every promise of IReads and IUploadReader."""

    async def put_finished(
        self, store: IDataStore, upload_id: str, content: bytes
    ) -> None:
        """Store a finished upload."""
        await store.create(UploadInfo(upload_id, len(content)))
        if content:
            await self.write(store, upload_id, 0, content)
        await store.set_state(upload_id, UploadState.FINISHED)

    async def open_reader(self, store: IDataStore, upload_id: str) -> IUploadReader:
        """Open an upload; it is closed at the end of the test."""
        reader = await cast(IReads, store).open_reader(upload_id)
        self.addCleanup(reader.close)
        return reader

    async def test_provides_the_ability(self) -> None:
        """The store provides IReads, and what it opens IUploadReader."""
        store = await self.make_store()
        verifyObject(IReads, store)
        await self.put_finished(store, "u", b"abc")
        verifyObject(IUploadReader, await self.open_reader(store, "u"))

    async def test_bytes_are_read_back(self) -> None:
        """Any part can be read, in any order; only the end makes it shorter."""
        store = await self.make_store()
        content = bytes(range(256)) * 1000
        await self.put_finished(store, "u", content)
        reader = await self.open_reader(store, "u")
        for first, size in (
            (0, len(content)),
            (1000, 1),
            (7, 70_000),
            (0, 1),
            (len(content) - 3, 3),
            (len(content) - 3, 100),
            (0, 2**40),
        ):
            piece = reader.read(first, size)
            self.assertIs(type(piece), bytes)
            self.assertEqual(piece, content[first : first + size])

    async def test_nothing_is_past_the_end(self) -> None:
        """There are no bytes past the end, nor in an empty upload."""
        store = await self.make_store()
        await self.put_finished(store, "u", b"abc")
        await self.put_finished(store, "empty", b"")
        for upload_id in ("u", "empty"):
            reader = await self.open_reader(store, upload_id)
            self.assertEqual(reader.read(3, 10), b"")
            self.assertEqual(reader.read(2**62, 10), b"")
        self.assertEqual(reader.read(0, 10), b"")

    async def test_a_reader_knows_its_upload(self) -> None:
        """Its facts are those that ``info`` tells."""
        store = await self.make_store()
        metadata = parse_metadata([b"filename YQ=="])
        await store.create(UploadInfo("u", 3, metadata=metadata, created_s=17.25))
        await self.write(store, "u", 0, b"abc")
        await store.set_state("u", UploadState.FINISHED)
        found = (await self.open_reader(store, "u")).info
        told = await store.info("u")
        self.assertEqual(found, told)
        self.assertEqual(found.modified_s, told.modified_s)

    async def test_only_finished_uploads_are_read(self) -> None:
        """The state decides: all bytes are not enough (T-206)."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        await self.refused(UploadNotFinished, cast(IReads, store).open_reader("u"))
        await self.write(store, "u", 0, b"abc")
        for state in UploadState:
            await store.set_state("u", state)
            if state is not UploadState.FINISHED:
                opened = cast(IReads, store).open_reader("u")
                await self.refused(UploadNotFinished, opened)

    async def test_what_is_not_there_is_not_read(self) -> None:
        """Neither an unknown id, nor what is no id, nor what was removed."""
        store = await self.make_store()
        await self.put_finished(store, "removed", b"abc")
        await store.remove("removed")
        for text in ("unknown", "removed", "removed/a", *NOT_IDS):
            await self.refused(UploadNotFound, cast(IReads, store).open_reader(text))

    async def test_a_removed_upload_is_read_to_its_end(self) -> None:
        """What is open stays readable, also when its id is used again (T-237)."""
        store = await self.make_store()
        await self.put_finished(store, "u", b"first")
        reader = await self.open_reader(store, "u")
        await store.remove("u")
        self.assertEqual(reader.read(0, 10), b"first")
        await self.put_finished(store, "u", b"other")
        self.assertEqual(reader.read(0, 10), b"first")
        self.assertEqual((await self.open_reader(store, "u")).read(0, 10), b"other")

    async def test_a_descriptor_is_of_the_upload(self) -> None:
        """The file that a reader tells of, if it does, has the upload's bytes."""
        store = await self.make_store()
        await self.put_finished(store, "u", b"abcdef")
        reader = await self.open_reader(store, "u")
        if IHasDescriptor.providedBy(reader):
            fd = cast(IHasDescriptor, reader).fileno()
            self.assertEqual(os.pread(fd, 3, 2), b"cde")
            reader.close()
            with self.assertRaises(StorageFailed):
                cast(IHasDescriptor, reader).fileno()

    async def test_several_read_at_once(self) -> None:
        """Readers of one upload know nothing of each other (T-237)."""
        store = await self.make_store()
        await self.put_finished(store, "u", b"abcdef")
        one, other = [await self.open_reader(store, "u") for _ in range(2)]
        self.assertEqual((one.read(0, 3), other.read(0, 2)), (b"abc", b"ab"))
        one.close()
        self.assertEqual(other.read(2, 4), b"cdef")

    async def test_a_closed_reader_reads_nothing(self) -> None:
        """A reader may be closed twice; after that it is refused."""
        store = await self.make_store()
        await self.put_finished(store, "u", b"abc")
        reader = await self.open_reader(store, "u")
        reader.close()
        reader.close()
        with self.assertRaises(StorageFailed):
            reader.read(0, 3)
