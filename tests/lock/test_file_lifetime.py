"""Tests for :mod:`tustwisted.lock.file`: its start and its end."""

from __future__ import annotations

import os
import stat

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.lock.fellow import Fellow, FellowCase, descriptors, soon
from tustwisted.errors import LockerUnusable, LockLost, LocksUnavailable
from tustwisted.lock.file import LOCKS_NAME, FileLocks
from tustwisted.lock.sockets import SOCKETS_NAME


class StopTests(FellowCase):
    """The end, and a new beginning."""

    async def test_nothing_is_held(self) -> None:
        """What was held is free, its holder can tell, and the waiter gets it."""
        one, other = await self.fellow(), await self.fellow()
        lock, unasked = await one.take("u"), await one.take("v")
        lost = lock.when_lost()
        taking = other.take("u")
        await one.wish("u")
        await one.locks.stop()
        await soon(taking)
        await soon(lost)
        for gone in (lock, unasked):
            self.assertRaises(LockLost, gone.require_held)
            gone.release()
        await other.took("v")

    async def test_stop_before_it_is_told(self) -> None:
        """A stop right after something was taken that others want fails in nothing."""
        one, other = await self.fellow(), await self.fellow()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        lock.release()
        await one.took("u")
        await one.locks.stop()
        await soon(taking)

    async def test_waiters_end(self) -> None:
        """Who still waits is told that there is nothing to wait for."""
        one, other = await self.fellow(), await self.fellow()
        await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        stopping = Deferred.fromCoroutine(other.locks.stop())
        await self.assertFailure(taking, LocksUnavailable)
        await stopping

    async def test_nothing_is_taken(self) -> None:
        """Before it starts and after it stops nothing can be taken."""
        one = Fellow(self.directory)
        for _ in range(2):
            await self.assertFailure(one.take("u"), LocksUnavailable)
            with self.assertRaises(LocksUnavailable):
                await one.locks.try_take("u")
            await one.start()
            await one.locks.stop()

    async def test_nothing_is_left(self) -> None:
        """Sockets and descriptors are gone; the file stays, empty."""
        before = descriptors()
        one, other = await self.fellow(), await self.fellow()
        await one.take("u")
        self.assertEqual(len(self.sockets()), 2)
        for fellow in (one, other):
            stopping = [Deferred.fromCoroutine(fellow.locks.stop()) for _ in range(2)]
            for stopped in stopping:
                await stopped
            await fellow.locks.stop()
        self.assertEqual(self.sockets(), [])
        self.assertEqual(descriptors(), before)
        self.assertEqual(sorted(os.listdir(self.directory)), [LOCKS_NAME, SOCKETS_NAME])
        self.assertEqual(os.stat(os.path.join(self.directory, LOCKS_NAME)).st_size, 0)

    async def test_again(self) -> None:
        """What was stopped can be started again, and is one of the others again."""
        one, other = await self.fellow(), await self.fellow()
        await one.take("u")
        await one.locks.stop()
        await one.start()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        lock.release()
        await soon(taking)

    async def test_socket_was_removed(self) -> None:
        """A stop ends also when somebody has removed the socket before."""
        before = descriptors()
        one = await self.fellow()
        for name in self.sockets():
            os.unlink(os.path.join(self.directory, SOCKETS_NAME, name))
        await one.locks.stop()
        self.assertEqual(descriptors(), before)


class StartTests(FellowCase):
    """Where it can work, and where it cannot."""

    async def test_directory_is_made(self) -> None:
        """A directory that is missing is made."""
        self.directory = os.path.join(self.directory, "missing", "below")
        await self.fellow()
        self.assertEqual(len(self.sockets()), 1)

    async def test_long_path(self) -> None:
        """A path that is longer than a socket's address is no hindrance."""
        self.directory = os.path.join(self.directory, "d" * 200, "e" * 200)
        one, other = await self.fellow(), await self.fellow()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        lock.release()
        await soon(taking)
        await other.locks.stop()
        self.assertEqual(len(self.sockets()), 1)

    async def test_relative_path(self) -> None:
        """A path may be relative; it is the same directory for all."""
        one = await self.fellow()
        self.directory = os.path.relpath(self.directory)
        other = await self.fellow()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        lock.release()
        await soon(taking)

    async def test_impossible(self) -> None:
        """Where it cannot work it says so in a sentence, and nothing stays open."""
        for blocked in ("", LOCKS_NAME, SOCKETS_NAME):
            directory = self.mktemp()
            if blocked == "":
                open(directory, "w").close()
            else:
                os.mkdir(directory)
                path = os.path.join(directory, blocked)
                os.symlink("/nowhere/at/all", path)
            before = descriptors()
            locks = FileLocks(directory, reactor)
            with self.assertRaises(LockerUnusable) as caught:
                await locks.start(lambda _: None)
            self.assertIn(directory, str(caught.exception))
            self.assertEqual(descriptors(), before)
            await self.assertFailure(locks.take("u", 0), LocksUnavailable)

    async def test_other_systems(self) -> None:
        """Where the kernel has no such locks it says that it needs Linux."""
        locks = FileLocks(self.directory, reactor, has_byte_locks=False)
        with self.assertRaises(LockerUnusable) as caught:
            await locks.start(lambda _: None)
        self.assertIn("the file locker needs Linux", str(caught.exception))
        self.assertEqual(os.listdir(self.directory), [])
        await locks.stop()

    async def test_kernel_fails(self) -> None:
        """When the kernel locks nothing any more, nobody can tell what is free."""
        one = await self.fellow()
        (number,) = [
            int(number)
            for number in os.listdir("/proc/self/fd")
            if os.path.realpath(f"/proc/self/fd/{number}")
            == os.path.realpath(os.path.join(self.directory, LOCKS_NAME))
        ]
        with open(os.devnull, "rb") as unwritable:
            os.dup2(unwritable.fileno(), number, inheritable=False)
        await self.assertFailure(one.take("u"), LocksUnavailable)
        with self.assertRaises(LocksUnavailable):
            await one.locks.try_take("u")

    async def test_modes(self) -> None:
        """What is made there is for the user and his group."""
        mask = os.umask(0o007)
        self.addCleanup(os.umask, mask)
        await self.fellow()
        (name,) = self.sockets()
        for path, mode in (
            (LOCKS_NAME, 0o660),
            (SOCKETS_NAME, 0o770),
            (os.path.join(SOCKETS_NAME, name), 0o660),
        ):
            facts = os.stat(os.path.join(self.directory, path))
            self.assertEqual(stat.S_IMODE(facts.st_mode), mode, path)

    async def test_stop_while_it_starts(self) -> None:
        """A stop in the middle of a start ends both."""
        before = descriptors()
        await self.fellow()
        late = Fellow(self.directory)
        starting = Deferred.fromCoroutine(late.start())
        self.assertFalse(starting.called)
        await soon(late.stop())
        await soon(starting)
        self.assertEqual(len(self.sockets()), 1)
        await self.assertFailure(late.take("u"), LocksUnavailable)
        self.assertGreater(len(descriptors()), len(before))
