"""A short campaign of hostile requests against the daemon; ``make fuzz`` is longer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.campaign import Campaign
from tests.integration.daemon import place_of

REQUESTS = 2000


class FuzzTests(SynchronousTestCase):
    """See :mod:`tests.fuzz`."""

    def test_short_campaign(self) -> None:
        """
        Of two thousand requests none is a 500 or hangs, none leaves a descriptor, a
        traceback or a file outside the store, and then all is served as ever (T-264,
        T-266, T-269).
        """
        campaign = Campaign(place_of(self), seed=5)
        for _ in campaign.run(REQUESTS):
            pass
        self.assertGreaterEqual(campaign.report.requests, REQUESTS)
        for status in ("200", "201", "204", "400", "404", "409", "412", "413"):
            self.assertGreater(campaign.report.statuses[status], 0, status)
