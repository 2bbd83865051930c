"""
``make test-install``: what is built, installed as users do, with what an index gives.

Not a part of ``make test``, which needs no index: trial looks for names that begin
with ``test_``.  ``PYTHON`` in the environment says which interpreter installs.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.integration.commands import InPlace
from tests.integration.daemon import environment
from tests.packaging.environments import BUILD, copy_tree, run

PYTHON = os.environ.get("PYTHON", sys.executable)

TIMEOUT_S = 600
"""For pip, which fetches some twenty wheels."""


class FetchedTests(InPlace):
    """``pip install`` of a file into an empty environment, then ``twistd tus``."""

    def setUp(self) -> None:
        """Build what users get, and make an empty environment."""
        super().setUp()
        run(*BUILD, "--outdir", self.place / "dist", cwd=copy_tree(self.place / "tree"))
        subprocess.run([PYTHON, "-m", "venv", self.place / "venv"], check=True)

    def test_wheel(self) -> None:
        """The wheel serves, and names the extra that a JSON Web Token needs."""
        self.install(".whl")
        self.assert_serves()
        (self.place / "key").write_text("k" * 32)
        of_jwt = ("--jwt-algorithm", "HS256", "--jwt-audience", "files")
        status, said = self.run_to_end(*self.tus("--jwt-key-file", "key", *of_jwt))
        self.assertEqual(status, 1, said)
        self.assertIn("pip install tustwisted[jwt]", said)

    def test_wheel_with_extras(self) -> None:
        """The wheel with all its extras serves, and offers their checksum."""
        self.install(".whl", "[crc32c,http2,jwt,tls]")
        self.assertIn("crc32c", self.assert_serves())

    def test_sdist(self) -> None:
        """The source distribution serves."""
        self.install(".tar.gz")
        self.assert_serves()

    def install(self, suffix: str, extras: str = "") -> None:
        """Install one of the two, and what it depends on."""
        (file,) = (self.place / "dist").glob(f"*{suffix}")
        pip = (self.place / "venv" / "bin" / "pip", "--disable-pip-version-check")
        subprocess.run(
            (*pip, "install", "--quiet", f"{file}{extras}"),
            cwd=self.place,
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
        )

    def tus(self, *options: str) -> tuple[str, ...]:
        """Tell the command of the installed daemon."""
        twistd = str(self.place / "venv" / "bin" / "twistd")
        return (twistd, "-n", "tus", "--port", str(self.port), *options)

    def assert_serves(self) -> str:
        """Upload to the daemon and stop it; return what checksums it offers."""
        daemon = self.daemon(*self.tus())
        daemon.start()
        client = daemon.client()
        self.upload(client)
        offer = client.request("OPTIONS", "/files/").headers
        daemon.stop()
        self.assertIn("Server Shut Down", daemon.log)
        return offer["tus-checksum-algorithm"]
