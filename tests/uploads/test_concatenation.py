"""Final uploads, on a store in memory and a clock that stands still."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer_only

from tests.uploads.support import SlowStore
from tests.uploads.test_uploads import _UploadsCase
from tustwisted.errors import (
    ExtensionDisabled,
    FinishFailed,
    InvalidConcat,
    InvalidUploadLength,
    ModifyFinal,
    NoSpace,
    ServerShutdown,
    UploadExpired,
    UploadInterrupted,
    UploadNotFinished,
    UploadNotFound,
    UploadTooLarge,
)
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.concatenation import AT_ONCE
from tustwisted.uploads.uploads import Uploads


@implementer_only(IDataStore)
class PlainStore(SlowStore):
    """A store that says of itself that it cannot concatenate."""


class Turns(Clock):
    """A clock that knows what is asked of the store in each turn of the reactor."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up = [0]

    def callLater(self, *args: Any, **kwargs: Any) -> Any:
        self.looked_up.append(0)
        return super().callLater(*args, **kwargs)

    def count(self, info: UploadInfo) -> UploadInfo:
        """Count one look-up."""
        self.looked_up[-1] += 1
        return info


class _ConcatenationCase(_UploadsCase):
    def setUp(self) -> None:
        """Make two partial uploads, ``a`` and ``b``."""
        super().setUp()
        self.store: SlowStore = SlowStore()
        self.uploads = self.make()
        self.part("a", b"abc")
        self.part("b", b"defgh")
        self.told.clear()

    def part(self, upload_id: str, content: bytes, is_whole: bool = True) -> None:
        """Make a partial upload by way of the core."""
        length = len(content) if is_whole else len(content) + 1
        created = self.uploads.create(length, Metadata(), upload_id, is_partial=True)
        self.successResultOf(created)
        if content:
            self.send(upload_id, 0, content)

    def begin(self, *parts: str, **more: Any) -> Deferred[UploadInfo]:
        """Begin to put an upload together."""
        return self.start(self.uploads.concatenate(parts, Metadata(), **more))

    def ids(self) -> list[str]:
        """All uploads that there are."""
        return sorted(self.store._uploads)


