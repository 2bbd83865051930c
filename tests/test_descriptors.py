"""How many connections a process has descriptors for."""

from __future__ import annotations

import resource

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.descriptors import (
    ALWAYS,
    EACH,
    LEASED,
    OTHERS,
    Beside,
    most_connections,
    take_descriptors,
)

ALONE = Beside(ports=0, workers=0)


class MostConnectionsTests(SynchronousTestCase):
    """What a limit is enough for."""

    def test_as_many_as_possible(self) -> None:
        """What nothing else needs is for connections, and what they open."""
        rest = ALWAYS + OTHERS
        for limit, most in (
            (rest + EACH, 1),
            (rest + 2 * EACH - 1, 1),
            (rest + 2 * EACH, 2),
            (rest + 1000 * EACH, 1000),
        ):
            self.assertEqual(most_connections(None, limit, ALONE), most, limit)

    def test_leased(self) -> None:
        """An upload that is leased needs one more."""
        limit = ALWAYS + OTHERS + 12 * (EACH + LEASED)
        self.assertEqual(most_connections(None, limit, ALONE, is_leased=True), 12)

    def test_asked(self) -> None:
        """A number that can be had is taken as it is."""
        limit = ALWAYS + OTHERS + 10 * EACH
        for asked in (1, 9, 10):
            self.assertEqual(most_connections(asked, limit, ALONE), asked)

    def test_too_many(self) -> None:
        """One that cannot ends in a sentence with both numbers, and what to do."""
        limit = ALWAYS + OTHERS + 10 * EACH
        error = self.assertRaises(ValueError, most_connections, 11, limit, ALONE)
        needed = limit + EACH
        self.assertEqual(
            str(error),
            f"so many connections need {needed} descriptors, and this process may have "
            f"{limit}: at most 10, or raise the limit (LimitNOFILE={needed} in the "
            f"unit, or ulimit -n {needed} in the shell)",
        )

    def test_not_even_one(self) -> None:
        """A limit that is too low for anything is named as such."""
        for asked in (None, 1):
            error = self.assertRaises(ValueError, most_connections, asked, 40, ALONE)
            self.assertRegex(
                str(error), r"one connection needs|so many connections need"
            )
            self.assertIn("this process may have 40: raise the limit", str(error))

    def test_beside(self) -> None:
        """Whatever else is configured takes its part."""
        before = 0
        for beside in (
            ALONE,
            Beside(ports=2),
            Beside(ports=2, workers=8),
            Beside(ports=2, workers=8, redis=4),
            Beside(ports=2, workers=8, redis=4, programs=16),
            Beside(ports=2, workers=8, redis=4, programs=16, calls=64),
        ):
            self.assertGreater(beside.descriptors, before)
            before = beside.descriptors
        self.assertEqual(before, ALWAYS + OTHERS + 2 + 8 + 24 + 53 + 64)


class TakeDescriptorsTests(SynchronousTestCase):
    """What the system grants."""

    def test_all(self) -> None:
        """The soft limit is raised to the hard one."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        self.assertGreaterEqual(take_descriptors(), before[0])
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], before[1])
