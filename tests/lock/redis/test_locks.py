"""How an upload is taken from other processes, with time turned by hand."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from tests.lock.redis.support import LocksCase
from tustwisted.errors import LocksUnavailable, UploadLocked
from tustwisted.lock.redis.leases import Wanted
from tustwisted.lock.shared import IProcessLock, IProcessLocks


class TakingTests(LocksCase):
    """Exclusion, and the way from one holder to the next (T-230 to T-239)."""

    def test_provides_its_interfaces(self) -> None:
        """The locks, and each of them, provide what they promise."""
        self.assertTrue(verifyObject(IProcessLocks, self.first.locks))
        self.assertTrue(verifyObject(IProcessLock, self.taken(self.first)))

    def test_one_holder(self) -> None:
        """What one process holds no other one gets."""
        lock = self.taken(self.first)
        self.assertIsNone(self.tried(self.second))
        self.assertNoResult(self.take(self.second))
        lock.require_held()
        self.taken(self.second, "y")

    def test_try_disturbs_nobody(self) -> None:
        """Who only tries asks nobody to give anything back."""
        self.taken(self.first)
        self.tried(self.second)
        self.assertEqual(self.first.wishes, [])

    def test_handed_over_without_delay(self) -> None:
        """The holder is asked; its release wakes the waiter at once (T-230)."""
        lock = self.taken(self.first)
        waiting = self.take(self.second)
        self.assertEqual(self.first.wishes, ["x"])
        lock.release()
        self.successResultOf(waiting).require_held()
        self.assertIsNone(self.tried(self.first))

    def test_release_twice(self) -> None:
        """A second release does nothing to the next holder."""
        lock = self.taken(self.first)
        lock.release()
        self.taken(self.second)
        lock.release()
        self.assertIsNone(self.tried(self.first))

    def test_old_wish(self) -> None:
        """A wish for what was held before disturbs nobody."""
        self.taken(self.first).release()
        self.taken(self.first)
        self.first.leases.published(Wanted(b"0" * 32, "x"))
        self.first.leases.published(Wanted(b"0" * 32, "other"))
        self.assertEqual(self.first.wishes, [])

    def test_early_wish(self) -> None:
        """A wish that comes before the grant is known is told after it."""
        self.first.leases.reply_s = 0.1
        taking = self.take(self.first)
        told: list[list[str]] = []
        taking.addCallback(  # type: ignore[unused-awaitable]
            lambda _: told.append(list(self.first.wishes))
        )
        self.begin_to_take(self.second)
        self.assertEqual(self.first.wishes, [])
        self.pass_time(0.1)
        self.assertEqual(told, [[]])
        self.assertEqual(self.first.wishes, ["x"])
        self.first.leases.reply_s = 0.0

    def test_wish_that_fails(self) -> None:
        """A holder that fails when it is asked is logged, and harms nobody."""
        self.first.wishes = ()  # type: ignore[assignment]  # it has no append
        self.first.stop()
        self.successResultOf(self.first.locks.start(self._fail))
        lock = self.taken(self.first)
        waiting = self.take(self.second)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        lock.release()
        self.successResultOf(waiting)

    def _fail(self, _: str) -> None:
        raise ZeroDivisionError

    def test_nobody_listens(self) -> None:
        """With every message lost, a waiter asks again by itself within 0.5 s."""
        self.second.leases.message_s = None
        lock = self.taken(self.first)
        waiting = self.take(self.second)
        lock.release()
        self.assertNoResult(waiting)
        self.pass_time(0.5)
        self.successResultOf(waiting)

    def test_asks_again_for_the_holder(self) -> None:
        """A holder that missed the wish is asked again within 0.5 s."""
        self.taken(self.first)
        self.first.leases.message_s = None
        self.begin_to_take(self.second)
        self.first.leases.message_s = 0.0
        self.pass_time(0.5)
        self.assertEqual(self.first.wishes, ["x"])

    def test_patience(self) -> None:
        """A long wait asks less and less, but never less than twice in a lease."""
        self.taken(self.first)
        self.begin_to_take(self.second, timeout_s=1000.0)
        asked = []
        for _ in range(50):
            self.second.leases.calls.clear()
            self.pass_time(20.0)
            asked.append(self.second.leases.calls.count("acquire"))
        self.assertTrue(40 <= asked[0] <= 80, asked)
        self.assertTrue(20 >= asked[5] >= asked[20], asked)
        self.assertEqual({*asked[20:]}, {5, 6})

    def test_timeout(self) -> None:
        """A holder that does not yield costs the waiter its timeout (T-233)."""
        self.taken(self.first)
        waiting = self.take(self.second, timeout_s=3.0)
        self.pass_time(2.99)
        self.assertNoResult(waiting)
        self.pass_time(0.02)
        error = self.failureResultOf(waiting, UploadLocked).value
        self.assertEqual(error.waited_s, 3.0)

    def test_no_time(self) -> None:
        """Who has no time to wait still gets what is free."""
        lock = self.successResultOf(self.take(self.first, timeout_s=0.0))
        waiting = self.take(self.second, timeout_s=0.0)
        self.failureResultOf(waiting, UploadLocked)
        lock.release()

    def test_cancelled_wait(self) -> None:
        """A waiter that goes leaves nothing behind (T-239)."""
        lock = self.taken(self.first)
        waiting = self.take(self.second)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        lock.release()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.taken(self.first)

    def test_cancelled_while_asking(self) -> None:
        """A grant that nobody waits for any more is given back."""
        self.second.leases.request_s = 0.1
        waiting = self.take(self.second)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.second.leases.request_s = 0.0
        self.pass_time(0.1)
        self.taken(self.first)

    def test_dead_holder(self) -> None:
        """What a dead process held is free when its lease is over."""
        self.taken(self.first)
        self.first.leases.cut()
        waiting = self.take(self.second)
        self.pass_time(9.9)
        self.assertNoResult(waiting)
        self.pass_time(0.6)
        self.successResultOf(waiting)


class UnsureTests(LocksCase):
    """A Redis that is away, or says nothing."""

    def test_unreachable(self) -> None:
        """Without a connection nobody waits."""
        self.first.leases.cut()
        self.failureResultOf(self.take(self.first), LocksUnavailable)
        self.failureResultOf(self.first.locks.try_take("x"), LocksUnavailable)

    def test_unreachable_while_waiting(self) -> None:
        """A waiter learns within 0.5 s that nobody can tell any more."""
        self.taken(self.first)
        waiting = self.take(self.second)
        self.second.leases.cut()
        self.pass_time(0.5)
        self.failureResultOf(waiting, LocksUnavailable)

    def test_reply_lost(self) -> None:
        """Granted, but the reply got lost: the second question finds that out."""
        self.first.leases.reply_s = None
        waiting = self.take(self.first)
        self.pass_time(1.0)
        self.first.leases.reply_s = 0.0
        self.pass_time(0.2)
        lock = self.successResultOf(waiting)
        lock.release()
        self.taken(self.second)

    def test_no_reply(self) -> None:
        """After the second silence nobody can tell; the grant is given back."""
        self.first.leases.reply_s = None
        waiting = self.take(self.first)
        self.pass_time(2.2)
        self.failureResultOf(waiting, LocksUnavailable)
        self.taken(self.second)

    def test_given_back_later(self) -> None:
        """What cannot be given back at once is given back when Redis is there again."""
        lock = self.taken(self.first)
        self.first.leases.cut()
        lock.release()
        self.assertIsNone(self.tried(self.second))
        self.first.leases.mend()
        self.pass_time(1.0)
        self.taken(self.second)

    def test_given_back_while_it_matters(self) -> None:
        """Nothing is given back any more when its lease is over anyway."""
        lock = self.taken(self.first)
        self.first.leases.cut()
        lock.release()
        self.pass_time(11.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused_epoch(self) -> None:
        """A Redis that may have forgotten locks is waited for."""
        self.redis.flush()
        waiting = self.take(self.first)
        self.failureResultOf(self.second.locks.try_take("y"), LocksUnavailable)
        self.failureResultOf(self.take(self.second, "z", 0.0), UploadLocked)
        self.first.leases.calls.clear()
        self.pass_time(9.9)
        self.assertNoResult(waiting)
        self.pass_time(0.2)
        self.successResultOf(waiting)
        self.assertEqual(self.first.leases.calls, ["acquire"])


class SlowTests(LocksCase):
    """A lease so short that replies matter."""

    ttl_s = 1.0

    def test_grant_comes_too_late(self) -> None:
        """A grant that is over when it is known is none; the next one counts."""
        self.first.leases.reply_s = 0.95
        waiting = self.take(self.first)
        self.pass_time(0.96)
        self.assertNoResult(waiting)
        self.first.leases.reply_s = 0.0
        self.pass_time(0.2)
        self.successResultOf(waiting).require_held()


class LifeTests(LocksCase):
    """The start and the end."""

    def test_not_started(self) -> None:
        """Before the start and after the end nothing can be taken."""
        self.first.stop()
        self.failureResultOf(self.take(self.first), LocksUnavailable)
        self.failureResultOf(self.first.locks.try_take("x"), LocksUnavailable)
        self.first.start()
        self.taken(self.first)

    def test_stop_gives_back(self) -> None:
        """The end gives back what is held: others need not wait for the lease."""
        locks = [self.taken(self.first, f"x{number}") for number in range(1100)]
        lost = locks[0].when_lost()
        self.first.stop()
        self.successResultOf(lost)
        for number in range(1100):
            self.taken(self.second, f"x{number}")
        locks[0].release()
        self.assertIsNone(self.tried(self.second, "x0"))

    def test_stop_ends_waits(self) -> None:
        """Who still waits is told that nobody can tell."""
        self.taken(self.first)
        waiting = self.take(self.second)
        self.second.stop()
        self.failureResultOf(waiting, LocksUnavailable)

    def test_stop_while_asking(self) -> None:
        """A grant that comes during the end is given back."""
        self.taken(self.first, "held")
        self.first.leases.reply_s = 0.1
        waiting = self.take(self.first)
        stopping = Deferred.fromCoroutine(self.first.locks.stop())
        self.pass_time(0.1)
        self.successResultOf(stopping)
        self.failureResultOf(waiting, LocksUnavailable)
        self.taken(self.second)

    def test_stop_with_a_dead_redis(self) -> None:
        """The end does not wait for a Redis that says nothing."""
        self.taken(self.first)
        self.first.leases.reply_s = None
        stopping = Deferred.fromCoroutine(self.first.locks.stop())
        self.pass_time(1.1)
        self.successResultOf(stopping)
