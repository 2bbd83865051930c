"""One time tells how long all the steps of a stop may take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.process import END_S
from tustwisted.stopping import StopTimes


class StopTimesTests(SynchronousTestCase):
    """The ends of the steps."""

    @given(st.floats(0.001, 86_400))
    def test_in_order(self, whole_s: float) -> None:
        """Each step ends before the next, and all before the hard end (T-241)."""
        times = StopTimes(whole_s)
        ends = [
            times.hooks_s,
            times.hooks_s + times.readers_s,
            times.telling_s,
            times.uploads_s,
            times.connections_s,
            times.whole_s,
            times.kill_s,
            times.orphan_s,
            times.supervisor_s,
        ]
        self.assertEqual(ends, sorted(set(ends)))

    def test_programs_that_hang(self) -> None:
        """A program that is cut off may be killed before the time is over."""
        times = StopTimes()
        self.assertLessEqual(times.telling_s + END_S, times.uploads_s)

    def test_no_time_at_all(self) -> None:
        """A stop that may take no time cannot be wished for."""
        for whole_s in (0.0, -1.0):
            self.assertRaises(ValueError, StopTimes, whole_s)
