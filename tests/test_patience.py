"""How long the reactor bears with a slow disk."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.patience import (
    LONG_S,
    LOST_S,
    MOST_SPARED_S,
    SPARED_S,
    Patience,
    times_waited,
)


class PatienceTests(SynchronousTestCase):
    """What counts is how much time is lost, not that a single call was slow."""

    def setUp(self) -> None:
        """Begin with a disk of which nothing is known, some time after a boot."""
        self.now = 1000.0
        self.patience = Patience()

    def call(self, took_s: float) -> bool:
        """Make a call in the reactor, unless that is spared; tell which."""
        if self.now < self.patience.spared_until_s:
            return False
        self.now += took_s
        self.patience.waited(took_s, self.now)
        return True

    def late_s(self, took_s: float, during_s: float) -> float:
        """Tell how much time is lost to calls of one duration, one after the other."""
        late_s, end = 0.0, self.now + during_s
        while self.now < end:
            if self.call(took_s):
                late_s += took_s
            else:
                self.now = self.patience.spared_until_s
        return late_s

    def test_a_few_long_calls_are_borne(self) -> None:
        """A long call now and then does not send the others to threads."""
        for _ in range(1000):
            self.assertTrue(self.call(LOST_S))
            self.now += 1.0

    def test_one_call_is_borne(self) -> None:
        """However long it was; the next one soon after it is too many."""
        self.assertTrue(self.call(10 * LOST_S))
        self.assertTrue(self.call(LONG_S))
        self.assertFalse(self.call(LONG_S))

    def test_many_long_calls_are_too_much(self) -> None:
        """Calls that are just too long are borne until they have cost the limit."""
        calls = 0
        while self.call(LONG_S):
            calls += 1
        self.assertEqual(calls, round(LOST_S / LONG_S) + 1)

    def test_slow_disk_costs_next_to_nothing(self) -> None:
        """Where each call takes 50 ms, the reactor loses less than 0.3 %."""
        self.assertLess(self.late_s(0.05, 600.0), 600.0 * 0.003)

    def test_disk_that_stalls_now_and_then(self) -> None:
        """Pauses grow also where many quick calls stand between two slow ones."""
        late_s, end = 0.0, self.now + 600.0
        while self.now < end:
            self.now = max(self.now, self.patience.spared_until_s) + 0.1
            late_s += 0.1 * self.call(0.1)
        self.assertLess(late_s, 600.0 * 0.01)

    def test_disk_that_is_quick_again(self) -> None:
        """After a time without long calls the pauses are short again."""
        self.late_s(0.05, 600.0)
        self.now = self.patience.spared_until_s + MOST_SPARED_S
        self.call(LOST_S)
        self.call(LOST_S)
        self.assertAlmostEqual(self.patience.spared_until_s - self.now, SPARED_S)

    def test_kernel_tells_who_waits(self) -> None:
        """A thread that sleeps has waited once more."""
        before = times_waited()
        time.sleep(0.001)
        self.assertGreater(times_waited(), before)
