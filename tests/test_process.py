"""What the process of a daemon asks of its system."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.process import spare_what_is_there


class CollectorTests(SynchronousTestCase):
    """The collector of cycles, once a daemon has started."""

    def test_passes_by_what_is_there(self) -> None:
        """It looks at no object of the start any more, and at each later one."""
        self.addCleanup(gc.unfreeze)
        before: list[object] = []
        spare_what_is_there()
        after: list[object] = []
        seen = {id(each) for each in gc.get_objects()}
        self.assertNotIn(id(before), seen)
        self.assertIn(id(after), seen)
