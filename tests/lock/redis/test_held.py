"""How locks are kept alive and how they are lost, with time turned by hand."""

from __future__ import annotations

import tracemalloc

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.lock.redis.fake import FakeRedis
from tests.lock.redis.support import LocksCase, Process
from tustwisted.errors import LockLost
from tustwisted.lock.redis.leases import BATCH


class RenewalTests(LocksCase):
    """Renewal of all that is held."""

    def test_lasts(self) -> None:
        """A lock lasts as long as its holder lives, and Redis does."""
        lock = self.taken(self.first)
        self.pass_time(60.0)
        lock.require_held()
        self.assertNoResult(lock.when_lost())
        self.assertIsNone(self.tried(self.second))

    def test_together(self) -> None:
        """All locks are renewed together, thrice in a lease, in few calls."""
        for number in range(2 * BATCH + 1):
            self.taken(self.first, f"x{number}")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.first.leases.calls.clear()
        self.pass_time(30.0)
        self.assertIn(self.first.leases.calls.count("renew"), range(3 * 8, 3 * 9 + 1))

    def test_nothing_to_do(self) -> None:
        """A process without locks has no timer and asks nothing."""
        self.taken(self.first).release()
        self.first.leases.calls.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.pass_time(30.0)
        self.assertEqual(self.first.leases.calls, [])

    def test_survives_an_outage(self) -> None:
        """A Redis that is away for less than a lease costs no lock."""
        lock = self.taken(self.first)
        self.pass_time(3.0)
        self.first.leases.cut()
        self.pass_time(5.0)
        self.first.leases.mend()
        self.pass_time(20.0)
        lock.require_held()
        self.assertIsNone(self.tried(self.second))

    def test_survives_a_hanging_call(self) -> None:
        """So does one that leaves a renewal unanswered."""
        lock = self.taken(self.first)
        self.first.leases.request_s = None
        self.pass_time(5.0)
        self.first.leases.request_s = 0.0
        self.pass_time(20.0)
        lock.require_held()


