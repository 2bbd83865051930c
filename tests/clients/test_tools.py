"""What becomes of a test whose client is missing."""

from __future__ import annotations

import os

from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests.clients.tools import ClientCase


class MissingTests(SynchronousTestCase):
    """A client that is not at hand."""

    def run_with(self, clients: str) -> TestResult:
        """Run the test with this in ``TUSTWISTED_CLIENTS``."""
        self.patch(os, "environ", {**os.environ, "TUSTWISTED_CLIENTS": clients})

        class Unusable(ClientCase):
            tools = ("a-client-that-nobody-has",)

        result = TestResult()
        Unusable("setUp").run(result)
        return result

    def test_skipped(self) -> None:
        """Its tests are skipped, and say why."""
        ((_, reason),) = self.run_with("").skips
        self.assertEqual(reason, "a-client-that-nobody-has is not on the PATH")

    def test_asked_for(self) -> None:
        """Its tests fail where all clients are asked for."""
        result = self.run_with("all")
        self.assertEqual((len(result.skips), len(result.failures)), (0, 1))
