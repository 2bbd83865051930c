"""The core, on a store in memory and a clock that stands still."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.receive.support import HandDisk, Producer, ignore
from tustwisted.errors import (
    DirectoryInUse,
    FinishFailed,
    ModifyFinal,
    OffsetConflict,
    ServerShutdown,
    UploadExists,
    UploadInterrupted,
    UploadLocked,
    UploadNotFound,
    UploadSizeExceeded,
    UploadTooLarge,
)
from tustwisted.hooks.functions import FunctionHook
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.receive.receiver import Receiver
from tustwisted.store.memory import MemoryStore
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.limits import LOCK_TIMEOUT_S
from tustwisted.uploads.uploads import STATUS_PATIENCE_S, Uploads

_T = TypeVar("_T")


class _UploadsCase(SynchronousTestCase):
    """Makes uploads whose finish steps are remembered, and fail while told to."""

    def setUp(self) -> None:
        """Start the core."""
        self.clock = Clock()
        self.disk = HandDisk()
        self.store = MemoryStore()
        self.locker = MemoryLocker(self.clock)
        self.told: list[Event] = []
        self.finishing: Deferred[None] | None = None
        self.uploads = self.make()

    def make(self, max_size_bytes: int | None = None) -> Uploads:
        """Make a core on the store, as a restarted process would."""
        uploads = Uploads(
            self.store,
            self.locker,
            self.disk,
            self.clock,
            max_size_bytes,
            hooks=[FunctionHook("finish", {EventType.PRE_FINISH: self.on_finish})],
            now_s=lambda: 1000.5,
        )
        self.do(uploads.start())
        return uploads

    async def on_finish(self, event: Event) -> None:
        """Remember what is told; wait, or fail, as the test says."""
        self.told.append(event)
        if self.finishing is not None:
            await self.finishing

    def start(self, work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
        """Start some work."""
        return Deferred.fromCoroutine(work)

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Do some work that waits for nothing."""
        return self.successResultOf(self.start(work))

    def create(self, length: int) -> str:
        """Create an upload, giving its id."""
        return self.successResultOf(self.uploads.create(length, Metadata())).upload_id

    def receive(self, upload_id: str, offset: int) -> Receiver:
        """Get a receiver for a chunked body, whose writes wait for the disk."""
        receiver = self.do(self.uploads.receive(upload_id, Chunk(offset, None)))
        receiver.registerProducer(Producer(), True)
        return receiver

    def send(self, upload_id: str, offset: int, body: bytes) -> UploadInfo:
        """Send a whole body."""
        receiver = self.receive(upload_id, offset)
        receiver.write(body)
        receiver.body_ended()
        self.disk.do_all()
        return self.successResultOf(receiver.outcome())

    def status(self, upload_id: str) -> UploadInfo:
        """Ask how far an upload is."""
        return self.do(self.uploads.status(upload_id))


class CreateTests(_UploadsCase):
    """Beginning an upload."""

    def test_upload_is_created_empty(self) -> None:
        """A new upload has its facts and no bytes (T-050)."""
        metadata = Metadata.from_pairs({"filename": b"x"})
        created = self.successResultOf(self.uploads.create(5, metadata))
        self.assertEqual(
            self.status(created.upload_id),
            UploadInfo(created.upload_id, 5, metadata=metadata, created_s=1000.5),
        )
        self.assertEqual(self.told, [])

    def test_two_creations_give_two_uploads(self) -> None:
        """Equal requests never share an upload (T-054)."""
        self.assertNotEqual(self.create(5), self.create(5))

    def test_maximum_size_is_the_last_length_taken(self) -> None:
        """A length above the maximum is refused, the maximum is not (T-058, T-059)."""
        self.uploads = self.make(max_size_bytes=10)
        self.create(10)
        refused = self.uploads.create(11, Metadata())
        error = self.failureResultOf(refused, UploadTooLarge).value
        self.assertEqual(error.max_size_bytes, 10)

    def test_empty_upload_is_finished_at_once(self) -> None:
        """Length 0 is complete when it is created, and told once (T-060)."""
        upload_id = self.create(0)
        self.assertIs(self.status(upload_id).state, UploadState.FINISHED)
        self.assertEqual(len(self.told), 1)

    def test_application_may_name_an_upload(self) -> None:
        """An id of the application's own is used, once."""
        named = self.uploads.create(1, Metadata(), "a/b")
        self.assertEqual(self.successResultOf(named).upload_id, "a/b")
        again = self.uploads.create(1, Metadata(), "a/b")
        self.failureResultOf(again, UploadExists)

    def test_named_upload_waits_for_its_lock(self) -> None:
        """Who is removing what had the id before is not disturbed in that."""
        held = self.successResultOf(self.locker.acquire("a", lambda: None, 1))
        named = self.uploads.create(1, Metadata(), "a")
        self.assertNoResult(named)
        held.release()
        self.assertEqual(self.successResultOf(named).upload_id, "a")
        self.receive("a", 0)

    def test_id_that_is_none_is_refused(self) -> None:
        """An application's id is judged like any other (D11)."""
        self.failureResultOf(self.uploads.create(1, Metadata(), "../x"), ValueError)

    def test_cancelled_creation_is_still_finished(self) -> None:
        """A client that leaves while its empty upload is finished stops nothing."""
        self.finishing = Deferred()
        creating = self.uploads.create(0, Metadata(), "u")
        creating.cancel()
        self.failureResultOf(creating, CancelledError)
        self.finishing.callback(None)
        self.assertIs(self.status("u").state, UploadState.FINISHED)