class FinalTests(_ConcatenationCase):
    """What comes of a concatenation."""

    def test_whole_and_finished(self) -> None:
        """It has the bytes in order, is finished, and told of once (T-165, T-167)."""
        metadata = Metadata.from_pairs({"filename": b"x"})
        header = "final;/files/b /files/a"
        final = self.do(
            self.uploads.concatenate(("b", "a"), metadata, concat_header=header)
        )
        expected = UploadInfo(
            final.upload_id,
            8,
            8,
            metadata,
            UploadState.FINISHED,
            created_s=1000.5,
            is_final=True,
            partial_uploads=("b", "a"),
            concat_header=header,
        )
        self.assertEqual(final, expected)
        self.assertEqual(self.status(final.upload_id), expected)
        self.assertEqual(self.store.content(final.upload_id), b"defghabc")
        (event,) = self.told
        self.assertTrue(event.upload.is_final)
        self.assertEqual(event.upload.upload_id, final.upload_id)

    def test_repeated_part(self) -> None:
        """A part listed twice counts twice (T-168)."""
        final = self.successResultOf(self.begin("a", "a"))
        self.assertEqual(final.length, 6)
        self.assertEqual(self.store.content(final.upload_id), b"abcabc")

    def test_reused_part(self) -> None:
        """A part may be in many final uploads, and stays (T-169, T-188)."""
        first = self.successResultOf(self.begin("a"))
        second = self.successResultOf(self.begin("a"))
        self.assertNotEqual(first.upload_id, second.upload_id)
        self.assertEqual(len(self.ids()), 4)

    def test_empty_parts(self) -> None:
        """Of empty parts an empty upload is made, finished at once (T-185)."""
        self.part("empty", b"")
        final = self.successResultOf(self.begin("empty", "empty"))
        self.assertEqual((final.length, final.state), (0, UploadState.FINISHED))

    def test_metadata_is_not_inherited(self) -> None:
        """Only what is given for the final upload counts (T-187)."""
        metadata = Metadata.from_pairs({"filename": b"part"})
        self.successResultOf(self.uploads.create(0, metadata, "c", is_partial=True))
        self.assertEqual(self.successResultOf(self.begin("c")).metadata, Metadata())

    def test_event_of_a_part(self) -> None:
        """The finish event of a part says that it is one (T-189)."""
        self.part("c", b"x")
        self.assertTrue(self.told[-1].upload.is_partial)
        self.successResultOf(self.begin("c"))
        self.assertFalse(self.told[-1].upload.is_partial)

    def test_takes_no_bytes(self) -> None:
        """Nobody writes to a final upload, at whatever offset (T-186)."""
        final = self.successResultOf(self.begin("a"))
        for offset in (0, 3, 4):
            receiving = self.start(
                self.uploads.receive(final.upload_id, Chunk(offset, 1))
            )
            self.failureResultOf(receiving, ModifyFinal)

    def test_removal(self) -> None:
        """Part and final upload are removed without the other (T-120, T-121)."""
        final = self.successResultOf(self.begin("a", "b"))
        self.successResultOf(self.uploads.terminate("a"))
        self.assertEqual(self.store.content(final.upload_id), b"abcdefgh")
        self.successResultOf(self.uploads.terminate(final.upload_id))
        self.assertEqual(self.ids(), ["b"])

    def test_application_may_name_it(self) -> None:
        """An id of the application's own is used."""
        final = self.successResultOf(self.begin("a", upload_id="day/f"))
        self.assertEqual(final.upload_id, "day/f")

    def test_failed_finish_step(self) -> None:
        """The upload is there by then; the step can be tried again (T-165)."""
        self.finishing = Deferred()
        self.finishing.errback(Failure(KeyError("database")))
        self.failureResultOf(self.begin("a", upload_id="f"), FinishFailed)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.finishing = None
        final = self.successResultOf(self.uploads.finish("f"))
        self.assertIs(final.state, UploadState.FINISHED)

    def test_crash_before_the_finish_step(self) -> None:
        """Recovery finishes what a process put together and then died (T-165)."""
        info = UploadInfo("f", 3, is_final=True, partial_uploads=("a",))
        self.do(self.store.concatenate(info, lambda: True))
        self.assertEqual(self.do(self.make().recover()), 1)
        self.assertIs(self.status("f").state, UploadState.FINISHED)
        self.assertEqual([e.upload.upload_id for e in self.told], ["f"])


