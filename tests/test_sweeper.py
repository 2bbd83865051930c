"""When uploads are swept, by a clock that stands still."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer_only

from tustwisted.abilities import ISearch
from tustwisted.interfaces import IDataStore
from tustwisted.lock.memory import MemoryLocker
from tustwisted.observing import Unobserved
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.metadata import Metadata
from tustwisted.store.memory import MemoryStore
from tustwisted.sweeper import FIRST_SWEEP_S, REST, Sweeper
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.uploads import Uploads


@define(eq=False)
class Watched(MemoryStore):
    """A store that notes when it is searched, and may fail then."""

    clock: Clock = field(factory=Clock)
    searched_at: list[float] = field(factory=list)
    error: Exception | None = None

    def search(self, leftover_before_s: float) -> ISearch:
        """Note it."""
        self.searched_at.append(self.clock.seconds())
        if self.error is not None:
            raise self.error
        return super().search(leftover_before_s)


@implementer_only(IDataStore)
class Unswept(MemoryStore):
    """A store that nobody can search."""


class Noting(Unobserved):
    """Notes how sweeps went, and how long they took."""

    def __init__(self) -> None:
        self.sweeps: list[tuple[bool, float]] = []

    def swept(self, is_done: bool, took_s: float) -> None:
        self.sweeps.append((is_done, took_s))


class SweeperTests(SynchronousTestCase):
    """The schedule."""

    def setUp(self) -> None:
        self.observer = Noting()

    def make(self, expiration: Expiration) -> Sweeper:
        """Make a sweeper of uploads that run."""
        self.clock = Clock()
        self.store = Watched(seconds=self.clock.seconds, clock=self.clock)
        self.uploads = Uploads(
            self.store,
            MemoryLocker(self.clock),
            ImmediateDisk(),
            self.clock,
            now_s=self.clock.seconds,
            expiration=expiration,
            observer=self.observer,
        )
        self.successResultOf(Deferred.fromCoroutine(self.uploads.start()))
        return Sweeper(self.uploads, self.clock)

    def wait(self, seconds: int) -> None:
        """Let whole seconds pass."""
        self.clock.pump([1.0] * seconds)

    def test_from_time_to_time(self) -> None:
        """It sweeps after an interval, and again after each sweep (T-156)."""
        sweeper = self.make(Expiration(100))
        creating = self.uploads.create(3, Metadata())
        self.successResultOf(creating)
        sweeper.start()
        self.wait(99)
        self.assertEqual(len(self.store.ids()), 1)
        self.wait(12)
        self.assertEqual(self.store.ids(), [])
        self.assertEqual(self.store.searched_at[0], 10)
        self.assertEqual(len(self.store.searched_at), 10)

    def test_first_sweep(self) -> None:
        """The first sweep is soon, however long the interval: restarts are many."""
        for expiration in (Expiration(30 * 86400), Expiration()):
            sweeper = self.make(expiration)
            sweeper.start()
            self.clock.advance(FIRST_SWEEP_S)
            self.assertEqual(self.store.searched_at, [FIRST_SWEEP_S])
            sweeper.stop()

    def test_leftovers_are_swept_hourly(self) -> None:
        """Without an age there are leftovers all the same."""
        self.make(Expiration()).start()
        self.wait(2 * 3600)
        self.assertEqual(len(self.store.searched_at), 2)

    def test_rest(self) -> None:
        """After a long sweep it rests long: many uploads are no steady work."""
        sweeper = self.make(Expiration(10))
        for _ in range(450):
            self.successResultOf(self.uploads.create(0, Metadata()))
        sweeper.start()
        self.wait(60)
        self.assertEqual(self.store.searched_at[:2], [1, 1 + 5 + 5 * REST])
        self.assertEqual(self.observer.sweeps, [(True, 5)])

    def test_says_what_it_did(self) -> None:
        """After each sweep one line tells the counts."""
        sweeper = self.make(Expiration(5))
        for _ in range(3):
            self.successResultOf(self.uploads.create(3, Metadata()))
        sweeper.start()
        with capturedLogs() as events:
            self.wait(20)
        (swept,) = [e["swept"] for e in events if "swept" in e and e["swept"].expired]
        self.assertEqual((swept.looked_at, swept.expired), (3, 3))

    def test_stop(self) -> None:
        """After a stop nothing is swept and nothing waits; it may start again."""
        sweeper = self.make(Expiration(100))
        sweeper.stop()
        sweeper.start()
        sweeper.stop()
        sweeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wait(100)
        self.assertEqual(self.store.searched_at, [])
        sweeper.start()
        self.wait(10)
        self.assertEqual(len(self.store.searched_at), 1)

    def test_stop_in_a_sweep(self) -> None:
        """A sweep that a stop ends is the last one."""
        sweeper = self.make(Expiration(100))
        for _ in range(250):
            self.successResultOf(self.uploads.create(3, Metadata()))
        sweeper.start()
        self.clock.advance(10)
        sweeper.stop()
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.clock.advance(1)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_start_in_a_sweep(self) -> None:
        """Who starts again while the last sweep still goes on waits for its end."""
        sweeper = self.make(Expiration(100))
        for _ in range(250):
            self.successResultOf(self.uploads.create(3, Metadata()))
        sweeper.start()
        self.clock.advance(10)
        for _ in range(3):
            sweeper.stop()
            sweeper.start()
            sweeper.start()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for _ in range(100):
            self.wait(1)
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_failed_sweep(self) -> None:
        """A sweep that fails is logged, and the next one comes as ever."""
        sweeper = self.make(Expiration(100))
        self.store.error = ZeroDivisionError()
        sweeper.start()
        self.wait(10)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.store.error = None
        self.wait(10)
        self.assertEqual(self.store.searched_at, [10, 20])
        self.assertEqual([done for done, _ in self.observer.sweeps], [False, True])

    def test_uploads_stopped_by_somebody_else(self) -> None:
        """Where the uploads do not run nothing is swept, and nothing is logged."""
        sweeper = self.make(Expiration(100))
        sweeper.start()
        self.successResultOf(Deferred.fromCoroutine(self.uploads.stop()))
        with capturedLogs() as events:
            self.wait(10)
        self.assertEqual((list(events), self.store.searched_at), ([], []))

    def test_store_that_cannot_be_swept(self) -> None:
        """A store without the ability is left alone."""
        sweeper = self.make(Expiration(100))
        self.uploads.store = Unswept()
        sweeper.start()
        self.wait(100)
        self.assertEqual(self.clock.getDelayedCalls(), [])
