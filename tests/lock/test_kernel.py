"""Tests for :mod:`tustwisted.lock.kernel`."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.lock.kernel import (
    ByteLocks,
    byte_of_name,
    byte_of_upload,
    has_byte_locks,
)


class ByteTests(SynchronousTestCase):
    """Which byte stands for what."""

    def test_uploads_differ(self) -> None:
        """Each of many ids has a byte of its own."""
        ids = [f"upload {i}" for i in range(10_000)]
        self.assertEqual(len({byte_of_upload(i) for i in ids}), len(ids))

    def test_same_everywhere(self) -> None:
        """The byte of an id is a fact: other processes have the same."""
        self.assertEqual(byte_of_upload("a"), 0x103E278E56D9908B)

    def test_uploads_and_names_are_apart(self) -> None:
        """No upload can ever be locked by the name of a process."""
        for text in ("", "a", "users/7/film.mp4", "\udcff", "\0"):
            self.assertLess(byte_of_upload(text), 1 << 62)
            self.assertGreaterEqual(byte_of_name(text), 1 << 62)
            self.assertLess(byte_of_name(text), 1 << 63)


class ByteLocksTests(SynchronousTestCase):
    """One file, opened as often as there are processes."""

    def setUp(self) -> None:
        """Open it twice."""
        self.path = self.mktemp()
        self.one, self.other = self.opened(), self.opened()

    def opened(self) -> ByteLocks:
        """Open it once more."""
        locks = ByteLocks.open(self.path)
        self.addCleanup(locks.close)
        return locks

    def test_this_system_has_them(self) -> None:
        """Linux has such locks."""
        self.assertTrue(has_byte_locks())

    def test_one_holder(self) -> None:
        """A byte that is locked cannot be locked by somebody else."""
        self.assertTrue(self.one.try_lock(7))
        self.assertFalse(self.other.try_lock(7))

    def test_unlocked(self) -> None:
        """A byte that was let go of can be locked; letting go twice is harmless."""
        self.one.try_lock(7)
        self.one.unlock(7)
        self.one.unlock(7)
        self.assertTrue(self.other.try_lock(7))

    def test_only_the_holder_unlocks(self) -> None:
        """What somebody else unlocks stays locked."""
        self.one.try_lock(7)
        self.other.unlock(7)
        self.assertFalse(self.other.try_lock(7))

    def test_bytes_are_apart(self) -> None:
        """Neighbours are locked and unlocked on their own, up to the last byte."""
        for byte in (6, 7, 8, (1 << 63) - 1):
            self.assertTrue(self.one.try_lock(byte))
        self.one.unlock(7)
        self.assertTrue(self.other.try_lock(7))
        for byte in (6, 8, (1 << 63) - 1):
            self.assertFalse(self.other.try_lock(byte))

    def test_shared(self) -> None:
        """Many may share a byte, and nobody has it alone meanwhile."""
        self.assertTrue(self.one.try_lock(7, is_shared=True))
        self.assertTrue(self.other.try_lock(7, is_shared=True))
        self.assertFalse(self.opened().try_lock(7))
        self.one.try_lock(8)
        self.assertFalse(self.other.try_lock(8, is_shared=True))

    def test_seen_elsewhere(self) -> None:
        """Others see that a byte is locked, in either way; its holder does not."""
        for is_shared in (False, True):
            self.one.try_lock(7, is_shared=is_shared)
            self.assertTrue(self.other.is_locked_elsewhere(7))
            self.assertFalse(self.one.is_locked_elsewhere(7))
            self.one.unlock(7)
            self.assertFalse(self.other.is_locked_elsewhere(7))

    def test_close(self) -> None:
        """To close the file lets go of everything."""
        third = ByteLocks.open(self.path)
        third.try_lock(7)
        third.close()
        self.assertTrue(self.one.try_lock(7))

    def test_other_descriptors_of_the_process(self) -> None:
        """To open and close the file once more frees nothing (POSIX locks would be)."""
        self.one.try_lock(7)
        with open(self.path, "rb"):
            pass
        self.assertFalse(self.other.try_lock(7))

    def test_programs_inherit_nothing(self) -> None:
        """A program that is started does not get the descriptor, even if told to."""
        code = "import os, sys; os.fstat(int(sys.argv[1]))"
        told = subprocess.run(
            [sys.executable, "-c", code, str(self.one.fileno())],
            close_fds=False,
            capture_output=True,
            check=False,
            timeout=30,
        )
        self.assertIn(b"Bad file descriptor", told.stderr)

    def test_file(self) -> None:
        """The file stays empty, and is for its user and group."""
        self.one.try_lock(7)
        facts = os.stat(self.path)
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(facts.st_size, 0)
        self.assertEqual(stat.S_IMODE(facts.st_mode), 0o660 & ~mask)
