"""What the log says of a hook that fails."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import HookFailed
from tustwisted.hooks.trouble import QUIET_S, Trouble, told


class TroubleTests(SynchronousTestCase):
    """When it is said."""

    def setUp(self) -> None:
        """Have a hook of which nothing was said."""
        self.clock = Clock()
        self.trouble = Trouble("h", self.clock)

    def test_over_when_none_fails(self) -> None:
        """One warning, and one line when the last upload was told of."""
        with capturedLogs() as logs:
            self.trouble.failed("a", ValueError("no"))
            self.trouble.failed("b", ValueError("no"))
            self.trouble.ended("a")
            self.assertEqual(len(logs), 1)
            self.trouble.ended("b")
            self.trouble.ended("b")
        self.assertEqual(len(logs), 2)

    def test_now_and_then(self) -> None:
        """What comes and goes is said once a minute."""
        with capturedLogs() as logs:
            for _ in range(10):
                self.trouble.failed("a", ValueError("no"))
                self.trouble.ended("a")
                self.clock.advance(QUIET_S / 5)
        self.assertEqual(len(logs), 4)

    def test_one_line(self) -> None:
        """Whatever an error says, it is one line that is not too long."""
        self.assertEqual(told(ValueError("a\nb")), "ValueError: a b")
        self.assertEqual(told(ValueError()), "ValueError")
        self.assertEqual(told(HookFailed()), "a hook of this server failed")
        self.assertLess(len(told(ValueError("x" * 1000))), 310)
