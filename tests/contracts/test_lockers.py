"""Every locker keeps the promises of its interface."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tustwisted.interfaces import ILocker
from tustwisted.lock.memory import MemoryLocker
from tustwisted.testing_locks import LockContract


class MemoryLockerTests(LockContract, TestCase):
    """The locker of one process."""

    clock = reactor

    async def make_locker(self) -> ILocker:
        """Make one that nobody shares."""
        locker = MemoryLocker(self.clock)
        await locker.start()
        self.addCleanup(locker.stop)
        return locker
