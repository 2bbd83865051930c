"""
For those who write a store: its contract as tests, and a disk that is never late.

::

    class MyStoreTests(StoreContract, TestCase):
        async def make_store(self) -> IDataStore:
            store = MyStore(self.mktemp(), ImmediateDisk())
            await store.start()
            self.addCleanup(store.stop)
            return store

        async def read(self, store: IDataStore, upload_id: str) -> bytes: ...

:class:`LockContract` is the same for those who write a locker, :class:`OutboxContract`
for those who keep the events of uploads elsewhere.
:mod:`tustwisted.testing_abilities` has the contracts of what a store may be able to do
beside that, and :mod:`tustwisted.testing_restarts` that of one that remembers.

What is promised when the power fails no test in here can see; how the file store is
tested for that is told in ``tests/store/forgetful.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from attrs import define
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tustwisted.errors import (
    NoSpace,
    OffsetConflict,
    StorageFailed,
    UploadExists,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IDisk, IUploadWriter
from tustwisted.protocol.metadata import Metadata, parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing_locks import (
    LockContract as LockContract,  # noqa: PLC0414 - so that it is found here
)
from tustwisted.testing_outbox import (
    OutboxContract as OutboxContract,  # noqa: PLC0414 - so that it is found here
)

if TYPE_CHECKING:
    from unittest import TestCase as _Mixin
else:
    _Mixin = object

_P = ParamSpec("_P")
_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)

NOT_IDS = (
    "",
    ".",
    "..",
    "../escape",
    "/etc/passwd",
    "a//b",
    "a/../../b",
    "a/",
    ".hidden",
    "a.info",
    "a.lock",
    "a.unverified",
    "a\0b",
    "a b",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "x" * 201,
    "\udcff",
)
"""Strings that name no upload, whatever a store holds (D11)."""


@implementer(IDisk)
@define(eq=False, repr=False)
class ImmediateDisk:
    """A disk whose calls are all made in place and are over when they return."""

    async def quick(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        return f(*args, **kwargs)

    async def write(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        return f(*args, **kwargs)

    async def sync(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        return f(*args, **kwargs)

    async def read(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        return f(*args, **kwargs)

    async def copy(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        return f(*args, **kwargs)


class StoreCase(_Mixin):
    """What every contract of a store is made of."""

    async def make_store(self) -> IDataStore:
        """Return an empty store that was started; the tests do not stop it."""
        raise NotImplementedError

    async def make_full_store(self, room_bytes: int) -> IDataStore | None:
        """
        Return an empty, started store whose storage is full after some bytes.

        To be full is no failure of the store: one that logs it as such fails the test.

        :param room_bytes: how many bytes of all uploads together still fit; what the
            store needs for its records comes on top.
        :returns: ``None``, and the tests for it pass, where that cannot be made.
        """
        return None

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Return the bytes that the store holds of an upload."""
        raise NotImplementedError

    async def write(
        self, store: IDataStore, upload_id: str, offset: int, *buffers: bytes
    ) -> int:
        """Add bytes as a request does; return the offset that it would tell."""
        writer = await store.open_writer(upload_id, offset)
        try:
            writer.write(buffers)
            return writer.settle()
        finally:
            writer.close()

    async def refused(self, kind: type[_E], call: Awaitable[object]) -> _E:
        """Return the error that a call must end with."""
        try:
            await call
        except kind as error:
            return error
        raise self.failureException(f"nothing refused this with {kind.__name__}")

    def write_refused(
        self, kind: type[_E], writer: IUploadWriter, buffers: Sequence[bytes]
    ) -> _E:
        """Return the error that a write must end with."""
        with self.assertRaises(kind) as caught:
            writer.write(buffers)
        return caught.exception


