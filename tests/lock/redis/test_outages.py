"""A connection to a real Redis that breaks at every possible moment."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from zope.interface.verify import verifyObject

from tests.lock.redis.real import RealCase, passes, until
from tests.lock.redis.test_start import clients
from tests.tcp_proxy import Proxy
from tests.valkey import Valkey
from tustwisted.errors import LockLost, LocksUnavailable
from tustwisted.lock.redis import scripts
from tustwisted.lock.redis.locks import RedisLocks
from tustwisted.lock.shared import IProcessLock, SharedLocker
from tustwisted.probes import IReachable

QUARANTINE = scripts.EPOCH_KEYS[1].decode()

QUICK_S = 0.1
"""How soon somebody learns that Redis cannot be asked."""


class OutageCase(RealCase):
    """A process behind a proxy, and another one beside it."""

    ttl_s = 1.0
    password = ""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits
        """Start all, with a Redis that is no longer new."""
        self.valkey: Valkey = self.serve(password=self.password)
        self.proxy_: Proxy = self.proxy(self.valkey)
        url = self.valkey.url
        behind = url.replace(str(self.valkey.port), str(self.proxy_.port))
        self.locks_, self.wishes = await self.process(behind)
        self.other, _ = await self.process(url)
        self.valkey.command("DEL", QUARANTINE)

    async def is_lost(self) -> float:
        """Wait until nothing can be asked; return how long the last answer took."""
        while True:
            asked_at = reactor.seconds()
            try:
                lock = await self.locks_.take("probe", 0.0)
            except LocksUnavailable:
                if (took_s := reactor.seconds() - asked_at) < QUICK_S:
                    return took_s
            else:
                lock.release()

    async def is_back(self, locks: RedisLocks | None = None) -> IProcessLock:
        """Wait until locks can be taken again; return one."""
        end = reactor.seconds() + 10.0
        while reactor.seconds() < end:
            try:
                return await (locks or self.locks_).take("back", 5.0)
            except LocksUnavailable:
                await passes(0.01)
        raise AssertionError("it never came back")


async def assert_survives_cuts(case: OutageCase) -> None:
    """Cut the connections again and again while a lock is held."""
    lock = await case.locks_.take("x", 1.0)
    for _ in range(5):
        case.proxy_.cut()
        await passes(0.2)
        lock.require_held()
    (await case.locks_.take("y", 0.0)).release()
    lock.release()
    (await case.other.take("x", 0.2)).release()


async def assert_survives_flaps(case: OutageCase) -> None:
    """Let connections end at their first word for a while."""
    case.proxy_.cuts_at_first_byte = True
    before = case.proxy_.accepted
    case.proxy_.cut()
    await until(lambda: case.proxy_.accepted > before + 6, "it tries again")
    await case.is_lost()
    case.proxy_.cuts_at_first_byte = False
    await case.is_back()


class CutTests(OutageCase):
    """Connections that end."""

    async def test_cut(self) -> None:
        """A cut that is mended costs nobody a lock, and hardly time."""
        await assert_survives_cuts(self)

    async def test_ping(self) -> None:
        """Whoever wants to know is told whether Redis can be reached."""
        locker = SharedLocker(reactor, self.locks_)
        verifyObject(IReachable, locker)
        await locker.ping()
        self.proxy_.cuts_at_first_byte = True
        self.proxy_.cut()
        await self.is_lost()
        await self.assertFailure(
            Deferred.fromCoroutine(locker.ping()), LocksUnavailable
        )

    async def test_cut_while_asking(self) -> None:
        """A question whose connection breaks is asked again."""
        for number in range(5):
            asking = self.locks_.take(f"x{number}", 1.0)
            await passes(0.0002 * number)
            self.proxy_.cut()
            (await asking).release()

    async def test_cut_while_waiting(self) -> None:
        """A waiter survives a cut, and messages reach it again."""
        lock = await self.other.take("x", 1.0)
        waiting = self.locks_.take("x", 10.0)
        await passes(0.05)
        self.proxy_.cut()
        await passes(0.4)
        self.assertFalse(waiting.called)
        lock.release()
        began = reactor.seconds()
        (await waiting).release()
        self.assertLess(reactor.seconds() - began, 0.15)

    async def test_cut_while_releasing(self) -> None:
        """A release whose connection breaks is repeated."""
        lock = await self.locks_.take("x", 1.0)
        lock.release()
        self.proxy_.cut()
        (await self.other.take("x", self.ttl_s / 2)).release()

    async def test_wishes_after_a_cut(self) -> None:
        """The holder hears wishes by its new connection."""
        lock = await self.locks_.take("x", 1.0)
        self.proxy_.cut()
        await passes(0.3)
        waiting = self.other.take("x", 5.0)
        await until(lambda: self.wishes == ["x"], "the wish is heard")
        lock.release()
        (await waiting).release()

    async def test_flap(self) -> None:
        """
        Connections that end during AUTH or SELECT, again and again, do not end the
        client for good (txredisapi's issue 146).
        """
        await assert_survives_flaps(self)

    async def test_refused(self) -> None:
        """While nobody listens everybody learns that at once; then all is well."""
        lock = await self.locks_.take("x", 1.0)
        await self.proxy_.refuse()
        self.assertLess(await self.is_lost(), QUICK_S)
        await passes(self.ttl_s * 0.95)
        self.assertRaises(LockLost, lock.require_held)
        self.proxy_.start()
        await self.is_back()
        lock.release()

    async def test_log(self) -> None:
        """An outage is one warning, and its end is one line."""
        with capturedLogs() as events:
            await self.proxy_.refuse()
            await passes(0.4)
            self.proxy_.start()
            await self.is_back()
        told = [e for e in events if e["log_namespace"].startswith("tustwisted")]
        levels = [e["log_level"] for e in told if e["log_level"] > LogLevel.debug]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info])


class CutWithPasswordTests(OutageCase):
    """The same with a password, so that every connection begins with AUTH."""

    password = "secret"

    async def test_cut(self) -> None:
        """A cut that is mended costs nobody a lock."""
        await assert_survives_cuts(self)

    async def test_flap(self) -> None:
        """Connections that end during AUTH do not end the client for good."""
        await assert_survives_flaps(self)


class SilenceTests(OutageCase):
    """A Redis, or a network, that says nothing."""

    async def test_frozen_while_holding(self) -> None:
        """A lock ends at its deadline when Redis hangs, not before."""
        began = reactor.seconds()
        lock = await self.locks_.take("x", 1.0)
        self.valkey.freeze()
        lost = lock.when_lost()
        await passes(self.ttl_s * 0.8)
        lock.require_held()
        await lost
        self.assertLess(reactor.seconds() - began, self.ttl_s)
        self.valkey.thaw()
        await self.is_back()

    async def test_short_freeze(self) -> None:
        """A Redis that hangs for a moment costs nothing."""
        lock = await self.locks_.take("x", 1.0)
        self.valkey.freeze()
        await passes(self.ttl_s / 3)
        self.valkey.thaw()
        await passes(self.ttl_s)
        lock.require_held()

    async def test_frozen_while_asking(self) -> None:
        """A question to a hanging Redis fails within its reply timeout and a little."""
        self.proxy_.freeze()
        began = reactor.seconds()
        with self.assertRaises(LocksUnavailable):
            await self.locks_.take("x", 20.0)
        self.assertLess(reactor.seconds() - began, 1.0 + 0.4)
        self.assertLess(await self.is_lost(), QUICK_S)
        self.proxy_.thaw()
        self.proxy_.cut()
        await self.is_back()

    async def test_reply_swallowed(self) -> None:
        """What was granted without a word does not stay."""
        self.proxy_.passes_replies = False
        with self.assertRaises(LocksUnavailable):
            await self.locks_.take("x", 20.0)
        self.proxy_.thaw()
        self.proxy_.cut()
        (await self.other.take("x", 1.5)).release()

    async def test_silent_ears(self) -> None:
        """A subscription that died in silence is found out, and made anew."""
        await passes(0.1)
        # Nothing is asked, so only the pings can notice.
        self.proxy_.freeze()
        accepted = self.proxy_.accepted
        await until(lambda: self.proxy_.accepted >= accepted + 2, "both try again")
        self.proxy_.thaw()
        self.proxy_.cut()
        await self.is_back()
        lock = await self.locks_.take("x", 1.0)
        waiting = self.other.take("x", 5.0)
        await until(lambda: self.wishes == ["x"], "the wish is heard")
        lock.release()
        (await waiting).release()


class ForgetfulTests(OutageCase):
    """A Redis that comes back and knows nothing."""

    async def assert_waits(self, lock: IProcessLock, forgot_at: float) -> None:
        """Nobody else gets the upload for one lease, nor before its holder lost it."""
        while True:
            try:
                taken = await self.other.take("x", 10.0)
                break
            except LocksUnavailable:
                await passes(0.01)
        self.assertGreaterEqual(reactor.seconds() - forgot_at, self.ttl_s * 0.99)
        self.assertRaises(LockLost, lock.require_held)
        taken.require_held()
        lock.release()
        taken.require_held()

    async def test_restarted(self) -> None:
        """A server that was killed and started again waits for one lease."""
        lock = await self.locks_.take("x", 1.0)
        self.valkey.kill()
        killed_at = reactor.seconds()
        self.valkey.start()
        lock.require_held()
        await self.assert_waits(lock, killed_at)

    async def test_emptied(self) -> None:
        """So does one that was emptied."""
        lock = await self.locks_.take("x", 1.0)
        self.valkey.command("FLUSHALL")
        await self.assert_waits(lock, reactor.seconds())

    async def test_full(self) -> None:
        """A server without memory is one warning; who asks is told at once."""
        self.valkey.command("CONFIG", "SET", "maxmemory", "1")
        with capturedLogs() as events:
            for _ in range(3):
                with self.assertRaises(LocksUnavailable):
                    await self.locks_.take("x", 5.0)
        reasons = [event["reason"] for event in events if "reason" in event]
        self.assertEqual([reason[:3] for reason in reasons], ["OOM"])
        self.valkey.command("CONFIG", "SET", "maxmemory", "0")
        (await self.locks_.take("x", 0.0)).release()

    async def test_other_password(self) -> None:
        """A password that is no longer right is named in the log, once."""
        with capturedLogs() as events:

            def problems() -> list[str]:
                return [event["problem"] for event in events if "problem" in event]

            self.valkey.command("CONFIG", "SET", "requirepass", "new")
            self.proxy_.cut()
            await until(lambda: bool(problems()), "the problem is told")
            await passes(1.0)
        self.assertEqual(len(problems()), 1)
        self.assertIn("password", problems()[0])

    async def test_scripts_forgotten(self) -> None:
        """A server that forgot only the scripts is told them again."""
        lock = await self.locks_.take("x", 1.0)
        self.valkey.command("SCRIPT", "FLUSH")
        await passes(self.ttl_s * 1.5)
        lock.require_held()
        (await self.locks_.take("y", 0.0)).release()

    async def test_stop_without_redis(self) -> None:
        """The end does not need a Redis."""
        await self.locks_.take("x", 1.0)
        self.valkey.kill()
        began = reactor.seconds()
        await self.locks_.stop()
        await self.other.stop()
        self.assertLess(reactor.seconds() - began, 1.0)

    async def test_stop_closes_everything(self) -> None:
        """After the end there are no connections, and no locks."""
        await self.locks_.take("x", 1.0)
        await self.locks_.stop()
        (await self.other.take("x", 0.0)).release()
        await self.other.stop()
        await until(lambda: clients(self.valkey) == 1, "all are gone")