class LostTests(LocksCase):
    """The end of a lease."""

    def test_at_the_deadline(self) -> None:
        """Without Redis a lock is lost 0.9 leases after its renewal, not before."""
        lock = self.taken(self.first)
        lost = lock.when_lost()
        self.first.leases.cut()
        self.pass_time(8.98)
        lock.require_held()
        self.assertNoResult(lost)
        self.pass_time(0.03)
        self.assertRaises(LockLost, lock.require_held)
        self.successResultOf(lost)
        self.assertIs(lock.when_lost(), lost)

    def test_before_it_is_granted_again(self) -> None:
        """A lock is lost before anybody else gets it."""
        lock = self.taken(self.first)
        self.first.leases.cut()
        waiting = self.take(self.second)
        while not waiting.called:
            self.pass_time(0.01)
        self.assertRaises(LockLost, lock.require_held)

    def test_frozen_process(self) -> None:
        """Who was frozen knows by the clock alone, before any timer has run."""
        now = self.clock.seconds()
        process = Process(self.redis, self.clock, now=lambda: now)
        lock = self.taken(process, "frozen")
        now += 9.01
        self.assertRaises(LockLost, lock.require_held)
        self.pass_time(4.0)  # the renewal that is due comes too late, though granted
        self.assertRaises(LockLost, lock.require_held)
        self.successResultOf(lock.when_lost())
        process.stop()

    def test_late_answer(self) -> None:
        """What was judged to be over stays so when the answer to a renewal comes."""
        now = self.clock.seconds()
        process = Process(self.redis, self.clock, now=lambda: now)
        lock = self.taken(process, "frozen")
        process.leases.reply_s = 0.5
        self.pass_time(3.2)
        now += 3.4
        self.pass_time(0.2)
        now += 5.7
        self.assertRaises(LockLost, lock.require_held)
        self.network.advance(0.5)
        self.assertRaises(LockLost, lock.require_held)
        process.leases.reply_s = 0.0
        process.stop()

    def test_slow_grant(self) -> None:
        """A lease counts from when it was asked for."""
        self.first.leases.reply_s = 0.5
        taking = self.take(self.first)
        self.pass_time(0.5)
        lock = self.successResultOf(taking)
        self.first.leases.cut()
        self.pass_time(8.45)
        lock.require_held()
        self.pass_time(0.06)
        self.assertRaises(LockLost, lock.require_held)

    def test_late_renewal(self) -> None:
        """A renewal whose answer comes after the deadline brings nothing back."""
        process = Process(self.redis, self.clock, ttl_s=1.0)
        lock = self.taken(process, "late")
        process.leases.reply_s = 0.8
        self.pass_time(0.91)
        self.assertRaises(LockLost, lock.require_held)
        self.pass_time(0.5)
        self.assertRaises(LockLost, lock.require_held)
        process.leases.reply_s = 0.0
        process.stop()

    def test_slow_renewal(self) -> None:
        """A renewal counts from when it was sent."""
        lock = self.taken(self.first)
        self.first.leases.reply_s = 0.9
        self.pass_time(4.3)
        self.first.leases.cut()
        self.pass_time(10.0 / 3 + 9.0 - 4.3 - 0.03)
        lock.require_held()
        self.pass_time(0.06)
        self.assertRaises(LockLost, lock.require_held)

    def test_gone_from_redis(self) -> None:
        """A renewal that finds nothing loses the lock at once."""
        lock = self.taken(self.first)
        kept = self.taken(self.first, "y")
        self.redis.release([("x", lock.token)])  # type: ignore[attr-defined]
        self.pass_time(10.0 / 3 + 0.01)
        self.assertRaises(LockLost, lock.require_held)
        self.successResultOf(lock.when_lost())
        kept.require_held()

    def test_new_redis(self) -> None:
        """When Redis forgets, nobody else gets the lock before its holder lost it."""
        lock = self.taken(self.first)
        self.redis.restart()
        self.second.leases.mend()
        waiting = self.take(self.second)
        self.pass_time(8.9)
        lock.require_held()
        while not waiting.called:
            self.pass_time(0.01)
        self.successResultOf(waiting)
        self.assertRaises(LockLost, lock.require_held)

    def test_released_after_loss(self) -> None:
        """The release of a lost lock frees what Redis may still keep of it."""
        lock = self.taken(self.first)
        self.first.leases.reply_s = None
        self.pass_time(9.01)
        self.assertRaises(LockLost, lock.require_held)
        self.assertIsNone(self.tried(self.second))  # renewed, but nobody was told
        self.first.leases.reply_s = 0.0
        lock.release()
        self.taken(self.second)

    def test_cancelled_notice(self) -> None:
        """Who cancels the notice of a loss is not told, and nothing breaks."""
        lock = self.taken(self.first)
        lock.when_lost().cancel()
        self.failureResultOf(lock.when_lost(), CancelledError)
        self.first.leases.cut()
        self.pass_time(9.01)
        self.assertRaises(LockLost, lock.require_held)

    def test_released_by_the_notice(self) -> None:
        """Whoever is told of a loss may release that lock, and others, at once."""
        locks = [self.taken(self.first, name) for name in "abc"]

        def release_all(_: None) -> None:
            for lock in locks:
                lock.release()

        for lock in locks:
            lock.when_lost().addCallback(release_all)  # type: ignore[unused-awaitable]
        self.first.leases.cut()
        self.pass_time(9.01)
        self.assertRaises(LockLost, locks[2].require_held)

    def test_asked_late(self) -> None:
        """The notice can be had after the loss too."""
        lock = self.taken(self.first)
        self.first.leases.cut()
        self.pass_time(9.01)
        self.successResultOf(lock.when_lost())

    def test_log(self) -> None:
        """Every lost lock is one warning."""
        self.taken(self.first)
        self.first.leases.cut()
        with capturedLogs() as events:
            self.pass_time(20.0)
        warnings = [event for event in events if event["log_level"] == LogLevel.warn]
        self.assertEqual([event["upload_id"] for event in warnings], ["x"])


class MemoryTests(LocksCase):
    """What locks cost."""

    def test_many(self) -> None:
        """10,000 held locks cost at most 600 bytes each, and one timer."""
        process = Process(FakeRedis(Clock()), self.clock)
        process.redis.clock.advance(10.0)
        names = [f"upload-{number:024}" for number in range(10_000)]
        self.taken(process, "first").release()
        tracemalloc.start()
        try:
            locks = [self.taken(process, name) for name in names]
            snapshot = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
        ours = snapshot.filter_traces(
            [
                tracemalloc.Filter(False, "*fake.py"),  # it is the server's
                tracemalloc.Filter(False, tracemalloc.__file__),
            ]
        )
        size = sum(trace.size for trace in ours.traces)
        self.assertLess(size / len(locks), 600)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        process.stop()
