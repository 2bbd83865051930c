"""The kernel lock on a directory, against a real second process."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import DirectoryInUse, StoreUnusable
from tustwisted.lock.directory import DirectoryLock

_HOLD = """
import sys
from tustwisted.lock.directory import DirectoryLock
DirectoryLock(sys.argv[1]).take()
print("held", flush=True)
sys.stdin.read()
"""


class DirectoryLockTests(SynchronousTestCase):
    """One process at a time, and none for ever (T-240, T-242)."""

    def setUp(self) -> None:
        """Make a directory."""
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.lock = DirectoryLock(self.directory)
        self.addCleanup(self.lock.release)

    def hold_elsewhere(self) -> subprocess.Popen[bytes]:
        """Start a process that holds the directory."""
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLD, self.directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        assert process.stdin is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline(), b"held\n")
        return process

    def test_second_process_is_kept_out(self) -> None:
        """While another process holds the directory, it cannot be taken (T-240)."""
        self.hold_elsewhere()
        error = self.assertRaises(DirectoryInUse, self.lock.take)
        self.assertIn(self.directory, str(error))

    def test_killed_process_holds_nothing(self) -> None:
        """A process that is killed gives the directory free (T-242)."""
        process = self.hold_elsewhere()
        process.kill()
        process.wait(10)
        self.lock.take()

    def test_released_directory_can_be_taken(self) -> None:
        """Release frees the directory, and releasing twice is harmless."""
        self.lock.take()
        self.lock.release()
        self.lock.release()
        second = DirectoryLock(self.directory)
        second.take()
        second.release()

    def test_missing_directory_is_made(self) -> None:
        """A directory that is not there is made: not every store uses it."""
        missing = os.path.join(self.directory, "missing", "below")
        lock = DirectoryLock(missing)
        lock.take()
        self.addCleanup(lock.release)
        self.assertTrue(os.path.isdir(missing))

    def test_directory_that_cannot_be_made_is_named(self) -> None:
        """A directory that cannot be is named in the error."""
        path = os.path.join(self.directory, "file")
        with open(path, "w"):
            pass
        impossible = os.path.join(path, "below")
        error = self.assertRaises(StoreUnusable, DirectoryLock(impossible).take)
        self.assertIn(impossible, str(error))
