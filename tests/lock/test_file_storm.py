"""Many processes take a few uploads again and again, and some of them are killed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.lock.processes import program
from tests.lock.storm_process import UPLOADS
from tustwisted.lock.sockets import SOCKETS_NAME

PROCESSES = 4
KILLS = 4
TIMES = 100
"""How often each process takes each of the uploads."""

LIMIT_S = 60.0
"""Longer than all of it takes."""


@frozen
class Line:
    """What a process wrote down."""

    what: str
    upload_id: str
    pid: int
    when: float

    @classmethod
    def parse(cls, line: str) -> Line:
        """Read one line."""
        what, upload_id, pid, when = line.split()
        return cls(what, upload_id, int(pid), float(when))


class StormTests(SynchronousTestCase):
    """Nobody holds what another one holds, and everybody comes to an end."""

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = tempfile.mkdtemp(prefix="tus")
        self.addCleanup(shutil.rmtree, self.directory)
        self.written = os.path.join(self.directory, "written")
        self.killed: dict[int, float] = {}

    def start(self, seed: float) -> subprocess.Popen[bytes]:
        """Start one of the processes."""
        words = [self.directory, self.written, str(TIMES), str(seed)]
        process = subprocess.Popen([*program("storm_process"), *words])
        self.addCleanup(process.wait, LIMIT_S)
        self.addCleanup(process.kill)
        return process

    def lines(self) -> list[Line]:
        """Read what all have written."""
        if not os.path.exists(self.written):
            return []
        with open(self.written) as file:
            return [Line.parse(line) for line in file]

    def until_taken_by(self, pid: int) -> None:
        """Wait until a process has taken something a few times."""
        until = time.monotonic() + LIMIT_S
        while sum(line.pid == pid for line in self.lines()) < 20:
            self.assertLess(time.monotonic(), until, "nothing is taken any more")
            time.sleep(0.02)

    def test_storm(self) -> None:
        """Of processes that are killed and started again, two never hold one upload."""
        seed = random.randrange(1_000_000)
        dice = random.Random(seed)
        processes = [self.start(dice.random()) for _ in range(PROCESSES)]
        for _ in range(KILLS):
            self.until_taken_by(processes[-1].pid)
            victim = processes.pop(dice.randrange(PROCESSES))
            self.killed[victim.pid] = time.monotonic()
            victim.kill()
            processes.append(self.start(dice.random()))
        for process in processes:
            self.assertEqual(process.wait(LIMIT_S), 0, f"seed {seed}")
        for upload_id in UPLOADS:
            of_one = [line for line in self.lines() if line.upload_id == upload_id]
            self.assert_never_two(of_one, f"seed {seed}")
        self.assertEqual(os.listdir(os.path.join(self.directory, SOCKETS_NAME)), [])

    def assert_never_two(self, lines: list[Line], why: str) -> None:
        """Each hold ends before the next begins, by its end or by a kill."""
        holder: Line | None = None
        for line in lines:
            if line.what == "end":
                assert holder is not None, why
                self.assertEqual(holder.pid, line.pid, why)
                holder = None
            else:
                if holder is not None:
                    self.assertIn(holder.pid, self.killed, why)
                    self.assertGreater(line.when, self.killed[holder.pid], why)
                holder = line
        self.assertGreater(len(lines), PROCESSES * TIMES, why)
