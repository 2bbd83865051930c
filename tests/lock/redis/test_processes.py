"""Two processes and a real Redis, when all goes well, and when one of them dies."""

from __future__ import annotations

import contextlib  # not suppress itself: trial reads that name
import statistics

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from tests.lock.redis.real import RealCase, passes, until
from tests.lock.redis.test_outages import QUARANTINE
from tests.lock.redis.test_start import clients
from tests.valkey import Valkey
from tustwisted.errors import UploadLocked


class ProcessesTests(RealCase):
    """Exclusion and take-over (T-230 to T-239)."""

    ttl_s = 0.9

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits
        """Start both, with a Redis that is no longer new."""
        self.valkey: Valkey = self.serve()
        self.first, self.wishes = await self.process(self.valkey.url)
        self.second, _ = await self.process(self.valkey.url)
        self.valkey.command("DEL", QUARANTINE)

    async def test_exclusion(self) -> None:
        """One process holds an upload as long as it likes; others may hold others."""
        lock = await self.first.take("x", 1.0)
        with self.assertRaises(UploadLocked):
            await self.second.take("x", self.ttl_s * 1.5)
        self.assertIsNone(await self.second.try_take("x"))
        other = await self.second.try_take("y")
        assert other is not None
        lock.require_held()
        other.require_held()

    async def test_take_over(self) -> None:
        """A wish reaches the holder, and its release the waiter, without polling."""
        times = []
        for number in range(20):
            lock = await self.first.take("x", 1.0)
            began = reactor.seconds()
            waiting = self.second.take("x", 5.0)
            await until(lambda n=number: len(self.wishes) > n, "heard")  # type: ignore[misc]
            lock.release()
            (await waiting).release()
            times.append(reactor.seconds() - began)
        # Nobody polls before 0.25 s; a busy machine may be slow now and then.
        self.assertLess(statistics.median(times), 0.1)

    async def test_crowd(self) -> None:
        """Of many waiters each gets its turn, and the others are made known to it."""
        processes = [self.first, self.second]
        for _ in range(3):
            process, _ = await self.process(self.valkey.url)
            processes.append(process)
        running = [0]

        async def work(number: int) -> None:
            for _ in range(4):
                lock = await processes[number].take("x", 10.0)
                running[0] += 1
                self.assertEqual(running[0], 1)
                await passes(0.002)
                lock.require_held()
                running[0] -= 1
                lock.release()

        await gatherResults([Deferred.fromCoroutine(work(n)) for n in range(5)])

    async def test_cancelled(self) -> None:
        """A waiter that goes, at whatever moment, leaves nothing behind."""
        for number in range(20):
            waiting = self.first.take("x", 1.0)
            await passes(0.0001 * number)
            waiting.cancel()
            with contextlib.suppress(CancelledError):
                (await waiting).release()
            (await self.second.take("x", 0.5)).release()

    async def test_dead_process(self) -> None:
        """What a dead process held is free after one lease."""
        proxy = self.proxy(self.valkey)
        dying, _ = await self.process(f"redis://127.0.0.1:{proxy.port}")
        began = reactor.seconds()
        await dying.take("x", 1.0)
        await proxy.refuse()
        (await self.second.take("x", 3.0)).release()
        self.assertGreater(reactor.seconds() - began, self.ttl_s * 0.99)
        self.assertLess(reactor.seconds() - began, self.ttl_s + 0.7)

    async def test_many(self) -> None:
        """Many locks are renewed, and given back at the end, with two connections."""
        for number in range(1200):
            await self.first.take(f"x{number}", 1.0)
        self.assertEqual(clients(self.valkey), 5)
        await passes(self.ttl_s * 1.5)
        for number in (0, 600, 1199):
            self.assertIsNone(await self.second.try_take(f"x{number}"))
        await self.first.stop()
        for number in (0, 600, 1199):
            self.assertIsNotNone(await self.second.try_take(f"x{number}"))
