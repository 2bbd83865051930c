"""How long a worker waits before it is started again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.workers.backoff import FIRST_S, JITTER, MOST_S, STEADY_S, Backoff


class BackoffTests(SynchronousTestCase):
    """Delays after lives of some lengths."""

    def test_doubles_to_a_limit(self) -> None:
        """Each short life doubles the delay, up to half a minute."""
        backoff = Backoff(lambda: 0.5)
        delays = [backoff.after(0) for _ in range(11)]
        self.assertEqual(delays[:4], [0.1, 0.2, 0.4, 0.8])
        self.assertEqual(delays[-2:], [MOST_S, MOST_S])

    def test_begins_anew_after_a_long_life(self) -> None:
        """A worker that lived for ten seconds did not fail at its start."""
        backoff = Backoff(lambda: 0.5)
        for _ in range(5):
            backoff.after(STEADY_S - 0.1)
        self.assertEqual(backoff.after(STEADY_S), FIRST_S)
        self.assertEqual(backoff.after(0), 2 * FIRST_S)

    def test_jitter(self) -> None:
        """Workers that fail together are not started together."""
        least, most = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
        self.assertAlmostEqual(least.after(0), FIRST_S * (1 - JITTER))
        self.assertAlmostEqual(most.after(0), FIRST_S * (1 + JITTER))
