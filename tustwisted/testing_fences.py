"""
For those who write a store that can shut a frozen writer out: the contract of IFences.

It is mixed into a test case beside :class:`tustwisted.testing.StoreContract`.  Who was
frozen in the middle of a call, and goes on after his successor, no test can see that
does not know the store; how that is done for files is in ``tests/store/takeover.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface.verify import verifyObject

from tustwisted.abilities import (
    IClaim,
    IDefersLength,
    IFences,
    IOpensJudged,
    IVerifiesChunks,
)
from tustwisted.errors import LockLost, UploadNotFound
from tustwisted.interfaces import IDataStore, IUploadWriter
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import NOT_IDS, StoreCase

LARGE_BYTES = 3 * 1024 * 1024
"""More than a store may hold in memory while a chunk is in doubt."""


class FencesContract(StoreCase):
    """Every promise of IFences and IClaim that one process can see."""

    async def claim(self, store: IDataStore, upload_id: str = "u") -> IClaim:
        """Claim an upload; the claim before it, if there was one, is not released."""
        return await IFences(store).claim(upload_id)

    async def make_upload(self, length: int | None = 9) -> IDataStore:
        """Return a store that has three bytes of an upload."""
        store = await self.make_store()
        await store.create(UploadInfo("u", length))
        await self.write(store, "u", 0, b"abc")
        return store

    async def open(self, claim: IClaim, offset: int) -> IUploadWriter:
        """Open the upload by way of a claim, and see that it is closed."""
        writer = await claim.store.open_writer("u", offset)
        self.addCleanup(writer.close)
        return writer

    def settling_refused(self, writer: IUploadWriter) -> None:
        """See that a writer is not told that anything is stored."""
        with self.assertRaises(LockLost):
            writer.settle()

    async def test_fences(self) -> None:
        """The store provides IFences, what it gives IClaim, and that a store."""
        store = await self.make_upload()
        verifyObject(IFences, store)
        claim = await self.claim(store)
        verifyObject(IClaim, claim)
        verifyObject(IDataStore, claim.store)
        await claim.release()

    async def test_a_claim_of_what_is_not_there(self) -> None:
        """What is no id cannot be claimed; an upload that is not there can."""
        store = await self.make_store()
        for text in NOT_IDS:
            await self.refused(UploadNotFound, self.claim(store, text))
        claim = await self.claim(store, "a/b")
        await self.refused(UploadNotFound, claim.store.info("a/b"))
        await self.refused(UploadNotFound, claim.store.remove("a/b"))
        await claim.release()

    async def test_a_claim_does_all_that_the_store_does(self) -> None:
        """Its holder writes, finishes and removes the upload as without one."""
        store = await self.make_upload()
        claim = await self.claim(store)
        self.assertEqual(await self.write(claim.store, "u", 3, b"defghi"), 9)
        await claim.store.set_state("u", UploadState.FINISHED)
        self.assertEqual((await store.info("u")).state, UploadState.FINISHED)
        self.assertEqual(await self.read(store, "u"), b"abcdefghi")
        await claim.store.remove("u")
        await self.refused(UploadNotFound, store.info("u"))
        await claim.release()
        await store.create(UploadInfo("u", 3))
        self.assertEqual((await store.info("u")).offset, 0)

    async def test_released_claims(self) -> None:
        """After a claim was released, even twice, the next one goes on."""
        store = await self.make_upload()
        for offset in range(3, 6):
            claim = await self.claim(store)
            await self.write(claim.store, "u", offset, b"x")
            await claim.release()
            await claim.release()
        self.assertEqual(await self.read(store, "u"), b"abcxxx")

    async def test_what_was_settled_stays(self) -> None:
        """The next holder finds all bytes of which the one before him was told."""
        store = await self.make_upload()
        writer = await self.open(await self.claim(store), 3)
        writer.write([b"def"])
        self.assertEqual(writer.settle(), 6)
        after = await self.claim(store)
        self.assertEqual((await after.store.info("u")).offset, 6)
        await self.write(after.store, "u", 6, b"ghi")
        self.assertEqual(await self.read(store, "u"), b"abcdefghi")

    async def test_late_bytes(self) -> None:
        """What an older holder still writes is nowhere, and he is told so."""
        store = await self.make_upload()
        writer = await self.open(await self.claim(store), 3)
        after = await self.claim(store)
        writer.write([b"XX"])
        offset = (await after.store.info("u")).offset
        following = await self.open(after, offset)
        writer.write([b"YYYYYY"])
        following.write([b"ghi"])
        self.settling_refused(writer)
        self.assertEqual(following.settle(), offset + 3)
        writer.close()
        following.close()
        self.assertEqual((await store.info("u")).offset, offset + 3)
        content = await self.read(store, "u")
        self.assertEqual(content, b"abcXX"[:offset] + b"ghi")

    async def test_calls_of_an_older_holder(self) -> None:
        """Whatever he wants to change stays as it is."""
        store = await self.make_upload(3)
        before = await store.info("u")
        lost = await self.claim(store)
        await self.claim(store)
        calls: list[Awaitable[object]] = [
            lost.store.open_writer("u", 3),
            lost.store.set_state("u", UploadState.FINISHED),
            lost.store.remove("u"),
        ]
        opening = IOpensJudged(lost.store, None)
        if opening is not None:
            calls.append(opening.open_judged("u", lambda _: None))
        for call in calls:
            await self.refused(LockLost, call)
        self.assertEqual(await store.info("u"), before)
        self.assertEqual(await self.read(store, "u"), b"abc")
        await lost.release()
        self.assertEqual(await store.info("u"), before)

    async def test_a_length_from_an_older_holder(self) -> None:
        """It stays deferred, if the store can do that."""
        store = await self.make_upload(None)
        lost = await self.claim(store)
        await self.claim(store)
        deferring = IDefersLength(lost.store, None)
        if deferring is not None:
            await self.refused(LockLost, deferring.set_length("u", 3))
        self.assertIsNone((await store.info("u")).length)

    async def test_a_chunk_of_an_older_holder(self) -> None:
        """It is neither accepted nor discarded, if the store can do that."""
        store = await self.make_upload(None)
        for size in (1, LARGE_BYTES):
            offset = (await store.info("u")).offset
            lost = await self.claim(store)
            verifying = IVerifiesChunks(lost.store, None)
            if verifying is None:
                return
            chunks = [await verifying.open_chunk("u", offset) for _ in range(2)]
            chunks[0].write([b"x" * size])
            after = await self.claim(store)
            self.assertEqual((await after.store.info("u")).offset, offset)
            await self.write(after.store, "u", offset, b"def")
            with self.assertRaises(LockLost):
                chunks[0].accept()
            for chunk in chunks:
                chunk.discard()
                self.settling_refused(chunk)
                chunk.close()
            self.assertEqual((await store.info("u")).offset, offset + 3)
            await after.release()
        self.assertEqual(await self.read(store, "u"), b"abcdefdef")

    async def test_claims_of_other_uploads(self) -> None:
        """A claim is one of one upload, also where its id begins another's."""
        store = await self.make_upload()
        for upload_id in ("u2", "v/u"):
            await store.create(UploadInfo(upload_id, 3))
        claims = [await self.claim(store, i) for i in ("u", "u2", "v/u")]
        await self.write(claims[0].store, "u", 3, b"def")
        await self.write(claims[1].store, "u2", 0, b"abc")
        await self.write(claims[2].store, "v/u", 0, b"abc")

    async def test_the_second_of_three(self) -> None:
        """Who has taken over may be taken over from, and changes no more either."""
        store = await self.make_upload(12)
        writers, offset = [], 3
        for letters in (b"def", b"ghi", b"jkl"):
            writer = await self.open(await self.claim(store), offset)
            writer.write([letters])
            offset = (await store.info("u")).offset
            writers.append(writer)
        writers[0].write([b"XXXXXXXXX"])
        writers[1].write([b"YYYYYYYYY"])
        self.settling_refused(writers[0])
        self.settling_refused(writers[1])
        self.assertEqual(writers[2].settle(), writers[2].offset)
        content = await self.read(store, "u")
        self.assertEqual(len(content), writers[2].offset)
        self.assertIn(content, (b"abcjkl", b"abcdefghijkl"))
