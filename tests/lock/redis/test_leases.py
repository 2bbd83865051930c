"""
What a Redis does for leases, the real one and the one in memory.

The same cases for both, so that the second may stand in for the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.lock.redis.fake import FakeLeases, FakeRedis
from tests.valkey import Valkey
from tustwisted.lock.redis.connect import new_token, redis_endpoint
from tustwisted.lock.redis.leases import (
    BATCH,
    Freed,
    Granted,
    Held,
    ILeases,
    Message,
    NotYet,
    Unreachable,
    Wanted,
)
from tustwisted.lock.redis.scripts import EPOCH_KEYS
from tustwisted.lock.redis.server import RedisLeases
from tustwisted.lock.redis.url import parse_redis_url

if TYPE_CHECKING:
    _Mixin = TestCase
else:
    _Mixin = object

LEASE_S = 0.3

A, B = new_token(), new_token()


class LeasesContract(_Mixin):
    """Two processes, each with a token of its own, and one Redis."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits
        """Connect both, and wait until the new Redis grants something."""
        self.heard: list[Message] = []
        self.first, self.second = self.connection(), self.connection()
        await self.first.start(round(LEASE_S * 1000), self.heard.append)
        await self.second.start(round(LEASE_S * 1000), lambda _: None)
        await self.settle()

    async def tearDown(self) -> None:  # type: ignore[override]  # trial waits
        """Disconnect."""
        await self.first.stop()
        await self.second.stop()

    def connection(self) -> ILeases:
        """Make one."""
        raise NotImplementedError

    async def passes(self, time_s: float) -> None:
        """Wait."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Empty the Redis."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Replace the Redis by another one, and wait until both are connected."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Wait until a Redis that knew nothing grants leases."""
        while not isinstance(await self.first.acquire("settled", A, False), Granted):
            await self.passes(LEASE_S / 4)
        await self.first.release([("settled", A)])

    async def hears(self, *messages: Message) -> None:
        """Wait for these messages, and see that there are no others."""
        await self.passes(LEASE_S / 6)
        self.assertEqual(self.heard, list(messages))
        self.heard.clear()

    async def test_new(self) -> None:
        """A Redis that knows nothing grants nothing for one lease."""
        await self.flush()
        await self.second.stop()
        await self.second.start(round(LEASE_S * 1000), lambda _: None)
        await self.passes(LEASE_S * 0.4)
        await self.assert_grants_nothing_yet(begun_s=LEASE_S * 0.4)

    def test_provides_its_interface(self) -> None:
        """It provides what it promises."""
        self.assertTrue(verifyObject(ILeases, self.first))

    async def test_one_holder(self) -> None:
        """What one token has no other one gets; its own holder gets it again."""
        self.assertEqual(await self.first.acquire("x", A, False), Granted())
        self.assertEqual(await self.second.acquire("x", B, False), Held())
        self.assertEqual(await self.first.acquire("x", A, False), Granted())
        self.assertEqual(await self.second.acquire("y", B, False), Granted())

    async def test_any_id(self) -> None:
        """Ids may be any strings, and are told as they are."""
        for upload_id in ["", "a b", "free x", "é/\n", "\udcff", "*" * 300]:
            await self.first.acquire(upload_id, A, False)
            await self.second.acquire(upload_id, B, True)
            await self.first.release([(upload_id, A)])
            await self.hears(Wanted(A, upload_id), Freed(upload_id))

    async def test_ends_by_itself(self) -> None:
        """A lease that is not renewed ends, no earlier than was asked for."""
        await self.first.acquire("x", A, False)
        await self.passes(LEASE_S * 0.8)
        self.assertEqual(await self.second.acquire("x", B, False), Held())
        await self.passes(LEASE_S * 0.3)
        self.assertEqual(await self.second.acquire("x", B, False), Granted())

    async def test_asking_again_prolongs(self) -> None:
        """A lease begins anew when its holder asks for it again."""
        await self.first.acquire("x", A, False)
        await self.passes(LEASE_S * 0.7)
        await self.first.acquire("x", A, False)
        await self.passes(LEASE_S * 0.7)
        self.assertEqual(await self.second.acquire("x", B, False), Held())

    async def test_renewal(self) -> None:
        """What is there is prolonged; what is gone, or another's, is left alone."""
        await self.first.acquire("x", A, False)
        await self.second.acquire("y", B, False)
        await self.passes(LEASE_S * 0.7)
        answers = await self.first.renew([("x", A), ("y", A), ("z", A)])
        self.assertEqual(list(answers), [True, False, False])
        await self.passes(LEASE_S * 0.7)
        self.assertEqual(await self.second.acquire("x", B, False), Held())
        self.assertEqual(await self.second.acquire("y", A, False), Granted())

    async def test_batches(self) -> None:
        """As many leases as a batch holds are renewed and given back by one call."""
        leases = [(f"x{number}", A) for number in range(BATCH)]
        for upload_id, token in leases[1:]:
            await self.first.acquire(upload_id, token, False)
        await self.first.renew(leases)  # the first ones may be nearly over
        answers = await self.first.renew(leases)
        self.assertEqual(list(answers), [False] + [True] * (BATCH - 1))
        await self.first.release(leases)
        self.assertEqual(list(await self.first.renew(leases)), [False] * BATCH)

    async def test_release(self) -> None:
        """Only the holder's token gives a lease back, and it may do so twice."""
        await self.first.acquire("x", A, False)
        await self.second.release([("x", B), ("never", B)])
        self.assertEqual(await self.second.acquire("x", B, False), Held())
        await self.first.release([("x", A)])
        self.assertEqual(await self.second.acquire("x", B, False), Granted())
        await self.first.release([("x", A)])
        self.assertEqual(await self.first.acquire("x", A, False), Held())

    async def test_messages(self) -> None:
        """Who asks is made known with the holder's token, and then the release too."""
        await self.first.acquire("x", A, True)
        await self.second.acquire("x", B, True)
        await self.hears(Wanted(A, "x"))
        await self.first.acquire("x", A, False)
        await self.first.renew([("x", A)])
        await self.first.release([("x", A)])
        await self.hears(Freed("x"))

    async def test_silence(self) -> None:
        """What nobody asked to be told of is not told."""
        await self.first.acquire("x", A, False)
        await self.second.acquire("x", B, False)
        await self.first.release([("x", A)])
        await self.second.acquire("x", B, False)
        await self.second.release([("x", B)])
        await self.hears()

    async def assert_grants_nothing_yet(self, begun_s: float = 0.0) -> None:
        """For one lease, which has begun, nothing is granted, then everything."""
        answer = await self.second.acquire("x", B, False)
        assert isinstance(answer, NotYet)
        longest_s = LEASE_S * 1.01 - begun_s
        self.assertTrue(longest_s * 0.5 < answer.wait_s <= longest_s, answer)
        self.assertEqual(await self.first.renew([("x", A)]), [False])
        self.assertIsInstance(await self.first.acquire("x", A, False), NotYet)
        await self.passes(answer.wait_s * 0.7)
        self.assertIsInstance(await self.second.acquire("y", B, False), NotYet)
        await self.passes(answer.wait_s * 0.35)
        self.assertEqual(await self.second.acquire("x", B, False), Granted())

    async def test_emptied(self) -> None:
        """A Redis that was emptied may have forgotten leases: it waits for them."""
        await self.first.acquire("x", A, False)
        await self.flush()
        await self.assert_grants_nothing_yet()

    async def test_restarted(self) -> None:
        """So does another one in its place, from the first connection on."""
        await self.first.acquire("x", A, False)
        await self.restart()
        await self.assert_grants_nothing_yet()

    async def test_stopped(self) -> None:
        """After the end nothing is sent; it may be started again."""
        await self.second.stop()
        with self.assertRaises(Unreachable):
            await self.second.acquire("x", B, False)
        with self.assertRaises(Unreachable):
            await self.second.renew([("x", B)])
        with self.assertRaises(Unreachable):
            await self.second.release([("x", B)])
        await self.second.start(round(LEASE_S * 1000), lambda _: None)
        self.assertEqual(await self.second.acquire("x", B, False), Granted())


