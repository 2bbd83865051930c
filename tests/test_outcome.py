"""A result that nobody can cancel."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import UploadNotFound
from tustwisted.outcome import Outcome


class OutcomeTests(SynchronousTestCase):
    """What a route may and may not do to the work it waits for."""

    def test_everybody_who_waits_is_told(self) -> None:
        """Those who waited before and after the result get it alike."""
        outcome: Outcome[int] = Outcome()
        before = [outcome.wait(), outcome.wait()]
        outcome.settle(7)
        for waiter in [*before, outcome.wait()]:
            self.assertEqual(self.successResultOf(waiter), 7)

    def test_failure_is_told_to_each(self) -> None:
        """A failure reaches everybody who waits, and handling it once hides nothing."""
        outcome: Outcome[int] = Outcome()
        before = outcome.wait()
        outcome.settle(Failure(KeyError("x")))
        self.failureResultOf(before, KeyError)
        self.failureResultOf(outcome.wait(), KeyError)

    def test_failure_that_nobody_awaits_is_logged(self) -> None:
        """A fault of ours is never lost, though its client has left."""
        Outcome[int](is_last=True).settle(Failure(KeyError("x")))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_error_of_a_client_that_left_is_silent(self) -> None:
        """What a client would have been told is no fault of ours."""
        for error in (UploadNotFound(), ConnectionLost()):
            Outcome[int](is_last=True).settle(Failure(error))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_calls_hear_nothing_of_the_result(self) -> None:
        """Calls come once, before or after the result, and are no waiters."""
        outcome: Outcome[int] = Outcome()
        called: list[int] = []
        outcome.then(lambda: called.append(1))
        outcome.settle(Failure(KeyError("x")))
        outcome.then(lambda: called.append(2))
        self.assertEqual(called, [1, 2])

    def test_cancelled_waiter_disturbs_nobody(self) -> None:
        """Cancelling one wait leaves the others, and the work, alone."""
        work: Deferred[int] = Deferred()

        async def do() -> int:
            return await work

        outcome = Outcome.of(do())
        leaver, stayer = outcome.wait(), outcome.wait()
        leaver.cancel()
        self.failureResultOf(leaver, CancelledError)
        work.callback(3)
        self.assertEqual(self.successResultOf(stayer), 3)

    def test_is_settled_tells_whether_the_result_is_there(self) -> None:
        """Also when the result is None."""
        outcome: Outcome[None] = Outcome()
        self.assertFalse(outcome.is_settled)
        outcome.settle(None)
        self.assertTrue(outcome.is_settled)
        self.assertIsNone(self.successResultOf(outcome.wait()))
