"""A short campaign: no event is lost, made up or out of order when daemons die."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tests.events.__main__ import campaign
from tests.events.world import World
from tests.integration.daemon import place_of


class KilledTests(SynchronousTestCase):
    """SIGKILL at random moments; see :mod:`tests.events`."""

    def test_a_few_times(self) -> None:
        """What the hook has heard is what the clients were told, with two workers."""
        options = ("--locker", "file", "--workers", "2")
        world = World(place_of(self), random.Random(5), options, 600)
        self.addCleanup(world.receiver.stop)
        self.addCleanup(world.end)
        summary, found = campaign(world, kills=5, seed=5, leaves=False)
        self.assertEqual(found, [], summary)
        self.assertGreater(len(world.noted), 20)