class RefusedTests(_ConcatenationCase):
    """What is judged before a byte is copied."""

    def refused(self, kind: type[Exception], *parts: str, **more: Any) -> Any:
        """It fails in this way, nothing is created, and the store was not asked."""
        before = self.ids()
        error = self.failureResultOf(self.begin(*parts, **more), kind).value
        self.assertEqual(self.ids(), before)
        self.assertEqual(self.store.copies, 0)
        return error

    def test_unknown(self) -> None:
        """A part that is not there, or is no id, is not found (T-176)."""
        for part in ("unknown", "../a", ""):
            self.refused(UploadNotFound, "a", part)

    def test_no_part(self) -> None:
        """Normal and final uploads are not parts (T-178)."""
        self.successResultOf(self.uploads.create(0, Metadata(), "normal"))
        self.refused(InvalidConcat, "a", "normal")
        self.successResultOf(self.begin("a", upload_id="final"))
        self.store.copies = 0
        self.refused(InvalidConcat, "final", "a")

    def test_unfinished(self) -> None:
        """Parts with bytes or a length to come are refused (T-179, T-180)."""
        self.part("short", b"ab", is_whole=False)
        self.do(self.store.create(UploadInfo("deferred", None, is_partial=True)))
        for part in ("short", "deferred"):
            self.refused(UploadNotFinished, "a", part)

    def test_existence_first(self) -> None:
        """Of several faults the one is told that comes first in T-271 (T-271)."""
        self.part("short", b"ab", is_whole=False)
        self.successResultOf(self.uploads.create(0, Metadata(), "normal"))
        self.refused(UploadNotFound, "normal", "short", "unknown")
        self.refused(UploadNotFound, "short", "unknown", length=1)

    def test_expired(self) -> None:
        """A part that has expired says so, as it does to anybody (T-177)."""

        def expire(info: UploadInfo) -> UploadInfo:
            raise UploadExpired

        self.store.change = expire
        self.refused(UploadExpired, "a")

    def test_wrong_length(self) -> None:
        """A length that was sent must be the sum (T-181)."""
        for length in (0, 7, 9):
            self.refused(InvalidUploadLength, "a", "b", length=length)
        self.assertEqual(self.successResultOf(self.begin("a", "b", length=8)).length, 8)

    def test_too_large(self) -> None:
        """The sum must not be above the maximum (T-184)."""
        self.uploads = self.make(max_size_bytes=8)
        error = self.refused(UploadTooLarge, "a", "b", "a")
        self.assertEqual(error.max_size_bytes, 8)
        self.assertEqual(self.successResultOf(self.begin("a", "b")).length, 8)

    def test_longer_than_any_upload(self) -> None:
        """A sum that no offset can hold is too large, too (T-184)."""
        self.store.change = lambda i: evolve(i, length=MAX_BYTES, offset=MAX_BYTES)
        self.refused(UploadTooLarge, "a", "b")

    def test_switched_off(self) -> None:
        """Without the extension nothing is concatenated (T-190)."""
        self.uploads = Uploads(
            self.store,
            self.locker,
            self.disk,
            self.clock,
            switched_off=[Extension.CONCATENATION],
        )
        self.do(self.uploads.start())
        self.refused(ExtensionDisabled, "a")

    def test_store_that_cannot(self) -> None:
        """Nor where the store cannot (T-190)."""
        self.store = PlainStore()
        self.uploads = self.make()
        self.assertNotIn(Extension.CONCATENATION, self.uploads.extensions)
        self.part("a", b"abc")
        self.refused(ExtensionDisabled, "a")

    def test_stopped(self) -> None:
        """Nor when the server does not run."""
        self.do(self.uploads.stop())
        self.refused(ServerShutdown, "a")

    def test_full_storage(self) -> None:
        """What the store raises is told (T-191)."""
        self.store.capacity_bytes = 9
        self.failureResultOf(self.begin("a"), NoSpace)
        self.assertEqual(self.ids(), ["a", "b"])


class UnfinishedStepTests(_ConcatenationCase):
    """A part that is whole, but whose finish step is not over."""

    def put_whole(self) -> None:
        """Leave what a crash leaves after the last byte."""
        self.do(self.store.create(UploadInfo("c", 1, is_partial=True)))
        self.do(self.store.open_writer("c", 0)).write([b"x"])

    def test_crash(self) -> None:
        """Its step is done first: its client saw all bytes stored (T-165, D3)."""
        self.put_whole()
        final = self.successResultOf(self.begin("a", "c"))
        self.assertEqual(self.store.content(final.upload_id), b"abcx")
        told = [event.upload.upload_id for event in self.told]
        self.assertEqual(told, ["c", final.upload_id])

    def test_failure(self) -> None:
        """If that fails, it may be tried again later: no 400."""
        self.put_whole()
        self.finishing = Deferred()
        self.finishing.errback(Failure(KeyError("database")))
        self.failureResultOf(self.begin("a", "c"), FinishFailed)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.ids(), ["a", "b", "c"])

    def test_running_step(self) -> None:
        """One that runs is waited for (T-236)."""
        self.finishing = Deferred()
        self.put_whole()
        finishing = self.uploads.finish("c")
        copying = self.begin("a", "c")
        self.assertNoResult(copying)
        self.finishing.callback(None)
        self.successResultOf(finishing)
        self.successResultOf(copying)


