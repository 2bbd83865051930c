"""Whether uploads can be taken, with parts that do not work."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tustwisted.errors import LocksUnavailable, NoSpace, StorageFailed
from tustwisted.lock.memory import MemoryLocker
from tustwisted.probes import IHasRoom, IReachable
from tustwisted.readiness import HOLDS_S, PATIENCE_S, Readiness
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.uploads import Uploads


@implementer(IHasRoom)
@define(eq=False)
class Roomy(MemoryStore):
    """A store that is asked for room."""

    answer: Callable[[], Deferred[int]] = lambda: succeed(5)
    asked: int = 0

    async def room(self) -> int:
        self.asked += 1
        return await self.answer()


@implementer(IReachable)
@define(eq=False)
class Remote(MemoryLocker):
    """A locker that needs somebody."""

    answer: Callable[[], Deferred[None]] = field(default=lambda: succeed(None))

    async def ping(self) -> None:
        await self.answer()


class ReadinessTests(SynchronousTestCase):
    """What is said of the parts."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = Roomy(seconds=self.clock.seconds)
        self.locker = Remote(self.clock)
        self.uploads = Uploads(self.store, self.locker, ImmediateDisk(), self.clock)
        self.readiness = Readiness(self.uploads)
        self.start()

    def start(self) -> None:
        """Start the uploads."""
        self.successResultOf(Deferred.fromCoroutine(self.uploads.start()))

    def ask(self) -> Deferred[list[str]]:
        """Ask for the problems."""
        return Deferred.fromCoroutine(self.readiness.problems())

    def problems(self) -> list[str]:
        """The problems, anew."""
        self.clock.advance(HOLDS_S)
        return self.successResultOf(self.ask())

    def test_ready(self) -> None:
        """Where all parts work there is no problem, and the room is known."""
        self.assertEqual(self.problems(), [])
        self.assertEqual(self.successResultOf(self.readiness.room.get()), 5)

    def test_store(self) -> None:
        """A full store is told apart from a broken one."""
        self.store.answer = lambda: fail(NoSpace())
        self.assertEqual(self.problems(), ["store: full"])
        self.store.answer = lambda: fail(StorageFailed())
        self.assertEqual(self.problems(), ["store: does not work"])

    def test_locks(self) -> None:
        """A line for each part that does not work."""
        self.locker.answer = lambda: fail(LocksUnavailable())
        self.store.answer = lambda: fail(NoSpace())
        self.assertEqual(self.problems(), ["store: full", "locks: cannot be reached"])

    def test_broken(self) -> None:
        """What a store does that breaks its contract is logged, and is a problem."""
        self.store.answer = lambda: fail(ZeroDivisionError())
        self.assertEqual(self.problems(), ["store: does not work"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_cancelled(self) -> None:
        """Who waits no longer makes no part broken, and is not in the log."""
        self.store.answer = Deferred
        asking = self.ask()
        with capturedLogs() as events:
            asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(events, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """Before the start and after the stop nothing is asked."""
        self.successResultOf(Deferred.fromCoroutine(self.uploads.stop()))
        self.assertEqual(self.problems(), ["uploads: not started yet, or stopping"])
        self.assertEqual(self.store.asked, 0)
        self.start()
        self.assertEqual(self.problems(), [])

    def test_answer_holds(self) -> None:
        """Who asks again within a second is told the same, and nothing is done."""
        self.problems()
        self.store.answer = lambda: fail(NoSpace())
        self.clock.advance(HOLDS_S / 2)
        self.assertEqual(self.successResultOf(self.ask()), [])
        self.assertEqual(self.store.asked, 1)

    def test_silence(self) -> None:
        """What does not answer is a problem in time, and is not asked twice."""
        silence: Deferred[int] = Deferred()
        self.store.answer = lambda: silence
        for _ in range(3):
            asking = self.ask()
            self.assertNoResult(asking)
            self.clock.advance(PATIENCE_S)
            self.assertEqual(self.successResultOf(asking), ["store: does not answer"])
        self.assertEqual(self.store.asked, 1)
        silence.callback(7)
        self.assertEqual(self.successResultOf(self.ask()), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_log(self) -> None:
        """A change is logged, not each question."""
        with capturedLogs() as events:
            self.problems()
            self.store.answer = lambda: fail(NoSpace())
            self.problems()
            self.problems()
            self.store.answer = lambda: succeed(5)
            self.problems()
            self.problems()
        said = [e["log_level"].name for e in events if "ready" in e["log_format"]]
        self.assertEqual(said, ["warn", "info"])

    def test_parts_that_do_not_tell(self) -> None:
        """A store and a locker that cannot be asked are taken to work."""
        uploads = Uploads(
            MemoryStore(), MemoryLocker(self.clock), ImmediateDisk(), self.clock
        )
        self.successResultOf(Deferred.fromCoroutine(uploads.start()))
        self.uploads, self.readiness = uploads, Readiness(uploads)
        self.assertEqual(self.problems(), [])
        self.assertIsNone(self.successResultOf(self.readiness.room.get()))
