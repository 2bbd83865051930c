"""The hook that adds to a stream, with a real Redis that comes and goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.integration.daemon import free_port
from tests.lock.redis.real import RealCase, passes, until
from tests.lock.redis.test_start import clients
from tests.valkey import Valkey
from tustwisted.errors import CannotStart, HookUnusable
from tustwisted.hooks.redis_stream import (
    REPLY_TIMEOUT_S,
    RedisStreamHook,
    StreamFailed,
)
from tustwisted.hooks.wire import decode_event, without_secrets
from tustwisted.interfaces import IHook
from tustwisted.lock.redis.url import parse_redis_url
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo

SECRET = "s3cret"


def event(number: int = 1, type: EventType = EventType.POST_FINISH) -> Event:
    """Make an event of an upload, with a secret in its request."""
    headers = {"Authorization": (SECRET,), "X-Other": ("x",)}
    request = RequestInfo("PATCH", "/files/u1", "192.0.2.7:1", headers)
    sequence = number if type.is_durable else None
    return Event(type, f"e{number}", UploadInfo("u1", 9), request, "u1", sequence)


class StreamCase(RealCase):
    """Has hooks that add to one stream."""

    stream = "events"

    def hook(self, url: str, **options: Any) -> RedisStreamHook:
        """Make one; it is stopped after the test."""
        hook = RedisStreamHook(
            reactor, parse_redis_url(url), self.stream, frozenset(EventType), **options
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(hook.stop()))
        return hook

    async def started(self, url: str, **options: Any) -> RedisStreamHook:
        """Start one."""
        hook = self.hook(url, **options)
        await hook.start()
        return hook

    def entries(self, valkey: Valkey) -> list[dict[str, bytes]]:
        """Read the stream."""
        found = []
        for entry in _list(valkey.command("XRANGE", self.stream, "-", "+")):
            words = _list(_list(entry)[1])
            pairs = zip(words[::2], words[1::2], strict=True)
            found.append({name.decode(): value for name, value in pairs})
        return found


class EntryTests(StreamCase):
    """What stands in the stream."""

    async def test_provides(self) -> None:
        """It is a hook, which wants to hear of nothing that it could refuse."""
        hook = self.hook(self.serve().url)
        verifyObject(IHook, hook)
        self.assertEqual(
            {each.value for each in hook.events},
            {
                "post-create",
                "post-receive",
                "post-finish",
                "post-terminate",
                "post-expire",
            },
        )

    async def test_entry(self) -> None:
        """An event is one entry, with its facts and its JSON, but without secrets."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        self.assertEqual(valkey.command("EXISTS", "events"), 0)
        await hook.tell(event(7))
        (entry,) = self.entries(valkey)
        content = entry.pop("json")
        self.assertEqual(
            entry,
            {"type": b"post-finish", "id": b"e7", "upload": b"u1", "sequence": b"7"},
        )
        self.assertEqual(decode_event(content), without_secrets(event(7), ()))
        self.assertNotIn(SECRET.encode(), content)

    async def test_progress(self) -> None:
        """What comes in between has no place in the order, and no answer."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        await hook.ask(event(2, EventType.POST_RECEIVE))
        (entry,) = self.entries(valkey)
        self.assertEqual((entry["type"], entry["sequence"]), (b"post-receive", b""))

    async def tell_all(self, hook: RedisStreamHook, numbers: Iterable[int]) -> None:
        """Tell of many events at once."""
        await gatherResults(
            [Deferred.fromCoroutine(hook.tell(event(number))) for number in numbers]
        )

    async def test_order(self) -> None:
        """Entries stand in the order in which they were told."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        await self.tell_all(hook, range(100))
        ids = [entry["id"].decode() for entry in self.entries(valkey)]
        self.assertEqual(ids, [f"e{n}" for n in range(100)])

    async def test_name(self) -> None:
        """A stream may be called as people call things."""
        self.stream = "hochgeladen größer als: 1"
        valkey = self.serve()
        await (await self.started(valkey.url)).tell(event())
        self.assertEqual(len(self.entries(valkey)), 1)

    async def test_bounded(self) -> None:
        """The stream keeps about as many as it should, the newest ones."""
        valkey = self.serve()
        hook = await self.started(valkey.url, max_length=100)
        for begin in range(0, 1000, 100):
            many = range(begin, begin + 100)
            await gatherResults(
                [Deferred.fromCoroutine(hook.tell(event(n))) for n in many]
            )
        entries = self.entries(valkey)
        self.assertTrue(100 <= len(entries) <= 300, len(entries))
        self.assertEqual(entries[-1]["id"], b"e999")


