"""Tests for :mod:`tustwisted.hooks.retry`."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.retry import Passing, RetryRule, parse_retry_after, retried

NOW_S = 1_764_433_980.0


class _Refused(Exception):
    """A failure for good."""


def _passing(retry_after_s: float = 0.0) -> Passing:
    error = Passing("busy")
    error.retry_after_s = retry_after_s
    return error


@define(eq=False)
class _Attempts:
    """Fails as it is told to, then works; notes when it was called."""

    clock: Clock
    failures: list[Exception]
    times_s: list[float] = field(factory=list)

    async def __call__(self) -> str:
        self.times_s.append(self.clock.seconds())
        if self.failures:
            raise self.failures.pop(0)
        return "done"


class RetriedTests(SynchronousTestCase):
    """The loop, by a clock that is turned by hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[float] = []

    def _try(
        self, failures: Iterable[Exception], rule: RetryRule, end_s: float = 100.0
    ) -> tuple[Deferred[str], list[float]]:
        """Run for two minutes; tell the result, and when each attempt was made."""
        attempts = _Attempts(self.clock, list(failures))
        result = Deferred.fromCoroutine(
            retried(
                attempts,
                rule,
                self.clock,
                end_s,
                random=lambda: 0.5,
                failed=lambda _, delay_s: self.told.append(delay_s),
            )
        )
        self.clock.pump([0.25] * 480)
        return result, attempts.times_s

    def test_works_at_once(self) -> None:
        """What works is done once."""
        result, times_s = self._try([], RetryRule())
        self.assertEqual(self.successResultOf(result), "done")
        self.assertEqual(times_s, [0.0])

    def test_waits_double(self) -> None:
        """The wait doubles from attempt to attempt."""
        result, times_s = self._try([_passing()] * 3, RetryRule(4, 1.0))
        self.assertEqual(self.successResultOf(result), "done")
        self.assertEqual(times_s, [0.0, 1.0, 3.0, 7.0])
        self.assertEqual(self.told, [1.0, 2.0, 4.0])

    def test_gives_up(self) -> None:
        """So many attempts are made in total, and the last failure is the result."""
        failures = [_passing() for _ in range(5)]
        last = failures[2]
        result, times_s = self._try(failures, RetryRule(3, 1.0))
        self.assertIs(self.failureResultOf(result, Passing).value, last)
        self.assertEqual(len(times_s), 3)

    def test_one_attempt(self) -> None:
        """One attempt is none after it."""
        result, times_s = self._try([_passing()], RetryRule(1))
        self.failureResultOf(result, Passing)
        self.assertEqual(times_s, [0.0])

    def test_fails_for_good(self) -> None:
        """What is over for good is not tried again."""
        result, times_s = self._try([_passing(), _Refused()], RetryRule(9))
        self.failureResultOf(result, _Refused)
        self.assertEqual(len(times_s), 2)

    def test_retry_after(self) -> None:
        """A wait that is asked for is kept; one that is shorter than ours is not."""
        result, times_s = self._try([_passing(5.0), _passing(0.5)], RetryRule(3, 1.0))
        self.successResultOf(result)
        self.assertEqual(times_s, [0.0, 5.0, 7.0])

    def test_never_past_the_end(self) -> None:
        """A wait that nobody would see the end of is not begun."""
        result, times_s = self._try([_passing(60.0)], RetryRule(3, 1.0), end_s=15.0)
        self.failureResultOf(result, Passing)
        self.assertEqual((times_s, self.told), ([0.0], []))

    def test_cancelled(self) -> None:
        """A wait that is cancelled leaves nothing behind."""
        attempts = _Attempts(self.clock, [_passing()])
        result = Deferred.fromCoroutine(
            retried(attempts, RetryRule(), self.clock, 100.0, random=lambda: 0.5)
        )
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RuleTests(SynchronousTestCase):
    """The waits."""

    @given(st.integers(1, 50), st.floats(0, 1), st.floats(0, 100))
    def test_bounds(self, failed: int, random: float, asked_s: float) -> None:
        """A wait lies within a quarter of what doubles, or is as long as was asked."""
        delay_s = RetryRule(100, 2.0).delay_s(failed, asked_s, random)
        usual_s = 2.0 * 2 ** (failed - 1)
        self.assertGreaterEqual(delay_s, max(asked_s, 0.75 * usual_s))
        self.assertLessEqual(delay_s, max(asked_s, 1.25 * usual_s))


class RetryAfterTests(SynchronousTestCase):
    """The header."""

    def test_values(self) -> None:
        """Seconds and dates are understood; what is neither, or over, is nothing."""
        for text, seconds in (
            ("0", 0.0),
            ("120", 120.0),
            ("Sat, 29 Nov 2025 16:34:00 GMT", 60.0),
            ("Sat, 29 Nov 2025 16:32:00 GMT", 0.0),
            ("", 0.0),
            ("-5", 0.0),
            ("1.5", 0.0),
            ("soon", 0.0),
            ("٣", 0.0),
            ("9" * 30, 0.0),
        ):
            self.assertEqual(parse_retry_after(text, NOW_S), seconds, text)
