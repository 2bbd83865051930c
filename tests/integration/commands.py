"""What the tests of the commands share: a directory, a port, and what to do there."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import make_bytes
from tests.integration.daemon import Daemon, environment, free_port, place_of, script
from tests.integration.raw import LIMIT_S, Client

TWISTD = (script("twistd"), "-n", "--pidfile=", "tus")
TWIST = (script("twist"), "tus")


class InPlace(SynchronousTestCase):
    def setUp(self) -> None:
        """Choose a directory and a port."""
        self.place = place_of(self)
        self.port = free_port()
        self.uploads = self.place / "uploads"

    def daemon(self, *command: str) -> Daemon:
        """Prepare a command that listens on the port."""
        return Daemon(self, command, self.port, self.place, self.uploads)

    def run_to_end(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a command that ends; return its exit code and all that it wrote."""
        done = subprocess.run(
            command,
            cwd=self.place,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def mode(self, path: Path) -> int:
        """Tell the permissions of a file."""
        return stat.S_IMODE(path.stat().st_mode)

    def upload(self, client: Client, base_path: str = "/files/") -> Path:
        """Upload a little, and return where it is stored."""
        content = make_bytes(100_000, seed=8)
        path = client.create(base_path, len(content))
        self.assertEqual(client.patch(path, 0, content).status, 204)
        stored = self.uploads / path.rpartition("/")[2]
        self.assertEqual(stored.read_bytes(), content)
        return stored
