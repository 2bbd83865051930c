"""What ``deploy/`` has for systemd: systemd itself reads it, and judges it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_repository import ROOT
from tustwisted.config.reading import read_settings
from tustwisted.stopping import StopTimes
from tustwisted.workers.supervisor import START_S

DEPLOY = ROOT / "deploy"
ANALYZE = "systemd-analyze"
PROGRAM = "/opt/tustwisted/bin/twistd"
EXPOSURE = 20
"""In tenths: a unit without any restriction has 96."""

NEEDS_TOOLS = None if shutil.which(ANALYZE) else f"needs {ANALYZE}"


def read_unit(name: str) -> dict[str, list[str]]:
    """Read the keys of a unit, which may come several times."""
    found = defaultdict(list)
    for line in (DEPLOY / name).read_text().splitlines():
        key, is_one, value = line.partition("=")
        if is_one and not line.startswith("#"):
            found[key].append(value)
    return found


class AnalyzeTests(SynchronousTestCase):
    """``systemd-analyze`` on copies, with a program that is here."""

    skip = NEEDS_TOOLS

    def setUp(self) -> None:
        """Copy the units."""
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        for unit in ("tustwisted.service", "tustwisted.socket"):
            text = (DEPLOY / unit).read_text()
            self.place.joinpath(unit).write_text(text.replace(PROGRAM, "/bin/true"))

    def analyze(self, *words: str) -> tuple[int, str]:
        """Run it; return its status and all that it says."""
        done = subprocess.run(
            (ANALYZE, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    def verify(self, unit: str) -> tuple[int, str]:
        """Let it read a unit, and those that it names."""
        return self.analyze("verify", str(self.place / unit))

    def test_verified(self) -> None:
        """It accepts each unit without a word, also as a template."""
        service = self.place / "tustwisted.service"
        shutil.copy(service, self.place / "tustwisted@.service")
        for unit in ("tustwisted.service", "tustwisted.socket", "tustwisted@a.service"):
            self.assertEqual(self.verify(unit), (0, ""), unit)

    def test_unknown_key(self) -> None:
        """A key that is misspelt would be said, with status 0."""
        service = self.place / "tustwisted.service"
        text = service.read_text()
        service.write_text(text.replace("LockPersonality", "LockPersonalty"))
        code, said = self.verify(service.name)
        self.assertEqual(code, 0)
        self.assertIn("LockPersonalty", said)

    def test_security(self) -> None:
        """What the daemon is exposed to is little."""
        code, said = self.analyze(
            *("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager"),
            str(self.place / "tustwisted.service"),
        )
        self.assertEqual(code, 0, said)
        rating = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", said)
        assert rating is not None
        self.assertLessEqual(float(rating[1]) * 10, EXPOSURE)


class AgreementTests(SynchronousTestCase):
    """What the units say agrees with each other and with the daemon."""

    def setUp(self) -> None:
        """Read them."""
        self.service = read_unit("tustwisted.service")
        self.socket = read_unit("tustwisted.socket")

    def one(self, key: str) -> str:
        """Tell what the service says once."""
        (value,) = self.service[key]
        return value

    def test_command(self) -> None:
        """The daemon runs in the foreground, and understands its variables."""
        self.assertEqual(self.one("ExecStart"), f"{PROGRAM} -n --pidfile= tus")
        environ = dict(line.split("=", 1) for line in self.service["Environment"])
        settings = read_settings(environ).settings
        (name,) = self.socket["FileDescriptorName"]
        self.assertEqual(settings.endpoints, [f"systemd:domain=INET:name={name}"])
        directory = self.one("StateDirectory")
        self.assertTrue(settings.upload_dir.startswith(f"%S/{directory}/"))

    def test_times(self) -> None:
        """systemd kills nothing that ends, or begins to serve, by itself."""
        hard_end_s = StopTimes().supervisor_s
        self.assertGreater(float(self.one("TimeoutStopSec")), hard_end_s + 5)
        self.assertGreater(float(self.one("TimeoutStartSec")), START_S + 20)

    def test_user(self) -> None:
        """Its user is the one that systemd-sysusers makes."""
        lines = (DEPLOY / "tustwisted.sysusers").read_text().splitlines()
        users = [line.split()[1] for line in lines if line.startswith("u ")]
        self.assertEqual(users, [self.one("User")])
        self.assertEqual(self.one("Group"), self.one("User"))