class ReceiveTests(_UploadsCase):
    """Taking bodies."""

    def test_pieces_make_a_whole(self) -> None:
        """Bodies are appended where the last one ended, and the last one finishes."""
        upload_id = self.create(6)
        self.assertEqual(self.send(upload_id, 0, b"abc").offset, 3)
        self.assertIs(self.send(upload_id, 3, b"def").state, UploadState.FINISHED)
        self.assertEqual(self.store.content(upload_id), b"abcdef")

    def test_unknown_upload(self) -> None:
        """An id that names nothing, or is none, is not found (T-029)."""
        for upload_id in ("unknown", "../x", ""):
            receiving = self.start(self.uploads.receive(upload_id, Chunk(0, 1)))
            self.failureResultOf(receiving, UploadNotFound)

    def test_wrong_offset_tells_the_right_one(self) -> None:
        """An offset below or above the stored one changes nothing (T-028)."""
        upload_id = self.create(9)
        self.send(upload_id, 0, b"abc")
        for offset in (0, 2, 4, 9):
            receiving = self.start(self.uploads.receive(upload_id, Chunk(offset, 1)))
            error = self.failureResultOf(receiving, OffsetConflict).value
            self.assertEqual((error.stored, error.asked), (3, offset))
        self.send(upload_id, 3, b"def")

    def test_body_that_would_not_fit_is_refused_unread(self) -> None:
        """An announced length past the end is refused before a byte (T-030, T-036)."""
        upload_id = self.create(3)
        refused = self.start(self.uploads.receive(upload_id, Chunk(0, 4)))
        self.failureResultOf(refused, UploadSizeExceeded)
        self.send(upload_id, 0, b"abc")
        refused = self.start(self.uploads.receive(upload_id, Chunk(3, 1)))
        self.failureResultOf(refused, UploadSizeExceeded)

    def test_empty_body_on_a_finished_upload(self) -> None:
        """It succeeds and tells nobody a second time (T-035, T-061)."""
        upload_id = self.create(3)
        self.send(upload_id, 0, b"abc")
        self.assertEqual(self.send(upload_id, 3, b"").offset, 3)
        self.assertEqual(len(self.told), 1)

    def test_final_upload_takes_nothing(self) -> None:
        """A final upload is refused whatever the offset (T-186)."""
        self.do(self.store.create(UploadInfo("f", 0, is_final=True)))
        for offset in (0, 5):
            receiving = self.start(self.uploads.receive("f", Chunk(offset, 0)))
            self.failureResultOf(receiving, ModifyFinal)

    def test_newcomer_takes_over(self) -> None:
        """The holder is stopped, what it had is kept (T-230, T-231)."""
        upload_id = self.create(6)
        first = self.receive(upload_id, 0)
        first.write(b"ab")
        taking = self.start(self.uploads.receive(upload_id, Chunk(2, 4)))
        self.assertNoResult(taking)
        self.disk.do_all()
        self.failureResultOf(first.outcome(), UploadInterrupted)
        second = self.successResultOf(taking)
        first.write(b"late")
        second.write(b"cdef")
        second.body_ended()
        self.disk.do_all()
        self.assertEqual(self.store.content(upload_id), b"abcdef")

    def test_one_of_two_with_the_same_offset_loses(self) -> None:
        """Two bodies at one offset are never mixed (T-234)."""
        upload_id = self.create(6)
        first = self.receive(upload_id, 0)
        taking = self.start(self.uploads.receive(upload_id, Chunk(0, 6)))
        first.write(b"ab")  # dropped: it was stopped by then
        self.failureResultOf(first.outcome(), UploadInterrupted)
        second = self.successResultOf(taking)
        second.write(b"ABCDEF")
        second.body_ended()
        self.disk.do_all()
        self.assertEqual(self.store.content(upload_id), b"ABCDEF")

    def test_bad_request_stops_no_good_one(self) -> None:
        """What can be judged without the lock is judged without it (D5, T-271)."""
        upload_id = self.create(6)
        self.send(upload_id, 0, b"ab")
        good = self.receive(upload_id, 2)
        bad = self.start(self.uploads.receive(upload_id, Chunk(1, 1)))
        self.failureResultOf(bad, OffsetConflict)
        good.write(b"cdef")
        good.body_ended()
        self.disk.do_all()
        self.assertEqual(self.successResultOf(good.outcome()).offset, 6)

    def test_holder_that_hangs_costs_the_lock_timeout(self) -> None:
        """A store that does not answer is waited for so long, then 423 (T-233)."""
        upload_id = self.create(6)
        first = self.receive(upload_id, 0)
        first.write(b"ab")
        taking = self.start(self.uploads.receive(upload_id, Chunk(2, 4)))
        self.clock.advance(LOCK_TIMEOUT_S + 1)
        self.failureResultOf(taking, UploadLocked)

    def test_finishing_request_is_waited_for(self) -> None:
        """A request in its finish step is not stopped; the newcomer waits (T-236)."""
        self.finishing = Deferred()
        upload_id = self.create(3)
        first = self.receive(upload_id, 0)
        first.write(b"abc")
        first.body_ended()
        self.disk.do_all()
        taking = self.start(self.uploads.receive(upload_id, Chunk(3, 0)))
        self.assertNoResult(taking)
        self.finishing.callback(None)
        self.assertEqual(self.successResultOf(first.outcome()).offset, 3)
        self.successResultOf(taking).body_ended()

    def test_cancelled_wait_for_the_lock_leaves_nothing(self) -> None:
        """A client that leaves while it waits holds nothing afterwards (T-239)."""
        upload_id = self.create(6)
        first = self.receive(upload_id, 0)
        first.write(b"ab")
        taking = self.start(self.uploads.receive(upload_id, Chunk(2, 4)))
        taking.cancel()
        self.failureResultOf(taking, CancelledError)
        self.disk.do_all()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.send(upload_id, 2, b"cdef")

    def test_uploads_do_not_wait_for_each_other(self) -> None:
        """A stalled upload does not hold up another one (T-238)."""
        stalled = self.receive(self.create(3), 0)
        stalled.write(b"a")
        other = self.receive(self.create(3), 0)
        other.write(b"abc")
        self.disk.waiting.pop(1)()
        other.body_ended()
        self.assertEqual(self.successResultOf(other.outcome()).offset, 3)


