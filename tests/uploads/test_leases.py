"""Locks that are leases, in the core: what is claimed, and what becomes of losses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.receive.support import Producer, ignore
from tustwisted.errors import LockLost, LocksUnavailable, UploadNotFound
from tustwisted.interfaces import ILock
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.claims import FileClaim
from tustwisted.store.file import FileStore
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.sweeping import PAUSE_S
from tustwisted.uploads.uploads import Uploads

_T = TypeVar("_T")


@implementer(ILock)
@define(eq=False)
class Lease:
    """A lock that is over after some looks at it."""

    _lock: ILock
    looks: int
    is_released: bool = False

    def when_lost(self) -> Deferred[None]:
        """Never tell."""
        return self._lock.when_lost()

    def require_held(self) -> None:
        """Count down."""
        self.looks -= 1
        if self.looks < 0:
            raise LockLost

    def release(self) -> None:
        """Note it."""
        self.is_released = True
        self._lock.release()


@define(eq=False)
class LeasingLocker(MemoryLocker):
    """A locker whose locks may end after some looks, and that may be out of reach."""

    is_leasing = True
    looks: int = 10**6
    is_reachable: bool = True
    granted: list[Lease] = field(factory=list)

    def acquire(
        self, upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[ILock]:
        """Grant a lease, or say that nobody can be asked."""
        if not self.is_reachable:
            return fail(LocksUnavailable())
        return super().acquire(upload_id, wanted, timeout_s).addCallback(self.lease)

    def lease(self, lock: ILock) -> Lease:
        """Make a lease of a lock."""
        lease = Lease(lock, self.looks)
        self.granted.append(lease)
        return lease


class LeaseCase(SynchronousTestCase):
    """Uploads in files, whose locks are leases."""

    def setUp(self) -> None:
        """Start the core."""
        self.clock = Clock()
        self.locker = LeasingLocker(self.clock)
        self.store = FileStore(self.mktemp(), ImmediateDisk())
        self.uploads = self.make(self.store)

    def make(self, store: FileStore | MemoryStore) -> Uploads:
        """Start the core on a store."""
        uploads = Uploads(store, self.locker, ImmediateDisk(), self.clock)
        self.do(uploads.start())
        return uploads

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Do some work that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def create(self) -> str:
        """Create an upload of three bytes, giving its id."""
        return self.successResultOf(self.uploads.create(3, Metadata())).upload_id

    def send(self, upload_id: str) -> Deferred[UploadInfo]:
        """Send all of it."""
        receiver = self.do(self.uploads.receive(upload_id, Chunk(0, 3)))
        receiver.registerProducer(Producer(), True)
        receiver.write(b"abc")
        receiver.body_ended()
        return receiver.outcome()


class LostTests(LeaseCase):
    """A lease that ends."""

    def test_held(self) -> None:
        """What is held is claimed, changed and given back."""
        upload_id = self.create()
        info = self.successResultOf(self.send(upload_id))
        self.assertIs(info.state, UploadState.FINISHED)
        self.assertTrue(self.locker.granted[-1].is_released)
        self.successResultOf(self.uploads.terminate(upload_id))
        looking = Deferred.fromCoroutine(self.store.info(upload_id))
        self.failureResultOf(looking, UploadNotFound)

    def test_before_the_claim(self) -> None:
        """Who was frozen before he claimed it shuts nobody out (D6)."""
        upload_id = self.create()
        successor = self.do(self.store.claim(upload_id))
        writer = self.do(successor.store.open_writer(upload_id, 0))
        self.locker.looks = 0
        self.failureResultOf(self.uploads.terminate(upload_id), LockLost)
        self.assertTrue(self.locker.granted[-1].is_released)
        writer.write([b"ab"])
        self.assertEqual(writer.settle(), 2)
        writer.close()
        self.do(successor.release())

    def test_after_the_claim(self) -> None:
        """Who was frozen while he claimed it changes nothing, and claims no longer."""
        upload_id = self.create()
        self.locker.looks = 1
        self.failureResultOf(self.uploads.terminate(upload_id), LockLost)
        self.assertEqual(self.do(self.store.info(upload_id)).offset, 0)
        self.locker.looks = 10**6
        self.successResultOf(self.send(upload_id))

    def test_before_the_answer(self) -> None:
        """A process that answers before its timers run judges by the clock."""
        upload_id = self.create()
        self.locker.looks = 2
        self.failureResultOf(self.send(upload_id), LockLost)
        self.assertEqual(self.do(self.store.info(upload_id)).offset, 3)


class UnavailableTests(LeaseCase):
    """Locks that cannot be reached."""

    def ids(self) -> list[str]:
        """List the uploads that there are."""
        assert isinstance(self.uploads.store, MemoryStore)
        return self.uploads.store.ids()

    def setUp(self) -> None:
        """Start the core on a store that tells what is in it."""
        super().setUp()
        self.uploads = self.make(MemoryStore())
        self.locker.is_reachable = False

    def test_creation_with_bytes(self) -> None:
        """Of an upload that could not be locked nothing remains: nobody has its id."""
        receiving = self.uploads.create_and_receive(3, Metadata(), Chunk(0, 3))
        self.failureResultOf(Deferred.fromCoroutine(receiving), LocksUnavailable)
        self.assertEqual(self.ids(), [])

    def test_creation_of_an_empty_one(self) -> None:
        """Nor of one that would have been finished at once."""
        self.failureResultOf(self.uploads.create(0, Metadata()), LocksUnavailable)
        self.assertEqual(self.ids(), [])

    def test_plain_creation(self) -> None:
        """To create an upload needs no lock."""
        self.successResultOf(self.uploads.create(3, Metadata()))
        self.assertEqual(len(self.ids()), 1)

    def test_others(self) -> None:
        """What was there before is left as it is."""
        upload_id = self.successResultOf(self.uploads.create(3, Metadata())).upload_id
        receiving = self.uploads.receive(upload_id, Chunk(0, 3))
        self.failureResultOf(Deferred.fromCoroutine(receiving), LocksUnavailable)
        self.failureResultOf(self.uploads.terminate(upload_id), LocksUnavailable)
        self.assertEqual(self.ids(), [upload_id])


class SweepTests(LeaseCase):
    """What somebody has left who died and does not come back."""

    def sweep(self) -> None:
        """Sweep to the end."""
        sweeping = self.uploads.sweep()
        for _ in range(20):
            self.clock.advance(PAUSE_S)
        self.successResultOf(sweeping)

    def leave_whole(self, upload_id: str, state: UploadState) -> None:
        """Leave an upload with all its bytes in some state."""
        self.do(self.store.create(UploadInfo(upload_id, 3)))
        writer = self.do(self.store.open_writer(upload_id, 0))
        writer.write([b"abc"])
        writer.close()
        self.do(self.store.set_state(upload_id, state))

    def test_finish_step(self) -> None:
        """It is done by the next sweep, unless it has failed before (D3)."""
        for state in UploadState:
            self.leave_whole(state.value, state)
        self.sweep()
        self.assertEqual(
            {s.value: self.do(self.store.info(s.value)).state for s in UploadState},
            {
                "receiving": UploadState.FINISHED,
                "finishing": UploadState.FINISHED,
                "finished": UploadState.FINISHED,
                "finish-failed": UploadState.FINISH_FAILED,
            },
        )

    def test_what_somebody_holds(self) -> None:
        """A sweep leaves to the holder what he is at."""
        self.leave_whole("u", UploadState.FINISHING)
        held = self.successResultOf(self.locker.acquire("u", ignore, 1.0))
        self.sweep()
        self.assertIs(self.do(self.store.info("u")).state, UploadState.FINISHING)
        held.release()
        self.sweep()
        self.assertIs(self.do(self.store.info("u")).state, UploadState.FINISHED)

    def test_leftovers(self) -> None:
        """What is cleared away is claimed once, so that no mark is left of it."""
        upload_id = self.create()
        claim = self.do(self.store.claim(upload_id))  # so that claims are used here
        assert isinstance(claim, FileClaim)
        self.do(claim.release())
        left = f"{self.store.directory}/{upload_id}.info.tmp"
        with open(left, "w", encoding="ascii"):
            pass
        sweeping = self.uploads.sweep(leftover_age_s=-10.0)
        for _ in range(20):
            self.clock.advance(PAUSE_S)
        self.assertEqual(self.successResultOf(sweeping).cleared, 1)
        claim = self.do(self.store.claim(upload_id))
        assert claim._shelf.passage is not None
        self.assertFalse(claim._shelf.passage.is_contested)
        self.do(claim.release())
