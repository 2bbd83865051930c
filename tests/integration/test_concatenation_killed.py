"""kill -9 in a concatenation: the final upload is whole, or it is not there (D13)."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.campaign import tried
from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import environment, twistd_program, until
from tests.integration.leftovers import without_record
from tests.integration.raw import LIMIT_S, Client
from tests.integration.test_concatenation import SLOW_DISK, final, upload_part

SWEEP_ONCE = Path(__file__).with_name("sweep_once.py")

KILLS = tried(50, 8)
SEED = 2024


class KilledTests(SynchronousTestCase):
    """SIGKILL at moments that are spread over all of the work."""

    def setUp(self) -> None:
        """Start a program whose copies are slow, and upload two parts."""
        self.program = twistd_program(self, SLOW_DISK)
        self.program.start()
        a, b = make_bytes(MIB + 1, seed=40), make_bytes(2 * MIB - 3, seed=41)
        self.paths = [upload_part(self.program, content) for content in (a, b)]
        self.paths.append(self.paths[0])
        self.content = a + b + a
        self.parts = set(self.names())
        self.whole: set[str] = set()

    def names(self) -> list[str]:
        """All uploads by their data files, whether they have a record or not."""
        found = self.program.directory.iterdir()
        return [p.name for p in found if p.suffix == "" and p.name[0] != "."]

    def test_kills(self) -> None:
        """After each kill and start, each final is 404 or whole (T-191, D13)."""
        random = Random(SEED)
        for _ in range(KILLS):
            self.kill_at(random.uniform(-0.05, 1.4))
            self.program.start()
            self.check()
        orphans = without_record(self.program.directory)
        data = [path for path in orphans if path.suffix == ""]
        # Every kill was in the middle of something, and not always of the same thing.
        self.assertEqual(len(self.whole | {p.name for p in data}), len(self.new()))
        self.assertGreater(len(data), KILLS // 3)
        self.assertGreater(len(self.whole), KILLS // 16)
        self.check_what_a_sweep_removes()

    def kill_at(self, progress: float) -> None:
        """
        Ask for a final upload, and kill the server in the middle of it.

        :param progress: how much of it is copied then; below 0: perhaps nothing is
            begun; above 1: all is, and what is done after that has begun.
        """
        before = set(self.names())
        client = self.program.client()
        client.begin("POST", "/files/", final(*self.paths))
        if progress >= 0:
            until(lambda: len(self.names()) > len(before), "a data file is there")
            (name,) = set(self.names()) - before
            data = self.program.directory / name
            size = min(progress, 1.0) * len(self.content)
            until(lambda: data.stat().st_size >= size, "so much is copied")
        if progress > 1.3:
            self.until_answered(client)
        elif progress > 1.2:
            until(data.with_name(f"{name}.info").exists, "there is a record")
        self.program.kill()
        client.close()

    def until_answered(self, client: Client) -> None:
        response = client.response()
        self.assertEqual(response.status, 201)
        self.whole.add(response.headers["location"].rpartition("/")[2])

    def new(self) -> set[str]:
        """All that was begun, by its data file."""
        return set(self.names()) - self.parts

    def check(self) -> None:
        """Look at every final upload of which there is a trace."""
        client = self.program.client()
        for name in self.new():
            response = client.request("HEAD", f"/files/{name}")
            data = self.program.directory / name
            if response.status == 404:
                self.assertNotIn(name, self.whole, "an upload is gone that was there")
                continue
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers["upload-offset"], str(len(self.content)))
            self.assertTrue(data.read_bytes() == self.content, "the bytes are wrong")
            self.whole.add(name)
        for name in self.whole:
            until(partial(self.is_finished, name), "it is finished")
        client.close()

    def is_finished(self, name: str) -> bool:
        """Read the state in a record."""
        record = (self.program.directory / f"{name}.info").read_text()
        return str(json.loads(record)["State"]) == "finished"

    def check_what_a_sweep_removes(self) -> None:
        """After one sweep nothing is left but the uploads, whole as they were."""
        self.program.stop()
        command = [sys.executable, str(SWEEP_ONCE), str(self.program.directory)]
        subprocess.run(
            command, check=True, capture_output=True, timeout=LIMIT_S, env=environment()
        )
        self.assertEqual(without_record(self.program.directory), [])
        self.assertEqual(set(self.names()), self.parts | self.whole)
        self.program.start()
        self.check()