class StartTests(StreamCase):
    """Where it can work, and where not."""

    async def refused(self, url: str, *words: str) -> None:
        """The start ends with one sentence, and leaves no connection."""
        hook = self.hook(url, start_timeout_s=1.2)
        with self.assertRaises(HookUnusable) as caught:
            await hook.start()
        self.assertIsInstance(caught.exception, CannotStart)
        sentence = str(caught.exception)
        self.assertTrue(sentence.startswith("--hooks-redis-stream events: "), sentence)
        for word in words:
            self.assertIn(word, sentence)
        for secret in (SECRET, "wrong"):
            self.assertNotIn(secret, sentence)

    async def test_nobody_listens(self) -> None:
        """A Redis that is not there ends the start, as it does that of locks."""
        await self.refused(f"redis://127.0.0.1:{free_port()}", "nobody listens there")

    async def test_wrong_password(self) -> None:
        """A wrong password."""
        valkey = self.serve(password=SECRET)
        await self.refused(valkey.url.replace(SECRET, "wrong"), "password", "correct")

    async def test_no_such_database(self) -> None:
        """A database that is not there."""
        await self.refused(self.serve().url + "/99", "no database 99")

    async def test_no_tls(self) -> None:
        """A Redis that speaks no TLS."""
        port = self.serve().port
        await self.refused(f"rediss://127.0.0.1:{port}", "redis://")

    async def test_replica(self) -> None:
        """A replica, which takes no writes."""
        valkey = self.serve()
        valkey.command("REPLICAOF", "127.0.0.1", str(free_port()))
        await self.refused(valkey.url, "replica")

    async def test_no_stream(self) -> None:
        """A key that is something else."""
        valkey = self.serve()
        valkey.command("SET", "events", "x")
        await self.refused(valkey.url, "no stream")

    async def test_no_permission(self) -> None:
        """A user who may not add to it."""
        for rights in ("-xadd ~*", "~other"):
            valkey = self.serve(users=[f"ann on >{SECRET} +@all {rights} &*"])
            await self.refused(valkey.url.replace("//", f"//ann:{SECRET}@"), "may not")

    async def test_frozen(self) -> None:
        """A Redis that says nothing."""
        valkey = self.serve()
        valkey.freeze()
        await self.refused(valkey.url, "does not answer")

    async def test_cancelled(self) -> None:
        """A start that nobody waits for any more leaves no connection."""
        valkey = self.serve()
        valkey.freeze()
        starting = Deferred.fromCoroutine(self.hook(valkey.url).start())
        await passes(0.1)
        starting.cancel()
        with self.assertRaises(CancelledError):
            await starting
        valkey.thaw()
        await until(lambda: clients(valkey) == 1, "only the one who asks is there")

    async def test_rights(self) -> None:
        """A user who may do just what is needed, in another database."""
        rights = "+xadd +ping +select ~events"
        valkey = self.serve(users=[f"ann on >{SECRET} {rights}"])
        hook = await self.started(valkey.url.replace("//", f"//ann:{SECRET}@") + "/2")
        await hook.tell(event())


class OutageTests(StreamCase):
    """A Redis that goes away."""

    timeout = 60

    async def problem(self, hook: RedisStreamHook) -> str:
        """Tell of an event, which fails; return the sentence."""
        try:
            await hook.tell(event())
        except StreamFailed as error:
            return str(error)
        raise AssertionError("it was told")

    async def comes_back(self, hook: RedisStreamHook) -> None:
        """Tell of an event until that succeeds."""
        end = reactor.seconds() + 10.0
        while reactor.seconds() < end:
            try:
                await hook.tell(event(2))
            except StreamFailed:
                await passes(0.01)
            else:
                return
        raise AssertionError("it never came back")

    async def test_down_and_back(self) -> None:
        """While it is down all fails at once; then it goes on by itself."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        with capturedLogs() as logged:
            valkey.kill()
            await until(lambda: _says(logged, "is lost"), "the outage is told")
            began = reactor.seconds()
            self.assertIn("cannot add to this stream", await self.problem(hook))
            await hook.ask(event(1, EventType.POST_RECEIVE))
            self.assertLess(reactor.seconds() - began, 1.0)
            valkey.start()
            await self.comes_back(hook)
        self.assertTrue(_says(logged, "is back"))
        self.assertEqual([entry["id"] for entry in self.entries(valkey)], [b"e2"])

    async def test_frozen(self) -> None:
        """One that hangs is given up in time, and used again when it answers."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        valkey.freeze()
        self.addCleanup(valkey.thaw)
        began = reactor.seconds()
        self.assertIn("does not answer", await self.problem(hook))
        self.assertLess(reactor.seconds() - began, REPLY_TIMEOUT_S + 1.0)
        valkey.thaw()
        await self.comes_back(hook)
        self.assertEqual(self.entries(valkey)[-1]["id"], b"e2")

    async def test_becomes_a_replica(self) -> None:
        """One that takes no more writes is looked for anew, until it does."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        valkey.command("REPLICAOF", "127.0.0.1", str(free_port()))
        self.assertIn("replica", await self.problem(hook))
        await passes(0.3)
        self.assertIn("cannot add", await self.problem(hook))
        valkey.command("REPLICAOF", "NO", "ONE")
        await self.comes_back(hook)

    async def test_full(self) -> None:
        """One that has no more memory says so, also of what need not be told."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        valkey.command("CONFIG", "SET", "maxmemory", "1")
        self.assertIn("OOM", await self.problem(hook))
        with self.assertRaises(StreamFailed):
            await hook.ask(event(1, EventType.POST_RECEIVE))

    async def test_stop(self) -> None:
        """After a stop nothing is added; it may be started again."""
        valkey = self.serve()
        hook = await self.started(valkey.url)
        await hook.stop()
        await self.problem(hook)
        await hook.start()
        await hook.tell(event(2))
        self.assertEqual(len(self.entries(valkey)), 1)


def _list(reply: Any) -> list[Any]:
    assert isinstance(reply, list)
    return reply


def _says(logged: Any, words: str) -> bool:
    return any(words in entry["log_format"] for entry in logged)
