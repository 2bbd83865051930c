"""
For those who write a store that remembers: what must be there after a restart.

Mixed into a test case beside :class:`tustwisted.testing.StoreContract`.  In here the
store is stopped; what a crash leaves takes a process that dies, as in
``tests/examples/dies_at_each_line.py``.
"""

from __future__ import annotations

from tustwisted.errors import UploadExists, UploadNotFound
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import StoreCase


class RestartContract(StoreCase):
    """Every promise of a store that outlives its process."""

    async def make_again(self, store: IDataStore) -> IDataStore:
        """
        Return another store, started, where an earlier one kept its uploads.

        :param store: that one; it was stopped.
        """
        raise NotImplementedError

    async def restart(self, store: IDataStore) -> IDataStore:
        """Stop a store and go on with another one."""
        await store.stop()
        return await self.make_again(store)

    async def test_uploads_outlive_the_store(self) -> None:
        """Facts and bytes are there after a restart, and the upload goes on."""
        store = await self.make_store()
        info = UploadInfo(
            "a/b",
            6,
            metadata=parse_metadata([b"name aGVsbG8=,raw //79"]),
            created_s=1_700_000_000.25,
            is_partial=True,
        )
        await store.create(info)
        await self.write(store, "a/b", 0, b"abc")
        store = await self.restart(store)
        self.assertEqual(await store.info("a/b"), info.at(3))
        await self.refused(UploadExists, store.create(info))
        await self.write(store, "a/b", 3, b"def")
        self.assertEqual(await self.read(store, "a/b"), b"abcdef")

    async def test_states_outlive_the_store(self) -> None:
        """States are kept over a restart, and what is due is listed."""
        store = await self.make_store()
        for state in UploadState:
            await store.create(UploadInfo(state.value, 3))
            await self.write(store, state.value, 0, b"abc")
            await store.set_state(state.value, state)
        store = await self.restart(store)
        for state in UploadState:
            self.assertIs((await store.info(state.value)).state, state)
        self.assertEqual(
            sorted(await store.awaiting_finish()),
            ["finish-failed", "finishing", "receiving"],
        )

    async def test_removal_outlives_the_store(self) -> None:
        """What was removed stays so, and its id is free."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        await self.write(store, "u", 0, b"abc")
        await store.remove("u")
        store = await self.restart(store)
        await self.refused(UploadNotFound, store.info("u"))
        await store.create(UploadInfo("u", 3))
        self.assertEqual((await store.info("u")).offset, 0)
        self.assertEqual(await self.read(store, "u"), b"")

    async def test_a_store_can_be_started_again(self) -> None:
        """The same store works again after a stop."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        await self.write(store, "u", 0, b"ab")
        await store.stop()
        await store.start()
        self.assertEqual((await store.info("u")).offset, 2)
        await self.write(store, "u", 2, b"c")
        self.assertEqual(await self.read(store, "u"), b"abc")
