"""Waiting for at most so long, and being woken."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.waiting import Bell, WaitedTooLong, within


class WithinTests(SynchronousTestCase):
    """Work that may take too long."""

    def setUp(self) -> None:
        """Stop the time."""
        self.clock = Clock()
        self.cancelled: list[Deferred[str]] = []
        self.work: Deferred[str] = Deferred(self.cancelled.append)

    def assert_quiet(self) -> None:
        """No timer is left."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_time(self) -> None:
        """What comes in time is passed on, and no timer is left."""
        waiting = within(2.0, self.work, self.clock)
        self.clock.advance(1.9)
        self.assertNoResult(waiting)
        self.work.callback("done")
        self.assertEqual(self.successResultOf(waiting), "done")
        self.assert_quiet()

    def test_failure_in_time(self) -> None:
        """What fails in time fails as it does."""
        waiting = within(2.0, self.work, self.clock)
        self.work.errback(KeyError("x"))
        self.failureResultOf(waiting, KeyError)
        self.assert_quiet()

    def test_too_late(self) -> None:
        """When the time is over the work is cancelled, and the waiter told."""
        waiting = within(2.0, self.work, self.clock)
        self.clock.advance(2.0)
        self.failureResultOf(waiting, WaitedTooLong)
        self.assertEqual(len(self.cancelled), 1)
        self.assert_quiet()

    def test_no_time(self) -> None:
        """With no time left only what is there already is had."""
        self.assertEqual(
            self.successResultOf(within(-1.0, succeed("x"), self.clock)), "x"
        )
        waiting = within(-1.0, self.work, self.clock)
        self.clock.advance(0)
        self.failureResultOf(waiting, WaitedTooLong)

    def test_cancelled(self) -> None:
        """A wait that is cancelled cancels the work, and is told apart from the end."""
        waiting = within(2.0, self.work, self.clock)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(len(self.cancelled), 1)
        self.assert_quiet()

    def test_coroutine(self) -> None:
        """A coroutine is started, and ended where it waits."""
        steps: list[str] = []

        async def work() -> None:
            steps.append("begun")
            try:
                await self.work
            finally:
                steps.append("ended")

        waiting = within(2.0, work(), self.clock)
        self.assertEqual(steps, ["begun"])
        self.clock.advance(2.0)
        self.failureResultOf(waiting, WaitedTooLong)
        self.assertEqual(steps, ["begun", "ended"])

    def test_work_that_cannot_be_cancelled(self) -> None:
        """What answers its cancellation has come in time after all."""
        work: Deferred[str] = Deferred(lambda d: d.callback("late"))
        waiting = within(2.0, work, self.clock)
        self.clock.advance(2.0)
        self.assertEqual(self.successResultOf(waiting), "late")


class BellTests(SynchronousTestCase):
    """Whoever waits is woken."""

    def setUp(self) -> None:
        """Hang a bell up."""
        self.bell = Bell()

    def test_wakes(self) -> None:
        """A ring wakes who waits, and only once."""
        waiting = self.bell.rung()
        self.assertNoResult(waiting)
        self.bell.ring()
        self.successResultOf(waiting)
        self.assertNoResult(self.bell.rung())

    def test_a_ring_is_kept(self) -> None:
        """Rings while nobody waits wake the next wait, all together once."""
        self.bell.ring()
        self.bell.ring()
        self.successResultOf(self.bell.rung())
        self.assertNoResult(self.bell.rung())

    def test_who_leaves_is_forgotten(self) -> None:
        """A ring after a wait was cancelled is kept for the next one."""
        waiting = self.bell.rung()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.bell.ring()
        self.successResultOf(self.bell.rung())

    def test_with_a_limit(self) -> None:
        """A wait for a bell may have an end, after which it can be waited for again."""
        clock = Clock()
        waiting = within(1.0, self.bell.rung(), clock)
        clock.advance(1.0)
        self.failureResultOf(waiting, WaitedTooLong)
        again = within(1.0, self.bell.rung(), clock)
        self.bell.ring()
        self.successResultOf(again)
        self.assertEqual(clock.getDelayedCalls(), [])