class SlowOpening(MemoryStore):
    """A store that opens writers when it is told to."""

    opening: Deferred[None]

    async def open_writer(self, upload_id: str, offset: int) -> Any:
        """Wait, then open."""
        await self.opening
        return await super().open_writer(upload_id, offset)


class CancelledOpeningTests(_UploadsCase):
    """The client leaves between the lock and the receiver."""

    def setUp(self) -> None:
        """Use a store that opens slowly."""
        super().setUp()
        self.store = store = SlowOpening()
        store.opening = self.opening = Deferred[None]()
        self.uploads = self.make()
        self.upload_id = self.create(3)

    def assert_free(self) -> None:
        """The lock can be had."""
        lock = self.locker.acquire(self.upload_id, ignore, 1)
        self.successResultOf(lock).release()

    def test_lock_and_writer_are_given_back(self) -> None:
        """What was opened for a client that left is closed again (D2)."""
        taking = self.start(self.uploads.receive(self.upload_id, Chunk(0, 3)))
        taking.cancel()
        self.failureResultOf(taking, CancelledError)
        self.opening.callback(None)
        self.assert_free()

    def test_failed_opening_gives_the_lock_back(self) -> None:
        """An error between lock and receiver frees the lock."""
        taking = self.start(self.uploads.receive(self.upload_id, Chunk(0, 3)))
        self.opening.errback(Failure(OffsetConflict(1, 0)))
        self.failureResultOf(taking, OffsetConflict)
        self.assert_free()

    def test_shutdown_waits_for_what_is_being_opened(self) -> None:
        """A stop in that moment settles the receiver that comes of it (T-241)."""
        taking = self.start(self.uploads.receive(self.upload_id, Chunk(0, 3)))
        stopping = self.start(self.uploads.stop())
        self.assertNoResult(stopping)
        self.opening.callback(None)
        receiver = self.successResultOf(taking)
        self.failureResultOf(receiver.outcome(), ServerShutdown)
        self.successResultOf(stopping)


