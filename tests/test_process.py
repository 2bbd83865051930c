"""What the process of a daemon asks of its system."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.process import collecting_later, spare_what_is_there


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

    def test_waits_for_imports(self) -> None:
        """It is away meanwhile, works again after, and takes what came for old."""
        with collecting_later():
            came: list[object] = []
            self.assertFalse(gc.isenabled())
        self.assertTrue(gc.isenabled())
        old = {id(each) for each in gc.get_objects(generation=2)}
        self.assertIn(id(came), old)
        self.assertEqual(gc.get_freeze_count(), 0)

    def test_failed_import(self) -> None:
        """It works again after imports that have failed, too."""
        with self.assertRaises(ImportError), collecting_later():
            raise ImportError
        self.assertTrue(gc.isenabled())

    def test_switched_off_by_an_application(self) -> None:
        """It stays away where somebody else has switched it off."""
        self.addCleanup(gc.enable)
        gc.disable()
        with collecting_later():
            pass
        self.assertFalse(gc.isenabled())

    def test_frozen_by_an_application(self) -> None:
        """What an application has frozen stays so."""
        self.addCleanup(gc.unfreeze)
        frozen: list[object] = []
        gc.freeze()
        with collecting_later():
            pass
        self.assertNotIn(id(frozen), {id(each) for each in gc.get_objects()})
