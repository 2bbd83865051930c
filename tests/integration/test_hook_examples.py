"""The examples of ``docs/hooks.rst``, on the real daemon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.commands import TWISTD
from tests.integration.daemon import (
    Daemon,
    environment,
    free_port,
    place_of,
    twistd_tus,
    until,
)
from tests.integration.hooked import path_of
from tests.integration.raw import LIMIT_S, Response

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

NAMED = "Upload-Metadata: filename d29ybGQucGRm"

CONTENT = b"hello"


class ExampleCase(SynchronousTestCase):
    """A daemon whose hooks are those of the documentation."""

    def create(self, daemon: Daemon, *headers: str) -> Response:
        """Ask for an upload."""
        length = f"Upload-Length: {len(CONTENT)}"
        return daemon.client().request("POST", "/files/", length, *headers)

    def upload(self, daemon: Daemon) -> str:
        """Upload a file that has a name; return its path."""
        created = self.create(daemon, NAMED)
        self.assertEqual(created.status, 201)
        path = path_of(created.headers["location"])
        self.assertEqual(daemon.client().patch(path, 0, CONTENT).status, 204)
        return path


class ReceiverTests(ExampleCase):
    """``hook_receiver.py``, which believes what is signed."""

    def setUp(self) -> None:
        """Run it."""
        self.place = place_of(self)
        self.secret = self.place / "secret"
        self.secret.write_text("0123456789abcdef0123456789abcdef\n")
        self.port = free_port()
        variables = {"PORT": str(self.port), "SECRET_FILE": str(self.secret)}
        with (self.place / "receiver.log").open("wb") as log:
            self.receiver = subprocess.Popen(
                [sys.executable, str(EXAMPLES / "hook_receiver.py")],
                env=environment(**variables),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(self.receiver.wait, LIMIT_S)
        self.addCleanup(self.receiver.kill)

    def serve(self, secret: Path) -> Daemon:
        """Start the daemon; its first calls may come before the receiver listens."""
        return twistd_tus(
            self,
            *("--hooks-http", f"http://127.0.0.1:{self.port}/"),
            *("--hooks-http-secret-file", str(secret)),
        )

    def test_takes_files_with_a_name(self) -> None:
        """A file without a name is refused; one with a name is told of at its end."""
        daemon = self.serve(self.secret)
        refused = self.create(daemon)
        self.assertEqual(
            (refused.status, refused.body), (422, b"a file needs a name\n")
        )
        path = self.upload(daemon)
        said = f"world.pdf: {len(CONTENT)} bytes in {daemon.content(path)}\n"
        log = self.place / "receiver.log"
        until(lambda: log.read_text() == said, "the receiver says so")

    def test_other_secret(self) -> None:
        """Who signs by another secret is not believed: nobody can upload."""
        other = self.place / "other"
        other.write_text("another secret, just as long\n")
        daemon = self.serve(other)
        self.assertEqual(self.create(daemon, NAMED).status, 500)
        self.assertIn("it answered 403", daemon.log)


class ProgramsTests(ExampleCase):
    """The directory ``hooks``."""

    def test_takes_files_with_a_name(self) -> None:
        """A file without a name is refused; one with a name is told of at its end."""
        daemon = twistd_tus(self, "--hooks-dir", str(EXAMPLES / "hooks"))
        self.assertEqual(self.create(daemon).status, 422)
        upload_id = self.upload(daemon).rpartition("/")[2]
        said = f"post-finish: {upload_id} is there, {len(CONTENT)} bytes"
        until(lambda: said in daemon.log, "the log says so")


class PythonTests(ExampleCase):
    """``python_hook.py``."""

    def test_names_uploads(self) -> None:
        """It refuses, names and limits uploads, and is told of their end."""
        place, port = place_of(self), free_port()
        words = ("--port", str(port), "--hooks-python", "python_hook:make_hook")
        daemon = Daemon(self, (*TWISTD, *words), port, place, place / "uploads")
        daemon.variables = {"PYTHONPATH": str(EXAMPLES)}
        daemon.start()
        refused = self.create(daemon)
        self.assertEqual(
            (refused.status, refused.body), (422, b"a file needs a name\n")
        )
        path = self.upload(daemon)
        self.assertRegex(path, r"\A/files/images/[0-9a-f]{32}\Z")
        said = f"{path.removeprefix('/files/')} is there"
        until(lambda: said in daemon.log, "the log says so")
        length = f"Upload-Length: {10 * 2**20 + 1}"
        too_long = daemon.client().request("POST", "/files/", length, NAMED)
        self.assertEqual(too_long.status, 413)
