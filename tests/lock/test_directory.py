"""The kernel lock on a directory, against a real second process and in this one."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import DirectoryInUse, OtherLocker, StoreUnusable
from tustwisted.lock.directory import LOCK_NAME, DirectoryLock, LockerKind, name_of

_HOLD = """
import sys
from tustwisted.lock.directory import DirectoryLock, LockerKind
DirectoryLock(sys.argv[1], LockerKind[sys.argv[2]]).take()
print("held", flush=True)
sys.stdin.read()
"""


MEMORY, FILE, REDIS = LockerKind


class NameTests(SynchronousTestCase):
    """Directories have names of their own."""

    def test_name(self) -> None:
        """One directory has one name, whoever holds it, and no other has the same."""
        one, other = self.mktemp(), self.mktemp()
        lock = DirectoryLock(one, LockerKind.REDIS)
        lock.take()
        name = name_of(one)
        self.assertRegex(name, "^[0-9a-f]{32}$")
        self.assertEqual(name_of(one), name)
        lock.release()
        self.assertEqual(name_of(one), name)
        os.mkdir(other)
        self.assertNotEqual(name_of(other), name)

    def test_no_directory(self) -> None:
        """A directory that is not there has none."""
        self.assertRaises(StoreUnusable, name_of, self.mktemp())


class DirectoryCase(SynchronousTestCase):
    """Has a directory, and a lock on it."""

    def setUp(self) -> None:
        """Make them."""
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.lock = self.lock_of(MEMORY)

    def lock_of(self, kind: LockerKind) -> DirectoryLock:
        """Make a lock for another locker."""
        lock = DirectoryLock(self.directory, kind)
        self.addCleanup(lock.release)
        return lock

    def hold_elsewhere(self, kind: LockerKind = MEMORY) -> subprocess.Popen[bytes]:
        """Start a process that holds the directory."""
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLD, self.directory, kind.name],
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


class DirectoryLockTests(DirectoryCase):
    """One process at a time, and none for ever (T-240, T-242)."""

    def test_memory_is_the_default(self) -> None:
        """Who says nothing else has the locker of a single process."""
        DirectoryLock(self.directory).take()
        self.assertRaises(DirectoryInUse, self.lock.take)

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

    def test_kept_out_leaves_nothing(self) -> None:
        """Who was kept out can take the directory once it is free."""
        holder = self.lock_of(MEMORY)
        holder.take()
        self.assertRaises(DirectoryInUse, self.lock.take)
        holder.release()
        self.lock.take()


class LockerKindTests(DirectoryCase):
    """Only one kind of locker at a time."""

    def test_same_kind(self) -> None:
        """Any number of processes share a directory by the same kind of locker."""
        for kind in (FILE, REDIS):
            locks = [self.lock_of(kind) for _ in range(3)]
            for lock in locks:
                lock.take()
            for lock in locks:
                lock.release()

    def test_other_kinds(self) -> None:
        """Beside any kind no other one starts; the sentence names both sides."""
        for there in LockerKind:
            held = self.lock_of(there)
            held.take()
            for here in LockerKind:
                if here is not there:
                    error = self.assertRaises(OtherLocker, self.lock_of(here).take)
                    self.assertIn(self.directory, str(error))
                    self.assertIn(f"({there.name.lower()})", str(error))
            held.release()

    def test_other_process(self) -> None:
        """That holds between processes, until the last one of a kind has died."""
        first, second = self.hold_elsewhere(FILE), self.hold_elsewhere(FILE)
        third = self.lock_of(FILE)
        third.take()
        for process in (first, second):
            self.assertRaises(OtherLocker, self.lock.take)
            process.kill()
            process.wait(10)
        self.assertRaises(OtherLocker, self.lock.take)
        third.release()
        self.lock.take()

    def test_refused_holds_nothing(self) -> None:
        """Who is refused keeps nobody else out."""
        for there, refused in ((MEMORY, FILE), (FILE, MEMORY), (REDIS, FILE)):
            held = self.lock_of(there)
            held.take()
            self.assertRaises(OtherLocker, self.lock_of(refused).take)
            held.release()
            again = self.lock_of(there)
            again.take()
            again.release()

    def test_lock_file_cannot_be_opened(self) -> None:
        """A lock file that cannot be opened is told of as the store's trouble is."""
        os.mkdir(os.path.join(self.directory, LOCK_NAME))
        error = self.assertRaises(StoreUnusable, self.lock.take)
        self.assertIn(self.directory, str(error))


class OtherSystemTests(DirectoryCase):
    """Systems without locks on bytes have one on the whole file."""

    def lock_of(self, kind: LockerKind) -> DirectoryLock:
        """Make a lock as there."""
        lock = DirectoryLock(self.directory, kind, has_byte_locks=False)
        self.addCleanup(lock.release)
        return lock

    def test_single(self) -> None:
        """The locker of a single process keeps all others out."""
        self.lock.take()
        for kind in LockerKind:
            self.assertRaises(DirectoryInUse, self.lock_of(kind).take)
        self.lock.release()
        self.lock_of(MEMORY).take()

    def test_shared(self) -> None:
        """Those of several machines share it, and keep that one out."""
        self.lock_of(REDIS).take()
        self.lock_of(REDIS).take()
        self.assertRaises(DirectoryInUse, self.lock.take)