class StatusTests(_UploadsCase):
    """Asking disturbs nobody (D5)."""

    def test_unknown_upload(self) -> None:
        """What is not there, or no id, is not found (T-015)."""
        for upload_id in ("unknown", ".."):
            asking = self.start(self.uploads.status(upload_id))
            self.failureResultOf(asking, UploadNotFound)

    def test_holder_goes_on(self) -> None:
        """A status tells what is stored while the holder keeps receiving (T-230)."""
        upload_id = self.create(6)
        receiver = self.receive(upload_id, 0)
        receiver.write(b"ab")
        self.disk.do_all()
        self.assertEqual(self.status(upload_id).offset, 2)
        receiver.write(b"cdef")
        receiver.body_ended()
        self.disk.do_all()
        self.assertEqual(self.successResultOf(receiver.outcome()).offset, 6)

    def test_bytes_on_their_way_are_awaited(self) -> None:
        """A job in flight is waited for, so that its bytes count."""
        upload_id = self.create(6)
        self.receive(upload_id, 0).write(b"ab")
        asking = self.start(self.uploads.status(upload_id))
        self.assertNoResult(asking)
        self.disk.do_one()
        self.assertEqual(self.successResultOf(asking).offset, 2)

    def test_patience_has_an_end(self) -> None:
        """A store that hangs does not hang the status."""
        upload_id = self.create(6)
        self.receive(upload_id, 0).write(b"ab")
        asking = self.start(self.uploads.status(upload_id))
        self.clock.advance(STATUS_PATIENCE_S * 1.1)
        self.assertEqual(self.successResultOf(asking).offset, 0)


class FinishTests(_UploadsCase):
    """The step between the last byte and the end (D3)."""

    def test_event_tells_the_whole_upload(self) -> None:
        """The step sees the upload finishing, with all its bytes stored."""
        upload_id = self.create(3)
        self.send(upload_id, 0, b"abc")
        (event,) = self.told
        self.assertEqual(event.upload.offset, 3)
        self.assertIs(event.upload.state, UploadState.FINISHING)
        self.assertEqual(event.event_id, f"{upload_id}@1000.500000:pre-finish")

    def test_failed_step_can_be_tried_again(self) -> None:
        """A failed step leaves a state; the next empty body does it again."""
        upload_id = self.create(3)
        self.finishing = Deferred()
        self.finishing.errback(Failure(KeyError("database")))
        receiver = self.receive(upload_id, 0)
        receiver.write(b"abc")
        receiver.body_ended()
        self.disk.do_all()
        self.failureResultOf(receiver.outcome(), FinishFailed)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertIs(self.status(upload_id).state, UploadState.FINISH_FAILED)
        self.finishing = None
        self.assertIs(self.send(upload_id, 3, b"").state, UploadState.FINISHED)
        first, second = self.told
        self.assertEqual(first.event_id, second.event_id)

    def test_crash_before_the_step_is_recovered(self) -> None:
        """A process that died after the last byte owes the step; recovery does it."""
        self.do(self.store.create(UploadInfo("u", 3)))
        self.do(self.store.open_writer("u", 0)).write([b"abc"])
        self.assertEqual(self.do(self.make().recover()), 1)
        self.assertIs(self.status("u").state, UploadState.FINISHED)
        self.assertEqual(len(self.told), 1)
        self.assertEqual(self.do(self.make().recover()), 0)

    def test_crash_in_the_step_is_recovered_with_the_same_event(self) -> None:
        """The event is told again with the same id: at least once (T-039)."""
        upload_id = self.create(3)
        self.finishing = Deferred()  # never fires: the process dies in it
        receiver = self.receive(upload_id, 0)
        receiver.write(b"abc")
        receiver.body_ended()
        self.disk.do_all()
        self.finishing = None
        self.locker = MemoryLocker(self.clock)  # the kernel freed what it held
        self.assertEqual(self.do(self.make().recover()), 1)
        first, second = self.told
        self.assertEqual(first.event_id, second.event_id)

    def test_empty_body_finishes_what_a_crash_left(self) -> None:
        """The next request on it does the step as well (D3)."""
        self.do(self.store.create(UploadInfo("u", 3)))
        self.do(self.store.open_writer("u", 0)).write([b"abc"])
        self.assertIs(self.send("u", 3, b"").state, UploadState.FINISHED)

    def test_finish_of_an_unfinished_upload_does_nothing(self) -> None:
        """Without all its bytes an upload is not finished."""
        upload_id = self.create(3)
        upload = self.successResultOf(self.uploads.finish(upload_id))
        self.assertIs(upload.state, UploadState.RECEIVING)
        self.assertEqual(self.told, [])

    def test_recovery_goes_on_after_a_failure(self) -> None:
        """One upload that cannot be finished does not keep the others waiting."""
        for upload_id in ("a", "b"):
            self.do(self.store.create(UploadInfo(upload_id, 0)))
        held = self.successResultOf(self.locker.acquire("a", ignore, 1))
        recovering = self.start(self.uploads.recover())
        self.clock.advance(LOCK_TIMEOUT_S + 1)
        self.assertEqual(self.successResultOf(recovering), 1)
        held.release()