class StoreContract(StoreCase):
    """
    Every promise of IDataStore and IUploadWriter that does not need a crash to be seen.

    To be mixed with :class:`twisted.trial.unittest.TestCase`; see this module's head.
    """

    # -- creation ----------------------------------------------------------------------

    async def test_provides_the_interface(self) -> None:
        """The store provides IDataStore, and what it opens IUploadWriter."""
        store = await self.make_store()
        verifyObject(IDataStore, store)
        await store.create(UploadInfo("u", 1))
        writer = await store.open_writer("u", 0)
        self.addCleanup(writer.close)
        verifyObject(IUploadWriter, writer)

    async def test_a_new_upload_is_empty(self) -> None:
        """What was created is told again, its offset being 0."""
        store = await self.make_store()
        info = UploadInfo(
            "u",
            10,
            metadata=parse_metadata([b"name aGVsbG8=,empty,raw //79"]),
            created_s=1_700_000_000.25,
            is_partial=True,
        )
        await store.create(info)
        self.assertEqual(await store.info("u"), info)
        self.assertEqual(await self.read(store, "u"), b"")

    async def test_the_last_byte_has_a_time(self) -> None:
        """The time of the last byte is that of creation, then moves forward only."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 4, created_s=1_700_000_000.25))
        times = [(await store.info("u")).modified_s]
        for offset in range(4):
            await self.write(store, "u", offset, b"a")
            times.append((await store.info("u")).modified_s)
        self.assertGreaterEqual(times[0], 1_700_000_000.25)
        self.assertEqual(times, sorted(times))

    async def test_metadata_is_kept_verbatim(self) -> None:
        """The header comes back as it was sent, odd blanks and padding included."""
        store = await self.make_store()
        metadata = parse_metadata([b"b YQ== ,  a", b"c  "])
        await store.create(UploadInfo("u", 1, metadata=metadata))
        self.assertEqual((await store.info("u")).metadata, metadata)

    async def test_metadata_of_applications_is_kept(self) -> None:
        """Metadata made of pairs, of any bytes, comes back."""
        store = await self.make_store()
        metadata = Metadata.from_pairs({"all": bytes(range(256)), "none": b""})
        await store.create(UploadInfo("u", 1, metadata=metadata))
        self.assertEqual((await store.info("u")).metadata, metadata)

    async def test_a_length_may_be_deferred(self) -> None:
        """An upload without a length has none when it is told again."""
        store = await self.make_store()
        await store.create(UploadInfo("u", None))
        await self.write(store, "u", 0, b"abc")
        found = await store.info("u")
        self.assertEqual((found.length, found.offset), (None, 3))

    async def test_facts_of_concatenation_are_kept(self) -> None:
        """A final upload still knows what it was put together from."""
        store = await self.make_store()
        info = UploadInfo(
            "u",
            4,
            is_final=True,
            partial_uploads=("a", "b/c", "a"),
            concat_header="final;/files/a  http://host/files/b/c /files/a",
        )
        await store.create(info)
        self.assertEqual(await store.info("u"), info)

    async def test_facts_of_hooks_are_kept(self) -> None:
        """What a hook has set of an upload is told again, in all its states."""
        store = await self.make_store()
        info = UploadInfo(
            "u",
            4,
            owner="Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} <zoe@example.com>",
            max_size_bytes=2**40,
            expire_after_s=90.5,
        )
        await store.create(info)
        await store.create(UploadInfo("least", 0, max_size_bytes=0))
        await self.write(store, "u", 0, b"abcd")
        for state in UploadState:
            await store.set_state("u", state)
            self.assertEqual(await store.info("u"), info.at(4).become(state))
        self.assertEqual((await store.info("least")).max_size_bytes, 0)

    async def test_an_id_is_taken_once(self) -> None:
        """A second creation of an id is refused and changes nothing."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 5))
        await self.write(store, "u", 0, b"abc")
        error = await self.refused(UploadExists, store.create(UploadInfo("u", 9)))
        self.assertEqual(error.upload_id, "u")
        found = await store.info("u")
        self.assertEqual((found.length, found.offset), (5, 3))
        self.assertEqual(await self.read(store, "u"), b"abc")

    async def test_ids_may_have_segments(self) -> None:
        """Ids with slashes, and the longest id there is, are ids like others."""
        store = await self.make_store()
        ids = ("2024/05/a", "2024/05/b", "x" * 200, "-a+b_c.d.e", "y/" * 99 + "y")
        for upload_id in ids:
            await store.create(UploadInfo(upload_id, 3))
            await self.write(store, upload_id, 0, b"abc")
        for upload_id in ids:
            self.assertEqual((await store.info(upload_id)).offset, 3)

    async def test_an_id_that_begins_with_another_id(self) -> None:
        """Where an upload's id begins another's, the older one stays as it is."""
        store = await self.make_store()
        await store.create(UploadInfo("a", 3))
        await self.write(store, "a", 0, b"abc")
        try:
            await store.create(UploadInfo("a/b", 3))
        except UploadExists:
            await self.refused(UploadNotFound, store.info("a/b"))
        self.assertEqual(await self.read(store, "a"), b"abc")

    async def test_what_is_no_id_is_not_found(self) -> None:
        """No call finds an upload by a string that is not an id."""
        store = await self.make_store()
        for text in NOT_IDS:
            await self.refused(UploadNotFound, store.info(text))
            await self.refused(UploadNotFound, store.open_writer(text, 0))
            await self.refused(
                UploadNotFound, store.set_state(text, UploadState.FINISHED)
            )
            await self.refused(UploadNotFound, store.remove(text))

    async def test_an_unknown_id_is_not_found(self) -> None:
        """No call finds an upload that was not created."""
        store = await self.make_store()
        await store.create(UploadInfo("a", 1))
        for upload_id in ("b", "a/b", "b/a"):
            await self.refused(UploadNotFound, store.info(upload_id))
            await self.refused(UploadNotFound, store.open_writer(upload_id, 0))
            await self.refused(
                UploadNotFound, store.set_state(upload_id, UploadState.FINISHED)
            )
            await self.refused(UploadNotFound, store.remove(upload_id))

    # -- writing -----------------------------------------------------------------------

    async def test_bytes_are_kept_in_order(self) -> None:
        """All buffers of all writes of all writers stand one after the other."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 8))
        self.assertEqual(await self.write(store, "u", 0, b"a", b"", b"bc"), 3)
        writer = await store.open_writer("u", 3)
        writer.write([b"de"])
        writer.write([])
        writer.write([b"", b"f"])
        self.assertEqual((writer.offset, writer.settle()), (6, 6))
        writer.close()
        self.assertEqual(await self.write(store, "u", 6, b"gh"), 8)
        self.assertEqual(await self.read(store, "u"), b"abcdefgh")
        self.assertEqual((await store.info("u")).offset, 8)

    async def test_many_buffers_in_one_write(self) -> None:
        """There may be more buffers than one system call takes."""
        store = await self.make_store()
        buffers = [bytes([n % 251]) * (n % 3) for n in range(2500)]
        await store.create(UploadInfo("u", None))
        offset = await self.write(store, "u", 0, *buffers)
        self.assertEqual(await self.read(store, "u"), b"".join(buffers))
        self.assertEqual(offset, len(b"".join(buffers)))

    async def test_nothing_is_lost_without_settling(self) -> None:
        """A writer closed without ``settle`` leaves an offset to go on from."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 6))
        writer = await store.open_writer("u", 0)
        writer.write([b"abc"])
        writer.close()
        offset = (await store.info("u")).offset
        self.assertLessEqual(offset, 3)
        await self.write(store, "u", offset, b"abcdef"[offset:])
        self.assertEqual(await self.read(store, "u"), b"abcdef")

    async def test_a_wrong_offset_is_refused(self) -> None:
        """A writer opens where the upload ends and nowhere else."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 9))
        await self.write(store, "u", 0, b"abc")
        for asked in (0, 2, 4, 9, 2**62):
            error = await self.refused(OffsetConflict, store.open_writer("u", asked))
            self.assertEqual((error.stored, error.asked), (3, asked))
        self.assertEqual(await self.read(store, "u"), b"abc")

    async def test_info_sees_what_is_settled(self) -> None:
        """While a writer is open, ``info`` tells at least what it settled."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 9))
        writer = await store.open_writer("u", 0)
        self.addCleanup(writer.close)
        for expected in (2, 4, 6):
            writer.write([b"ab"])
            self.assertLessEqual((await store.info("u")).offset, expected)
            self.assertEqual(writer.settle(), expected)
            self.assertEqual((await store.info("u")).offset, expected)

    async def test_a_closed_writer_takes_nothing(self) -> None:
        """A writer may be closed twice; after that it refuses bytes."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 9))
        writer = await store.open_writer("u", 0)
        writer.close()
        writer.close()
        self.write_refused(StorageFailed, writer, [b"abc"])
        self.assertEqual((await store.info("u")).offset, 0)

    async def test_uploads_do_not_mix(self) -> None:
        """Two uploads that are written in turns keep their own bytes."""
        store = await self.make_store()
        writers = []
        for upload_id in ("a", "b"):
            await store.create(UploadInfo(upload_id, 4))
            writers.append(await store.open_writer(upload_id, 0))
        for _ in range(2):
            writers[0].write([b"aa"])
            writers[1].write([b"bb"])
        for writer in writers:
            self.assertEqual(writer.settle(), 4)
            writer.close()
        self.assertEqual(await self.read(store, "a"), b"aaaa")
        self.assertEqual(await self.read(store, "b"), b"bbbb")

    async def test_a_full_storage_keeps_what_fitted(self) -> None:
        """When there is no space left, the offset tells exactly what is stored."""
        store = await self.make_full_store(5)
        if store is None:
            return
        await store.create(UploadInfo("u", 9))
        writer = await store.open_writer("u", 0)
        writer.write([b"ab"])
        self.write_refused(NoSpace, writer, [b"cd", b"ef", b"gh"])
        self.assertEqual(writer.offset, 5)
        self.write_refused(StorageFailed, writer, [b"x"])
        self.assertEqual(writer.settle(), 5)
        writer.close()
        self.assertEqual((await store.info("u")).offset, 5)
        self.assertEqual(await self.read(store, "u"), b"abcde")

    # -- states and removal ------------------------------------------------------------

    async def test_states_are_kept(self) -> None:
        """A state that was set is told until another one is set."""
        store = await self.make_store()
        info = UploadInfo("u", 3, metadata=parse_metadata([b"a YQ=="]))
        await store.create(info)
        await self.write(store, "u", 0, b"abc")
        for state in UploadState:
            await store.set_state("u", state)
            self.assertEqual(await store.info("u"), info.at(3).become(state))

    async def test_a_finished_upload_is_closed(self) -> None:
        """Opening a finished upload changes nothing, and it takes no bytes."""
        store = await self.make_store()
        await store.create(UploadInfo("u", 3))
        await self.write(store, "u", 0, b"abc")
        await store.set_state("u", UploadState.FINISHED)
        before = await store.info("u")
        writer = await store.open_writer("u", 3)
        self.write_refused(StorageFailed, writer, [b"def"])
        self.assertEqual((writer.offset, writer.settle()), (3, 3))
        writer.close()
        await self.refused(OffsetConflict, store.open_writer("u", 0))
        self.assertEqual(await store.info("u"), before)
        self.assertEqual(await self.read(store, "u"), b"abc")

    async def test_finish_steps_that_are_due_are_listed(self) -> None:
        """Listed is what is whole and not finished, in whichever state it stopped."""
        store = await self.make_store()
        self.assertEqual(list(await store.awaiting_finish()), [])
        for state in UploadState:
            await store.create(UploadInfo(f"whole/{state.value}", 3))
            await self.write(store, f"whole/{state.value}", 0, b"abc")
            await store.set_state(f"whole/{state.value}", state)
        await store.create(UploadInfo("begun", 3))
        await self.write(store, "begun", 0, b"ab")
        await store.create(UploadInfo("deferred", None))
        await store.create(UploadInfo("empty", 0))
        self.assertEqual(
            sorted(await store.awaiting_finish()),
            ["empty", "whole/finish-failed", "whole/finishing", "whole/receiving"],
        )

    async def test_a_removed_upload_is_gone(self) -> None:
        """After removal nothing is found, and the id can be used again."""
        store = await self.make_store()
        for upload_id in ("u", "a/b"):
            await store.create(UploadInfo(upload_id, 3))
            await self.write(store, upload_id, 0, b"abc")
            await store.remove(upload_id)
            await self.refused(UploadNotFound, store.info(upload_id))
            await self.refused(UploadNotFound, store.remove(upload_id))
            await store.create(UploadInfo(upload_id, 4))
            self.assertEqual((await store.info(upload_id)).offset, 0)
            self.assertEqual(await self.read(store, upload_id), b"")

    async def test_removal_spares_the_others(self) -> None:
        """Removing an upload leaves those with similar ids alone."""
        store = await self.make_store()
        for upload_id in ("a", "ab", "b/a", "a.b"):
            await store.create(UploadInfo(upload_id, 3))
            await self.write(store, upload_id, 0, b"abc")
        await store.remove("a")
        for upload_id in ("ab", "b/a", "a.b"):
            self.assertEqual(await self.read(store, upload_id), b"abc")
