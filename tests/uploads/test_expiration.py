"""Uploads that expire, and their sweep, on a store in memory."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer, implementer_only

from tests.receive.support import HandDisk, Producer
from tustwisted.abilities import Batch, ISearch, ISweeps, LeftAlone, Leftover
from tustwisted.errors import (
    ServerShutdown,
    StorageFailed,
    UploadExpired,
    UploadInterrupted,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.receive.receiver import Receiver
from tustwisted.store.memory import MemoryStore
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.sweeping import MAX_FAILURES, PAUSE_S, Swept
from tustwisted.uploads.uploads import Uploads

_T = TypeVar("_T")

AGE_S = 100.0
AFTER_A_WHILE = Expiration(unfinished_after_s=AGE_S)


class ExpirationCase(SynchronousTestCase):
    """Uploads that expire a hundred seconds after their last byte."""

    def setUp(self) -> None:
        """Start the core."""
        self.clock = Clock()
        self.disk = HandDisk()
        self.locker = MemoryLocker(self.clock)
        self.use(MemoryStore(seconds=self.clock.seconds))

    def use(self, store: MemoryStore, expiration: Expiration = AFTER_A_WHILE) -> None:
        """Begin anew on a store."""
        self.store = store
        self.uploads = Uploads(
            store,
            self.locker,
            self.disk,
            self.clock,
            now_s=self.clock.seconds,
            expiration=expiration,
        )
        self.do(self.uploads.start())

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Do some work that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def fails(self, kind: type[Exception], work: Any) -> None:
        """Do some work that is refused."""
        if not isinstance(work, Deferred):
            work = Deferred.fromCoroutine(work)
        self.failureResultOf(work, kind)

    def create(self, length: int = 9, **kwargs: Any) -> str:
        """Create an upload, giving its id."""
        creating = self.uploads.create(length, Metadata(), **kwargs)
        return self.successResultOf(creating).upload_id

    def receive(self, upload_id: str, offset: int) -> Receiver:
        """Get a receiver for a chunked body."""
        receiver = self.do(self.uploads.receive(upload_id, Chunk(offset, None)))
        receiver.registerProducer(Producer(), True)
        return receiver

    def send(self, upload_id: str, offset: int, body: bytes) -> None:
        """Send a whole body."""
        receiver = self.receive(upload_id, offset)
        receiver.write(body)
        receiver.body_ended()
        self.disk.do_all()
        self.successResultOf(receiver.outcome())

    def sweep(self) -> Swept:
        """Sweep to the end."""
        sweeping = self.uploads.sweep()
        for _ in range(100):
            self.clock.advance(PAUSE_S)
        return self.successResultOf(sweeping)


class ClockDecidesTests(ExpirationCase):
    """What has expired is gone, swept or not."""

    def test_every_way_to_an_upload(self) -> None:
        """No call finds an upload that has expired (T-155, T-157)."""
        upload_id = self.create()
        self.clock.advance(AGE_S - 1)
        self.do(self.uploads.status(upload_id))
        self.clock.advance(1)
        self.fails(UploadExpired, self.uploads.status(upload_id))
        self.fails(UploadExpired, self.uploads.receive(upload_id, Chunk(0, None)))
        self.fails(UploadExpired, self.uploads.terminate(upload_id))
        self.fails(UploadExpired, self.uploads.finish(upload_id))
        self.assertEqual(self.store.ids(), [upload_id])

    def test_wrong_offset_of_an_expired_upload(self) -> None:
        """It has expired before its offset is judged (T-271)."""
        upload_id = self.create()
        self.send(upload_id, 0, b"abc")
        self.clock.advance(AGE_S)
        self.fails(UploadExpired, self.uploads.receive(upload_id, Chunk(1, None)))

    def test_bytes_renew_it(self) -> None:
        """The period counts from the last stored byte (T-154)."""
        upload_id = self.create()
        self.clock.advance(AGE_S - 1)
        self.send(upload_id, 0, b"abc")
        self.clock.advance(AGE_S - 1)
        self.assertEqual(self.do(self.uploads.status(upload_id)).offset, 3)
        self.clock.advance(1)
        self.fails(UploadExpired, self.uploads.status(upload_id))

    def test_a_running_patch_is_not_cut(self) -> None:
        """While somebody sends, the deadline passes unnoticed (T-158)."""
        upload_id = self.create()
        receiver = self.receive(upload_id, 0)
        self.clock.advance(2 * AGE_S)
        self.do(self.uploads.status(upload_id))
        self.assertEqual(self.sweep(), Swept(looked_at=1, locked=1))
        receiver.write(b"abcdefghi")
        receiver.body_ended()
        self.disk.do_all()
        self.assertIs(
            self.successResultOf(receiver.outcome()).state, UploadState.FINISHED
        )

    def test_its_bytes_renew_it(self) -> None:
        """What a PATCH stores after the deadline makes the upload last (T-158)."""
        upload_id = self.create()
        receiver = self.receive(upload_id, 0)
        self.clock.advance(2 * AGE_S)
        receiver.write(b"abc")
        receiver.body_ended()
        self.disk.do_all()
        self.clock.advance(AGE_S - 1)
        self.assertEqual(self.do(self.uploads.status(upload_id)).offset, 3)

    def test_taken_over_after_the_deadline(self) -> None:
        """Who takes over what expired under a silent holder finds it gone (T-157)."""
        upload_id = self.create()
        receiver = self.receive(upload_id, 0)
        self.clock.advance(2 * AGE_S)
        self.fails(UploadExpired, self.uploads.receive(upload_id, Chunk(0, None)))
        self.fails(UploadInterrupted, receiver.outcome())
        self.assertEqual(self.sweep().expired, 1)  # the lock is free

    def test_terminated_after_the_deadline(self) -> None:
        """Who terminates what expired under a silent holder finds it gone (T-155)."""
        upload_id = self.create()
        receiver = self.receive(upload_id, 0)
        self.clock.advance(2 * AGE_S)
        self.fails(UploadExpired, self.uploads.terminate(upload_id))
        self.fails(UploadInterrupted, receiver.outcome())

    def test_finished(self) -> None:
        """A finished upload stays, whatever the age of unfinished ones (T-160)."""
        upload_id = self.create()
        self.send(upload_id, 0, b"abcdefghi")
        self.clock.advance(1000 * AGE_S)
        self.do(self.uploads.status(upload_id))
        self.assertEqual(self.sweep(), Swept(looked_at=1))

    def test_finished_by_setting(self) -> None:
        """With an age of their own finished uploads expire (T-014)."""
        self.use(self.store, Expiration(finished_after_s=50))
        finished, unfinished = self.create(0), self.create()
        self.clock.advance(50)
        self.fails(UploadExpired, self.uploads.status(finished))
        self.do(self.uploads.status(unfinished))
        self.sweep()
        self.assertEqual(self.store.ids(), [unfinished])

    def test_finished_partial(self) -> None:
        """A finished partial upload does not stay for ever (T-161)."""
        partial = self.create(3, is_partial=True)
        self.send(partial, 0, b"abc")
        self.clock.advance(AGE_S)
        self.fails(UploadExpired, self.uploads.status(partial))
        self.sweep()
        self.assertEqual(self.store.ids(), [])

    def test_not_configured(self) -> None:
        """Without an age nothing expires (T-162)."""
        self.use(self.store, Expiration())
        upload_id = self.create()
        self.clock.advance(1e9)
        self.do(self.uploads.status(upload_id))
        self.assertEqual(self.sweep(), Swept(looked_at=1))


class ExpiresAtTests(ExpirationCase):
    """When it is said to expire."""

    def test_the_last_byte_counts(self) -> None:
        """What was known of the upload before its last byte does not count (T-154)."""
        before = self.do(self.uploads.status(self.create()))
        self.clock.advance(10)
        self.send(before.upload_id, 0, b"abc")
        self.clock.advance(5)
        self.assertEqual(self.do(self.uploads.expires_at(before)), 10 + AGE_S)

    def test_gone(self) -> None:
        """Of what was removed meanwhile, what was known is told."""
        gone = self.do(self.uploads.status(self.create()))
        self.do(self.store.remove(gone.upload_id))
        self.assertEqual(self.do(self.uploads.expires_at(gone)), AGE_S)

    def test_never(self) -> None:
        """What never expires is not looked at again (T-162)."""
        self.use(self.store, Expiration())
        upload = UploadInfo("unknown", 3)
        self.assertIsNone(self.do(self.uploads.expires_at(upload)))


class OfferTests(ExpirationCase):
    """Which configurations offer the extension."""

    def test_offered(self) -> None:
        """It is about unfinished uploads: an age of theirs offers it (T-010, T-162)."""
        for expiration, is_offered in (
            (Expiration(), False),
            (Expiration(unfinished_after_s=5), True),
            (Expiration(finished_after_s=5), False),
        ):
            self.use(self.store, expiration)
            offered = Extension.EXPIRATION in self.uploads.extensions
            self.assertIs(offered, is_offered)

    def test_store_that_cannot_be_swept(self) -> None:
        """A store without the ability does not offer it (D9)."""
        self.use(Unswept(seconds=self.clock.seconds))
        self.assertNotIn(Extension.EXPIRATION, self.uploads.extensions)
        self.fails(TypeError, self.uploads.sweep())


@implementer_only(IDataStore)
class Unswept(MemoryStore):
    """A store that nobody can search."""


@implementer(ISweeps, ISearch)
@define(eq=False)
class Cluttered(MemoryStore):
    """A store with leftovers, which fails as it is told to."""

    leftovers: list[Leftover] = field(factory=list)
    left_alone: Sequence[LeftAlone] = ()
    before_s: float = 0.0
    removed: list[str] = field(factory=list)
    error: Exception | None = None
    closed: int = 0
    _batches: list[Batch] = field(factory=list)

    def search(self, leftover_before_s: float) -> ISearch:
        """Begin a search; all there is comes in one batch."""
        self.before_s = leftover_before_s
        uploads = [upload.info for upload in self._uploads.values()]
        alone = tuple(self.left_alone)
        self._batches = [Batch(tuple(uploads), tuple(self.leftovers), alone)]
        return self

    async def next_batch(self) -> Batch | None:
        """Tell everything, then nothing."""
        return self._batches.pop() if self._batches else None

    async def clear(self, leftover: Leftover) -> bool:
        """Clear something away, or fail."""
        self.removed.append(leftover.name)
        if self.error is not None:
            raise self.error
        self.leftovers.remove(leftover)
        return True

    async def remove(self, upload_id: str) -> None:
        """Remove an upload, or fail."""
        self.removed.append(upload_id)
        if self.error is not None:
            raise self.error
        await super().remove(upload_id)

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class SweepTests(ExpirationCase):
    """One sweep."""

    def clutter(self, **kwargs: Any) -> Cluttered:
        """Use a store with leftovers."""
        store = Cluttered(seconds=self.clock.seconds, **kwargs)
        self.use(store)
        return store

    def test_expired(self) -> None:
        """What has expired is removed, and then not found (T-156)."""
        expired, other = self.create(), self.create()
        self.clock.advance(AGE_S - 1)
        self.send(other, 0, b"abc")
        self.clock.advance(1)
        with capturedLogs() as events:
            self.assertEqual(self.sweep(), Swept(looked_at=2, expired=1))
        self.assertEqual(self.store.ids(), [other])
        self.fails(UploadNotFound, self.uploads.status(expired))
        told = [e["upload_id"] for e in events if "expired" in e["log_format"]]
        self.assertEqual(told, [expired])

    def test_locked(self) -> None:
        """What is locked is skipped, without a word to its holder (T-159)."""
        upload_id = self.create()
        self.clock.advance(AGE_S)
        wishes: list[str] = []
        lock = self.successResultOf(
            self.locker.acquire(upload_id, lambda: wishes.append("wanted"), 20)
        )
        self.assertEqual(self.sweep(), Swept(looked_at=1, locked=1))
        self.assertEqual((wishes, self.store.ids()), ([], [upload_id]))
        lock.release()
        self.assertEqual(self.sweep().expired, 1)

    def test_renewed_meanwhile(self) -> None:
        """What a byte renewed since the search saw it is not removed (T-159)."""
        store = self.clutter()
        upload_id = self.create()
        self.clock.advance(AGE_S)
        store._uploads[upload_id].modified_s = AGE_S  # the search told older facts
        self.assertEqual(self.sweep(), Swept(looked_at=1))
        self.assertEqual(store.ids(), [upload_id])

    def test_leftovers(self) -> None:
        """Leftovers are cleared under their locks, and told of."""
        store = self.clutter(leftovers=[Leftover("a", "a.tmp"), Leftover("b", "b")])
        lock = self.successResultOf(self.locker.acquire("b", lambda: None, 20))
        self.assertEqual(self.sweep(), Swept(locked=1, cleared=1))
        self.assertEqual(store.removed, ["a.tmp"])
        lock.release()
        self.assertEqual(self.sweep(), Swept(cleared=1))
        self.assertEqual(store.closed, 2)

    def test_age_of_leftovers(self) -> None:
        """By default they are older than uploads are kept; it may be chosen."""
        store = self.clutter()
        self.clock.advance(10_000)
        self.sweep()
        self.assertApproximates(store.before_s, 10_000 - 3600, 1)
        begun_s = self.clock.seconds()
        sweeping = self.uploads.sweep(leftover_age_s=0)
        self.clock.advance(1)
        self.successResultOf(sweeping)
        self.assertEqual(store.before_s, begun_s)

    def test_left_alone_is_told_once(self) -> None:
        """What fits nothing is named once in the life of a process, and counted."""
        self.clutter(left_alone=[LeftAlone("x.info", "makes no sense")])
        with capturedLogs() as events:
            for _ in range(3):
                self.assertEqual(self.sweep(), Swept(left_alone=1))
        self.assertEqual([e["name"] for e in events if "name" in e], ["x.info"])

    def test_failures(self) -> None:
        """What cannot be removed keeps nothing else from it, and frees its lock."""
        store = self.clutter(leftovers=[Leftover("a", "a")], error=StorageFailed())
        ids = [self.create() for _ in range(3)]
        self.clock.advance(AGE_S)
        self.assertEqual(self.sweep(), Swept(looked_at=3, failed=4))
        self.assertEqual(store.removed, [*ids, "a"])
        self.assertEqual(len(self.locker._turns), 0)

    def test_unexpected_failure(self) -> None:
        """A fault of a store is logged, and the sweep goes on."""
        self.clutter(error=ZeroDivisionError())
        for _ in range(2):
            self.create()
        self.clock.advance(AGE_S)
        self.assertEqual(self.sweep(), Swept(looked_at=2, failed=2))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_broken_storage(self) -> None:
        """After many failures a sweep gives up: each of them was logged."""
        store = self.clutter(error=StorageFailed())
        for _ in range(MAX_FAILURES + 5):
            self.create()
        self.clock.advance(AGE_S)
        self.assertEqual(self.sweep().failed, MAX_FAILURES)
        self.assertEqual(store.closed, 1)

    def test_removed_meanwhile(self) -> None:
        """An upload that another process removes is no failure."""
        self.clutter(error=UploadNotFound())
        self.create()
        self.clock.advance(AGE_S)
        self.assertEqual(self.sweep(), Swept(looked_at=1))

    def test_stop(self) -> None:
        """A stop ends a sweep at its next step, and waits for that."""
        store = MemoryStore(seconds=self.clock.seconds)
        self.use(store)
        for _ in range(250):
            self.create()
        self.clock.advance(AGE_S)
        sweeping = self.uploads.sweep()
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.assertNoResult(stopping)
        self.clock.advance(PAUSE_S)
        self.successResultOf(stopping)
        swept = self.successResultOf(sweeping)
        self.assertEqual(swept.expired, 250 - len(store.ids()))
        self.assertTrue(store.ids())

    def test_stopped(self) -> None:
        """After a stop no sweep begins."""
        self.do(self.uploads.stop())
        self.fails(ServerShutdown, self.uploads.sweep())

    def test_removals_between_two_turns(self) -> None:
        """Between two turns of the reactor at most one batch is removed."""
        for _ in range(250):
            self.create()
        self.clock.advance(AGE_S)
        sweeping = self.uploads.sweep()
        left = [250, len(self.store.ids())]
        while not sweeping.called:
            self.clock.advance(PAUSE_S)
            left.append(len(self.store.ids()))
        steps = [a - b for a, b in pairwise(left)]
        self.assertLessEqual(max(steps), 100)
        self.assertEqual(left[-1], 0)