class GivenUpTests(_ConcatenationCase):
    """Nobody waits for it any more."""

    def setUp(self) -> None:
        """Begin a copy that takes its time."""
        super().setUp()
        self.store.copying = Deferred()
        self.copying = self.begin("a", "b")
        self.assertNoResult(self.copying)

    def test_client_leaves(self) -> None:
        """When its client has left it is given up; nothing remains (T-191)."""
        self.copying.cancel()
        self.failureResultOf(self.copying, CancelledError)
        assert self.store.copying is not None
        self.store.copying.callback(None)
        self.assertEqual(self.ids(), ["a", "b"])
        self.assertEqual(self.told, [])

    def test_stop(self) -> None:
        """A stop waits for no large copy; the sender is told to try later (T-241)."""
        stopping = self.start(self.uploads.stop())
        self.assertNoResult(stopping)
        assert self.store.copying is not None
        self.store.copying.callback(None)
        self.failureResultOf(self.copying, ServerShutdown)
        self.successResultOf(stopping)
        self.assertEqual(self.ids(), ["a", "b"])

    def test_store_gives_up_by_itself(self) -> None:
        """An interruption for another reason is told as what it is."""
        assert self.store.copying is not None
        self.store.copying.errback(Failure(UploadInterrupted()))
        self.failureResultOf(self.copying, UploadInterrupted)

    def test_client_leaves_in_the_finish_step(self) -> None:
        """What is there by then is finished like any upload (T-165)."""
        self.finishing = Deferred()
        assert self.store.copying is not None
        self.store.copying.callback(None)
        self.copying.cancel()
        self.failureResultOf(self.copying, CancelledError)
        self.finishing.callback(None)
        (upload_id,) = set(self.ids()) - {"a", "b"}
        self.assertIs(self.status(upload_id).state, UploadState.FINISHED)

    def test_others_go_on(self) -> None:
        """While it runs the parts and other uploads are served (T-192, T-238)."""
        self.assertEqual(self.status("a").offset, 3)
        self.part("c", b"x")
        self.successResultOf(self.uploads.terminate("c"))
        self.copying.cancel()
        self.failureResultOf(self.copying, CancelledError)


class ManyTests(_ConcatenationCase):
    """Long lists."""

    COUNT = 500

    def setUp(self) -> None:
        """Make many parts, each with its number in it."""
        super().setUp()
        self.names = [f"p/{n}" for n in range(self.COUNT)]
        for name in self.names:
            self.part(name, f"{name};".encode())

    def test_500(self) -> None:
        """The reactor gets its turn after a few look-ups, not after all (T-192)."""
        self.clock = turns = Turns()
        self.uploads = self.make()
        self.store.change = turns.count
        copying = self.begin(*self.names)
        self.assertNoResult(copying)
        turns.advance(0)
        self.assertEqual(sum(turns.looked_up), self.COUNT + 1)  # and the final one
        self.assertEqual(max(turns.looked_up), AT_ONCE)
        final = self.successResultOf(copying)
        content = "".join(f"{name};" for name in self.names).encode()
        self.assertEqual(self.store.content(final.upload_id), content)

    def test_repeated(self) -> None:
        """A part is looked up once, however often it is listed (T-168, T-192)."""
        final = self.successResultOf(self.begin(*["a", "b"] * 1000))
        self.assertEqual(final.length, 8000)

    def test_several_unknown(self) -> None:
        """Many faults are one answer, and none is left in the log (T-176)."""
        for name in self.names[:AT_ONCE]:
            self.do(self.store.remove(name))
        self.failureResultOf(self.begin(*self.names), UploadNotFound)
