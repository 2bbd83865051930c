"""
For those who write a store that concatenates: what else it promises, as tests.

::

    class MyStoreTests(StoreContract, ConcatenationContract, TestCase):
        ...  # as for StoreContract
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface.verify import verifyObject

from tustwisted.abilities import IConcatenates
from tustwisted.errors import (
    NoSpace,
    TusError,
    UploadExists,
    UploadInterrupted,
    UploadNotFinished,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import NOT_IDS, StoreCase


def final(length: int, *partial_uploads: str, upload_id: str = "f") -> UploadInfo:
    """Say what an upload will be that is put together from others."""
    return UploadInfo(upload_id, length, is_final=True, partial_uploads=partial_uploads)


class ConcatenationContract(StoreCase):
    """
    Every promise of IConcatenates that does not need a crash to be seen.

    See :class:`tustwisted.testing.StoreCase` for what is to be filled in.
    """

    # -- what the tests are made of ----------------------------------------------------

    async def put_part(self, store: IDataStore, upload_id: str, content: bytes) -> None:
        """Make a finished partial upload."""
        await store.create(UploadInfo(upload_id, len(content), is_partial=True))
        await self.write(store, upload_id, 0, content)
        await store.set_state(upload_id, UploadState.FINISHED)

    async def concatenate(
        self,
        store: IDataStore,
        info: UploadInfo,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Put an upload together."""
        await IConcatenates(store).concatenate(info, is_wanted)

    async def assert_refused(
        self,
        kind: type[TusError],
        store: IDataStore,
        info: UploadInfo,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """It is refused, and nothing remains: not even the id is taken."""
        await self.refused(kind, self.concatenate(store, info, is_wanted))
        await self.refused(UploadNotFound, store.info(info.upload_id))
        self.assertNotIn(info.upload_id, await store.awaiting_finish())
        await store.create(UploadInfo(info.upload_id, 1))
        self.assertEqual(await self.read(store, info.upload_id), b"")
        await store.remove(info.upload_id)

    # -- what comes of it --------------------------------------------------------------

    async def test_it_concatenates(self) -> None:
        """The store provides the ability."""
        verifyObject(IConcatenates, await self.make_store())

    async def test_bytes_follow_the_list(self) -> None:
        """Bytes stand in the order of the list, as often as listed (T-167, T-168)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"first")
        await self.put_part(store, "b/c", b"second")
        await self.put_part(store, "empty", b"")
        parts = ("b/c", "empty", "a", "b/c", "empty")
        await self.concatenate(store, final(17, *parts))
        self.assertEqual(await self.read(store, "f"), b"secondfirstsecond")

    async def test_many_bytes(self) -> None:
        """Nothing is lost or doubled where a part is longer than any buffer (T-165)."""
        store = await self.make_store()
        contents = [bytes([n + 1]) * (2**20 * n + 3) for n in range(3)]
        for n, content in enumerate(contents):
            await self.put_part(store, str(n), content)
        length = sum(map(len, contents))
        await self.concatenate(store, final(length, "0", "1", "2"))
        self.assertEqual(await self.read(store, "f"), b"".join(contents))

    async def test_it_is_whole_and_awaits_its_finish(self) -> None:
        """It is whole at once, and its finish step is due (T-165)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        info = UploadInfo(
            "f",
            6,
            metadata=parse_metadata([b"name aGVsbG8=,empty"]),
            created_s=1_700_000_000.25,
            is_final=True,
            partial_uploads=("a", "a"),
            concat_header="final;/files/a  /files/a",
        )
        await self.concatenate(store, info)
        self.assertEqual(await store.info("f"), info.at(6))
        self.assertEqual(await store.awaiting_finish(), ["f"])
        await store.set_state("f", UploadState.FINISHED)
        self.assertEqual(await store.info("f"), info.at(6).become(UploadState.FINISHED))
        self.assertGreaterEqual((await store.info("f")).modified_s, info.created_s)

    async def test_empty_parts(self) -> None:
        """Of parts without a byte an upload without a byte is made (T-185)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"")
        await self.concatenate(store, final(0, "a", "a"))
        self.assertEqual(await self.read(store, "f"), b"")
        self.assertTrue((await store.info("f")).awaits_finish)

    async def test_parts_stay(self) -> None:
        """The parts are as they were, and good for another one (T-169, T-188)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        before = await store.info("a")
        await self.concatenate(store, final(3, "a"))
        await self.concatenate(store, final(6, "a", "a", upload_id="day/g"))
        self.assertEqual(await store.info("a"), before)
        for upload_id, content in (("a", b"abc"), ("f", b"abc"), ("day/g", b"abcabc")):
            self.assertEqual(await self.read(store, upload_id), content)

    async def test_parts_may_be_removed(self) -> None:
        """Without its parts the upload is still whole (T-121)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        await self.concatenate(store, final(3, "a"))
        await store.set_state("f", UploadState.FINISHED)
        await store.remove("a")
        self.assertEqual(await self.read(store, "f"), b"abc")
        found = await store.info("f")
        self.assertEqual((found.offset, found.state), (3, UploadState.FINISHED))

    async def test_removal_leaves_the_parts(self) -> None:
        """Without the upload its parts are still there (T-120)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        await self.concatenate(store, final(3, "a"))
        await store.remove("f")
        await self.refused(UploadNotFound, store.info("f"))
        self.assertEqual(await self.read(store, "a"), b"abc")

    # -- refusals ----------------------------------------------------------------------

    async def test_taken_id(self) -> None:
        """An id that is taken is refused, and what has it stays."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        info = final(3, "a", upload_id="a")
        await self.refused(UploadExists, self.concatenate(store, info))
        self.assertEqual(await self.read(store, "a"), b"abc")
        self.assertTrue((await store.info("a")).is_partial)

    async def test_missing_part(self) -> None:
        """A part that is not there, or is no id, is not found (T-176, T-191)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        for part in ("b", "a/b", *NOT_IDS):
            await self.assert_refused(UploadNotFound, store, final(3, "a", part))

    async def test_unfinished_part(self) -> None:
        """A part must be finished by its state, not by its size only (T-179)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        await store.create(UploadInfo("deferred", None, is_partial=True))
        await store.create(UploadInfo("short", 4, is_partial=True))
        states = set(UploadState) - {UploadState.FINISHED}
        for state in states:
            await store.create(UploadInfo(state.value, 3, is_partial=True))
        for part in ("deferred", "short", *(state.value for state in states)):
            await self.write(store, part, 0, b"abc")
        for state in states:
            await store.set_state(state.value, state)
        for part in ("deferred", "short", *(state.value for state in states)):
            await self.assert_refused(UploadNotFinished, store, final(6, "a", part))

    async def test_wrong_length(self) -> None:
        """The length must be that of all parts together (T-191)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        for length in (0, 3, 5, 7):
            await self.assert_refused(UploadNotFinished, store, final(length, "a", "a"))

    async def test_not_wanted(self) -> None:
        """When nobody wants it any more, it is given up (T-191)."""
        store = await self.make_store()
        await self.put_part(store, "a", b"abc")
        await self.assert_refused(
            UploadInterrupted, store, final(3, "a"), lambda: False
        )

    async def test_no_space(self) -> None:
        """When the storage is full, nothing remains (T-191)."""
        store = await self.make_full_store(8)
        if store is None:
            return
        await self.put_part(store, "a", b"abcde")
        await self.refused(NoSpace, self.concatenate(store, final(5, "a")))
        await self.refused(UploadNotFound, store.info("f"))
        self.assertEqual(list(await store.awaiting_finish()), [])
        self.assertEqual(await self.read(store, "a"), b"abcde")
