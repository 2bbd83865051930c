"""
For those who write a store that can be swept: the contract of ISweeps as tests.

Used as :class:`tustwisted.testing.StoreContract` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface.verify import verifyObject

from tustwisted.abilities import Batch, ISearch, ISweeps, Leftover
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.upload import UploadInfo, UploadState

if TYPE_CHECKING:
    from unittest import TestCase as _Mixin
else:
    _Mixin = object

MAX_BATCH = 100
"""Uploads: more of them may take longer than the reactor should wait."""

FAR_FUTURE_S = 1e12


class SweepsContract(_Mixin):
    """Every promise of ISweeps and ISearch that holds for any store."""

    async def make_store(self) -> IDataStore:
        """Return an empty store that was started, and that provides ISweeps."""
        raise NotImplementedError

    async def batches(
        self, store: IDataStore, leftover_before_s: float = FAR_FUTURE_S
    ) -> list[Batch]:
        """Search a store to the end."""
        search = ISweeps(store).search(leftover_before_s)
        found = []
        while (batch := await search.next_batch()) is not None:
            found.append(batch)
        search.close()
        return found

    async def test_provides_the_interfaces(self) -> None:
        """The store provides ISweeps, and what it begins ISearch."""
        store = await self.make_store()
        verifyObject(ISweeps, store)
        search = ISweeps(store).search(0)
        verifyObject(ISearch, search)
        search.close()

    async def test_an_empty_store(self) -> None:
        """Where nothing is nothing is found."""
        found = await self.batches(await self.make_store())
        self.assertEqual([batch for batch in found if batch != Batch()], [])

    async def test_finds_every_upload_once(self) -> None:
        """Each upload is found with the facts that ``info`` tells, in small batches."""
        store = await self.make_store()
        ids = [f"day/{n}" for n in range(130)] + [f"u{n}" for n in range(130)]
        for number, upload_id in enumerate(ids):
            await store.create(UploadInfo(upload_id, 4, created_s=float(number)))
            writer = await store.open_writer(upload_id, 0)
            writer.write([b"abcd"[: number % 4]])
            writer.close()
        batches = await self.batches(store)
        found = [upload for batch in batches for upload in batch.uploads]
        self.assertEqual(sorted(upload.upload_id for upload in found), sorted(ids))
        for upload in found:
            info = await store.info(upload.upload_id)
            self.assertEqual(upload, info)
            self.assertEqual(upload.modified_s, info.modified_s)
        self.assertLessEqual(max(len(b.uploads) for b in batches), MAX_BATCH)

    async def test_uploads_are_no_leftovers(self) -> None:
        """In whichever state an upload is, nothing of it is a leftover."""
        store = await self.make_store()
        for state in UploadState:
            await store.create(UploadInfo(f"day/{state.value}", 3))
            writer = await store.open_writer(f"day/{state.value}", 0)
            writer.write([b"abc"])
            writer.close()
            await store.set_state(f"day/{state.value}", state)
            await store.create(UploadInfo(f"empty-{state.value}", 3))
        for batch in await self.batches(store):
            self.assertEqual((batch.leftovers, batch.left_alone), ((), ()))

    async def test_removed_meanwhile(self) -> None:
        """Uploads that go while it searches are no error."""
        store = await self.make_store()
        for number in range(250):
            await store.create(UploadInfo(f"u{number}", 3))
        search = ISweeps(store).search(FAR_FUTURE_S)
        self.assertIsNotNone(await search.next_batch())
        for number in range(250):
            await store.remove(f"u{number}")
        while (batch := await search.next_batch()) is not None:
            self.assertEqual(batch.left_alone, ())
        search.close()

    async def test_closed_early(self) -> None:
        """A search may be closed, even twice, before it has come to its end."""
        store = await self.make_store()
        for number in range(250):
            await store.create(UploadInfo(f"u{number}", 3))
        search = ISweeps(store).search(0)
        await search.next_batch()
        search.close()
        search.close()

    async def test_nothing_to_clear(self) -> None:
        """What is not there, or is an upload, is not cleared away."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        search = ISweeps(store).search(FAR_FUTURE_S)
        for name in ("u", "gone", "u.info", "gone.info", "gone/"):
            self.assertFalse(await search.clear(Leftover("u", name)), name)
        search.close()
        self.assertEqual((await store.info("u")).length, 3)