class FakeLeasesTests(LeasesContract, TestCase):
    """The stand-in."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits
        """Let time begin."""
        self.redis = FakeRedis(Clock())
        await super().setUp()

    def connection(self) -> ILeases:
        """See :meth:`LeasesContract.connection`."""
        return FakeLeases(self.redis)

    async def passes(self, time_s: float) -> None:
        """See :meth:`LeasesContract.passes`."""
        self.redis.clock.advance(time_s)
        await succeed(None)

    async def flush(self) -> None:
        """See :meth:`LeasesContract.flush`."""
        self.redis.flush()

    async def restart(self) -> None:
        """See :meth:`LeasesContract.restart`."""
        self.redis.restart()
        for process in self.redis.processes:
            process.mend()


class RedisLeasesTests(LeasesContract, TestCase):
    """The real one."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits
        """Start a server."""
        self.valkey = Valkey(self)
        self.valkey.start()
        await super().setUp()

    def connection(self) -> ILeases:
        """See :meth:`LeasesContract.connection`."""
        url = parse_redis_url(self.valkey.url)
        return RedisLeases(reactor, url, redis_endpoint(reactor, url), lambda: 0.0)

    async def settle(self) -> None:
        """See :meth:`LeasesContract.settle`."""
        self.valkey.command("DEL", EPOCH_KEYS[1].decode())

    async def passes(self, time_s: float) -> None:
        """See :meth:`LeasesContract.passes`."""
        await deferLater(reactor, time_s)

    async def flush(self) -> None:
        """See :meth:`LeasesContract.flush`."""
        self.valkey.command("FLUSHALL")

    async def restart(self) -> None:
        """See :meth:`LeasesContract.restart`."""
        self.valkey.restart()
        for leases in (self.first, self.second):
            for _ in range(500):
                await self.passes(0.002)
                try:
                    await leases.renew([])
                except Exception:
                    continue
                break
