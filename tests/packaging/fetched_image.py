"""
``make test-image``: the image of what an index gives, and of an engine if one answers.

Not a part of ``make test``, which needs neither: trial looks for names that begin with
``test_``.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SkipTest

from tests.integration.daemon import until
from tests.packaging import image_case, test_image
from tests.packaging.engine import EngineContainer, has_engine, must
from tests.packaging.environments import ROOT
from tests.packaging.replay import Layer

TAG = "tustwisted:test-image"


class FetchedReplayTests(test_image.ReplayTests):
    """The steps, done in directories, with all hashes compared."""

    def prepare(self, layer: Layer) -> None:
        """Let pip find the index that it finds here."""
        for name, value in os.environ.items():
            if name.startswith("PIP_"):
                layer.variables[name] = value


class EngineTests(image_case.ImageCase):
    """The steps, done by a Docker engine."""

    def setUp(self) -> None:
        """Build the image."""
        super().setUp()
        if not has_engine():
            raise SkipTest("no Docker engine answers")
        must("build", "--network=host", "--tag", TAG, ROOT)
        self.addCleanup(must, "rmi", "--force", TAG)

    def test_image(self) -> None:
        """It serves without being root, is found to be healthy, and stops."""
        name = must("run", "--detach", "--health-interval=1s", TAG).strip()
        self.addCleanup(must, "rm", "--force", "--volumes", name)
        health = ("inspect", "--format", "{{.State.Health.Status}}", name)
        until(lambda: must(*health).strip() == "healthy", "the engine finds it healthy")
        self.check_running(EngineContainer(name))
        self.assertIn("Server Shut Down", must("logs", name))
