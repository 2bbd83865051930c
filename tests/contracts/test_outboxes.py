"""Every outbox keeps the promises of its interface."""

from __future__ import annotations

import time

from twisted.trial.unittest import TestCase

from tests.contracts.test_stores import ThreadedDisk
from tustwisted.hooks.interfaces import IOutbox
from tustwisted.hooks.outbox.file import FileOutbox
from tustwisted.hooks.outbox.memory import MemoryOutbox
from tustwisted.interfaces import IDisk
from tustwisted.testing import ImmediateDisk, OutboxContract


class MemoryOutboxTests(OutboxContract, TestCase):
    """The outbox that dies with its process."""

    async def make_outbox(self, limit: int = 100) -> IOutbox:
        """Return an empty one."""
        return MemoryOutbox(limit)


class FileOutboxTests(OutboxContract, TestCase):
    """The outbox in a directory."""

    has_peers = True
    syncs = False

    def make_disk(self) -> IDisk:
        """Return the disk to use."""
        return ImmediateDisk()

    async def make_outbox(self, limit: int = 100) -> IOutbox:
        """Make one more in the same directory."""
        if not hasattr(self, "directory"):
            self.directory = self.mktemp()
        outbox = FileOutbox(
            self.directory, self.make_disk(), lambda _: self.syncs, limit
        )
        await outbox.start()
        self.addCleanup(outbox.stop)
        return outbox

    async def _moment(self) -> None:
        time.sleep(0.02)  # the kernel's clock for files ticks every 4 or 10 ms


class SyncedFileOutboxTests(FileOutboxTests):
    """The outbox in a directory, with real threads, and safe from a power loss."""

    syncs = True

    def make_disk(self) -> IDisk:
        """Return a disk with threads, joined after the test."""
        disk = ThreadedDisk()
        disk.start()
        self.addCleanup(disk.stop)
        return disk


del OutboxContract  # or trial takes it for a test
