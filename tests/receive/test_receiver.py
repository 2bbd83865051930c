"""One body on its way into one upload."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.receive.support import HandDisk, Producer, ignore
from tustwisted.errors import (
    LockLost,
    NoSpace,
    ReadTimeout,
    ServerShutdown,
    UploadInterrupted,
    UploadSizeExceeded,
)
from tustwisted.interfaces import IBodyReceiver, IUploadWriter
from tustwisted.lock.held import Held
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.receive.receiver import (
    HIGH_WATER_BYTES,
    LOW_WATER_BYTES,
    Receiver,
)
from tustwisted.store.memory import MemoryStore


class ReceiverTests(SynchronousTestCase):
    """Everything that arrived is stored, whichever way the body ends (D2)."""

    def setUp(self) -> None:
        """Receive into an upload of 10 bytes."""
        self.finished: list[UploadInfo] = []
        self.make(10)

    def make(
        self,
        length: int | None,
        room_bytes: int | None = None,
        wrap: Callable[[IUploadWriter], IUploadWriter] = lambda writer: writer,
    ) -> None:
        """Receive into an upload of so many bytes."""
        self.disk = HandDisk()
        self.store = MemoryStore(capacity_bytes=room_bytes)
        self.locker = MemoryLocker(Clock())
        self.producer = Producer()
        create = self.store.create(UploadInfo("u", length))
        self.successResultOf(Deferred.fromCoroutine(create))
        lock = self.successResultOf(self.locker.acquire("u", ignore, 1))
        self.lock = lock
        opening = self.store.open_writer("u", 0)
        self.receiver = Receiver(
            self.info(),
            wrap(self.successResultOf(Deferred.fromCoroutine(opening))),
            Held(lock, self.store),
            self.disk,
            self.disk.write,
            self.finish,
        )
        self.receiver.registerProducer(self.producer, True)

    async def finish(self, upload: UploadInfo) -> UploadInfo:
        """Take the place of the finish step."""
        self.finished.append(upload)
        return upload.become(UploadState.FINISHED)

    def info(self) -> UploadInfo:
        """Tell what the store has."""
        return self.successResultOf(Deferred.fromCoroutine(self.store.info("u")))

    def assert_free(self) -> None:
        """The lock can be had."""
        self.successResultOf(self.locker.acquire("u", ignore, 1)).release()

    def assert_ended(self, error: type[Exception], offset: int) -> None:
        """The outcome fails with this, the bytes are there, the lock is free."""
        self.disk.do_all()
        self.failureResultOf(self.receiver.outcome(), error)
        self.assertEqual(self.info().offset, offset)
        self.assert_free()

    def test_provides_its_interface(self) -> None:
        """Receiver provides IBodyReceiver."""
        self.assertTrue(verifyObject(IBodyReceiver, self.receiver))

    def test_part_of_an_upload_is_stored(self) -> None:
        """A body shorter than the rest moves the offset, no more (T-038)."""
        self.receiver.write(b"abc")
        self.receiver.body_ended()
        self.disk.do_all()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 3)
        self.assertEqual(self.finished, [])
        self.assert_free()

    def test_last_byte_finishes(self) -> None:
        """The finish step comes after the last byte is stored (T-039)."""
        self.receiver.write(b"0123456789")
        self.receiver.body_ended()
        self.assertEqual(self.finished, [])
        self.disk.do_all()
        outcome = self.successResultOf(self.receiver.outcome())
        self.assertIs(outcome.state, UploadState.FINISHED)
        self.assertEqual([upload.offset for upload in self.finished], [10])

    def test_lock_is_held_until_the_last_write_settled(self) -> None:
        """The lock is free only when nothing is on its way to the store (D2)."""
        self.receiver.write(b"abc")
        self.receiver.body_ended()
        waiting = self.locker.acquire("u", ignore, 1)
        self.assertNoResult(waiting)
        self.assertNoResult(self.receiver.outcome())
        self.disk.do_all()
        self.successResultOf(waiting)

    def test_lost_body_keeps_what_came(self) -> None:
        """A cut connection loses nothing that was received (T-040)."""
        self.receiver.write(b"abcd")
        self.receiver.body_lost(Failure(ConnectionLost()))
        self.assert_ended(ConnectionLost, 4)

    def test_body_lost_after_the_last_byte_finishes(self) -> None:
        """A cut after the last byte leaves a finished upload (T-041, T-042)."""
        self.receiver.write(b"0123456789")
        self.receiver.body_lost(Failure(ConnectionLost()))
        self.disk.do_all()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 10)
        self.assertEqual(len(self.finished), 1)

    def test_silent_client_is_told_so(self) -> None:
        """The idle timeout comes out as it went in, with the bytes kept (T-043)."""
        self.receiver.write(b"ab")
        self.receiver.body_lost(Failure(ReadTimeout(60)))
        self.assert_ended(ReadTimeout, 2)

    def test_surplus_is_dropped_and_told(self) -> None:
        """A body past the length is cut there; the upload is finished (T-032)."""
        self.receiver.write(b"01234567")
        self.receiver.write(b"89surplus")
        self.assertEqual(self.producer.told, ["stop"])
        self.receiver.write(b"more")
        self.assert_ended(UploadSizeExceeded, 10)
        self.assertEqual(self.store.content("u"), b"0123456789")
        self.assertEqual(len(self.finished), 1)

    def test_stop_keeps_what_came(self) -> None:
        """A take-over stops the reading and keeps what had arrived (T-230, T-231)."""
        self.receiver.write(b"abc")
        self.receiver.stop(UploadInterrupted())
        self.assertEqual(self.producer.told, ["stop"])
        self.receiver.write(b"late")
        self.assert_ended(UploadInterrupted, 3)

    def test_stop_is_too_late_once_the_body_ended(self) -> None:
        """A request that finishes is not stopped (T-236)."""
        self.receiver.write(b"0123456789")
        self.receiver.body_ended()
        self.receiver.stop(UploadInterrupted())
        self.disk.do_all()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 10)

    def test_stop_of_a_whole_upload_is_no_error(self) -> None:
        """Who is stopped with all bytes there has succeeded."""
        self.receiver.write(b"0123456789")
        self.receiver.stop(ServerShutdown())
        self.disk.do_all()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 10)

    def test_body_that_comes_to_a_stopped_receiver_is_stopped(self) -> None:
        """A body that is delivered too late is told to stop at once."""
        self.receiver.stop(UploadInterrupted())
        late = Producer()
        self.receiver.registerProducer(late, True)
        self.assertEqual(late.told, ["stop"])
        self.assert_ended(UploadInterrupted, 0)

    def test_full_storage_keeps_what_fitted(self) -> None:
        """When space runs out, what was stored counts and reading stops (T-045)."""
        self.make(10, room_bytes=4)
        self.receiver.write(b"abcdef")
        self.disk.do_one()
        self.assertEqual(self.producer.told, ["stop"])
        self.assert_ended(NoSpace, 4)

    def test_lost_lock_ends_without_touching_the_store(self) -> None:
        """Without its lock a receiver writes and settles nothing more (D6)."""
        self.receiver.write(b"ab")
        self.receiver.write(b"cd")
        self.lock.when_lost().callback(None)
        self.disk.do_all()
        self.failureResultOf(self.receiver.outcome(), LockLost)
        self.assertLessEqual(self.info().offset, 2)

    def test_cancelled_waiter_changes_nothing(self) -> None:
        """Klein cancels what a route awaits; the receiver goes on (D2)."""
        self.receiver.write(b"abc")
        self.receiver.body_ended()
        route = self.receiver.outcome()
        route.cancel()
        self.failureResultOf(route, CancelledError)
        self.disk.do_all()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 3)
        self.assert_free()

    def test_empty_body_stores_nothing(self) -> None:
        """An empty body at the right offset is no error (T-034)."""
        self.receiver.body_ended()
        self.assertEqual(self.successResultOf(self.receiver.outcome()).offset, 0)
        self.assertEqual(self.disk.waiting, [])

    def test_high_water_pauses_and_low_water_resumes(self) -> None:
        """While the disk is behind, the client is held back (T-048)."""
        self.make(100 * HIGH_WATER_BYTES)
        piece = bytes(LOW_WATER_BYTES // 2)
        for _ in range(3):
            self.receiver.write(piece)
        self.assertEqual(self.producer.told, [])
        self.receiver.write(piece)
        self.assertEqual(self.producer.told, ["pause"])
        self.disk.do_one()  # the first piece alone: three quarters are left
        self.assertEqual(self.producer.told, ["pause"])
        self.disk.do_one()
        self.assertEqual(self.producer.told, ["pause", "resume"])

    def test_producer_that_fails_to_stop_keeps_no_lock(self) -> None:
        """Whatever a producer does, the upload is settled and free in the end."""
        self.receiver.registerProducer(_Stubborn(), True)
        self.receiver.write(b"abc")
        self.receiver.stop(UploadInterrupted())
        self.assert_ended(UploadInterrupted, 3)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_settle_failure_is_told_and_frees_the_lock(self) -> None:
        """An upload whose bytes cannot be made safe is an error, not a hang."""
        self.make(10, wrap=_FullWhenSettling)
        self.receiver.write(b"abc")
        self.receiver.body_ended()
        self.assert_ended(NoSpace, 3)

    def test_bytes_are_safe_before_the_finish_step(self) -> None:
        """A whole upload is settled first: only then does the store believe in it."""
        self.make(3, wrap=_FullWhenSettling)
        self.receiver.write(b"abc")
        self.receiver.body_ended()
        self.assert_ended(NoSpace, 3)
        self.assertEqual(self.finished, [])


class _Stubborn(Producer):
    """A producer that cannot be stopped."""

    def stopProducing(self) -> None:
        """Fail."""
        raise KeyError("x")


class _FullWhenSettling(proxyForInterface(IUploadWriter)):  # type: ignore[misc]  # a call
    """A writer whose storage fills up just before the bytes are made safe."""

    sync_due = True

    def settle(self) -> int:
        """Fail."""
        raise NoSpace
