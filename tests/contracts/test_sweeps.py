"""Every store that can be swept keeps the same contract."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.contracts.test_stores import ThreadedDisk
from tustwisted.interfaces import IDisk
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_sweeps import SweepsContract


class MemoryStoreTests(SweepsContract, TestCase):
    """The contract on MemoryStore."""

    async def make_store(self) -> MemoryStore:
        """Return an empty store."""
        return MemoryStore()


class FileStoreTests(SweepsContract, TestCase):
    """The contract on a FileStore."""

    def make_disk(self) -> IDisk:
        """Return the disk to use."""
        return ImmediateDisk()

    async def make_store(self) -> FileStore:
        """Return a store on an empty directory."""
        store = FileStore(self.mktemp(), self.make_disk(), Durability.NONE)
        await store.start()
        return store


class FileStoreInThreadsTests(FileStoreTests):
    """The contract on a FileStore with real threads."""

    def make_disk(self) -> IDisk:
        """Return a disk with threads, joined after the test."""
        disk = ThreadedDisk()
        disk.start()
        self.addCleanup(disk.stop)
        return disk
