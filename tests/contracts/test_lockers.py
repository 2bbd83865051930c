"""Every locker keeps the promises of its interface."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.campaign import tried
from tests.valkey import Valkey
from tustwisted.interfaces import ILocker
from tustwisted.lock.directory import LockerKind
from tustwisted.lock.shared import SharedLocker
from tustwisted.lockers import LockerChoice, make_locker, parse_locker
from tustwisted.testing import LockContract

TTL_S = 5.0


class OurLockers(LockContract, TestCase):
    """What the lockers of this package share."""

    clock = reactor
    timeout = 120

    async def make_locker(self) -> ILocker:
        """Make one more that shares its locks with those before."""
        if not hasattr(self, "directory"):
            self.directory = self.mktemp()
            self.choice = self.choose()
        locker = make_locker(reactor, self.choice, self.directory, TTL_S)
        await locker.start()
        self.addCleanup(locker.stop)
        return locker

    def choose(self) -> LockerChoice:
        """Say which locker this is about."""
        raise NotImplementedError


class MemoryLockerTests(OurLockers):
    """The locker of one process."""

    def choose(self) -> LockerChoice:
        """Choose the one that lets no other process in."""
        return LockerKind.MEMORY


class FileLockerTests(OurLockers):
    """The locker of the processes of one machine."""

    has_peers = True

    def choose(self) -> LockerChoice:
        """Choose locks of the kernel."""
        return LockerKind.FILE

    async def kill(self, locker: ILocker) -> None:
        """Let the kernel close what it would, in its order; nothing else is said."""
        assert isinstance(locker, SharedLocker)
        locks: Any = locker._process_locks
        running, locks._open = locks._open, None
        running.kernel.close()
        running.peers.leave()
        await running.peers.stop_listening()
        await running.peers.all_left()
        running.sockets.close()


class RedisLockerTests(OurLockers):
    """The locker of several machines."""

    has_peers = True
    death_s = TTL_S
    # While memory is traced each takes a millisecond, and all are renewed meanwhile.
    many = tried(10_000, 2_000)

    def choose(self) -> LockerChoice:
        """Start a server."""
        server = Valkey(self)
        server.start()
        server.age()
        return parse_locker(server.url)

    async def kill(self, locker: ILocker) -> None:
        """End its connections, so that nothing is renewed or released any more."""
        assert isinstance(locker, SharedLocker)
        locks: Any = locker._process_locks
        await locks._leases.stop()


del OurLockers, LockContract  # or trial takes them for tests