class StopTests(_UploadsCase):
    """Shutting down (T-241, D12)."""

    def test_bodies_in_flight_are_settled(self) -> None:
        """What arrived is stored, its sender told, and the locks are free."""
        upload_id = self.create(6)
        receiver = self.receive(upload_id, 0)
        receiver.write(b"ab")
        stopping = self.start(self.uploads.stop())
        self.assertNoResult(stopping)
        self.disk.do_all()
        self.successResultOf(stopping)
        self.failureResultOf(receiver.outcome(), ServerShutdown)
        self.assertEqual(self.do(self.store.info(upload_id)).offset, 2)

    def test_later_requests_are_refused(self) -> None:
        """A stopped core takes nothing new."""
        upload_id = self.create(6)
        self.do(self.uploads.stop())
        refused = self.uploads.create(1, Metadata())
        self.failureResultOf(refused, ServerShutdown)
        receiving = self.start(self.uploads.receive(upload_id, Chunk(0, 1)))
        self.failureResultOf(receiving, ServerShutdown)
        self.failureResultOf(self.uploads.finish(upload_id), ServerShutdown)
        asking = self.start(self.uploads.status(upload_id))
        self.failureResultOf(asking, ServerShutdown)

    def test_failed_start_takes_nothing(self) -> None:
        """Uploads of another process's directory refuse all calls (T-240)."""
        uploads = Uploads(self.store, _Refused(self.clock), self.disk, self.clock)
        self.failureResultOf(self.start(uploads.start()), DirectoryInUse)
        self.assertFalse(uploads.is_running)
        self.failureResultOf(uploads.create(1, Metadata()), ServerShutdown)

    def test_wait_for_the_end_can_be_cancelled(self) -> None:
        """Whoever waits for a stop may set a limit to it (D12)."""
        self.finishing = Deferred()
        self.assertNoResult(self.uploads.create(0, Metadata()))
        stopping = self.start(self.uploads.stop())
        stopping.cancel()
        self.failureResultOf(stopping, CancelledError)

    def test_finish_step_is_waited_for(self) -> None:
        """A stop does not cut a finish step."""
        self.finishing = Deferred()
        creating = self.uploads.create(0, Metadata())
        stopping = self.start(self.uploads.stop())
        self.assertNoResult(stopping)
        self.finishing.callback(None)
        self.successResultOf(creating)
        self.successResultOf(stopping)

    def test_can_be_started_again(self) -> None:
        """A core that was stopped works when it is started anew."""
        self.do(self.uploads.stop())
        self.do(self.uploads.start())
        self.create(1)


class _Refused(MemoryLocker):
    """A locker that finds its directory taken."""

    async def start(self) -> None:
        """Refuse."""
        raise DirectoryInUse("uploads")
