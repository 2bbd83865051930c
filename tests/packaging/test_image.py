"""
The image of the daemon: what its Dockerfile says, and what comes of it.

The steps are replayed without an engine, with the packages that are installed here.
``make test-image`` replays them with an index, and asks an engine if there is one.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.namespaces import need_overlays
from tests.packaging.dockerfile import context_files
from tests.packaging.environments import ROOT, copy_tree
from tests.packaging.image_case import ImageCase, copy_context
from tests.packaging.replay import Layer, replay


class DockerfileTests(ImageCase):
    """What can be read off it."""

    def test_says_how_to_run(self) -> None:
        """Nobody is root, no shell is between, and one signal stops it."""
        self.assertRegex(self.last.last("USER").rest, r"\A[1-9]\d+:[1-9]\d+\Z")
        self.assertEqual(self.last.last("ENTRYPOINT").command()[0], "twistd")
        self.assertEqual(self.last.last("STOPSIGNAL").rest, "SIGTERM")
        self.assertEqual(self.last.last("EXPOSE").rest, "1080")
        self.assertEqual(self.last.last("VOLUME").rest, "/uploads")
        self.assertNotIn("curl", " ".join(self.health))

    def test_what_is_sent(self) -> None:
        """The context is what a wheel is built from, and nobody's uploads."""
        place = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, place)
        tree = copy_tree(place / "tree")
        for extra in ("uploads/x", ".git/config", "tustwisted/__pycache__/a.pyc"):
            (tree / extra).parent.mkdir(parents=True, exist_ok=True)
            (tree / extra).touch()
        sent = context_files(ROOT / ".dockerignore", tree)
        needed = {"LICENSE", "README.rst", "pyproject.toml", "requirements/run.txt"}
        self.assertEqual({"setup.py", "MANIFEST.in", *needed} - sent, set())
        self.assertIn("twisted/plugins/tus_plugin.py", sent)
        self.assertIn("tustwisted/py.typed", sent)
        rooms = {name.partition("/")[0] for name in sent}
        self.assertEqual(rooms & {"tests", "docs", "uploads", ".git"}, set())
        self.assertEqual([name for name in sent if name.endswith(".pyc")], [])


class ReplayTests(ImageCase):
    """The steps, done in directories."""

    def setUp(self) -> None:
        """Make the directories."""
        super().setUp()
        self.place = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.place.chmod(0o755)
        need_overlays()

    def layer(self, name: str) -> Layer:
        """Make an empty stage."""
        layer = Layer(self.place / name, self.place / "context")
        self.prepare(layer)
        return layer

    def prepare(self, layer: Layer) -> None:
        """Let pip find all that it would have to fetch."""
        layer.borrow_packages()

    def test_replay(self) -> None:
        """What is built serves without being root, tells its health, and stops."""
        copy_context(self.place / "context")
        layers = [self.layer(str(number)) for number, _ in enumerate(self.stages)]
        image = replay(self.stages, layers)
        log = self.place / "log"
        with log.open("wb") as file:
            container = image.start(self.last.last("ENTRYPOINT").command(), file)
        self.addCleanup(container.kill)
        try:
            self.check_running(container)
        finally:
            said = log.read_text()
        self.assertIn("Server Shut Down", said)
        self.assertNotIn("dropin.cache", said)
        status, _ = image.try_run(self.health, "--net")
        self.assertNotEqual(status, 0)
