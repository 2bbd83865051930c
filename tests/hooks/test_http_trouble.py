"""What a hook by HTTP does when its receiver is slow, says too much, or fails."""

from __future__ import annotations

import time

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.threads import deferToThread

from tests.hooks.http_case import ASKED, LIMIT_S, RULES, TOLD, HttpHookCase
from tests.hooks.receiver import (
    endless,
    forever,
    hang,
    raw,
    reply,
    response,
    slowly,
)
from tustwisted.hooks.http import HookCallFailed
from tustwisted.hooks.retry import RetryRule
from tustwisted.protocol.answers import Answer


class LimitTests(HttpHookCase):
    """What is too much, or takes too long."""

    async def test_size(self) -> None:
        """A reply may be as long as the limit, and not a byte longer."""
        hook = await self.hook(evolve(RULES, reply_limit_bytes=100))
        self.receiver.plan(reply(content=b" " * 100), reply(content=b" " * 101))
        self.assertEqual(await hook.ask(ASKED), Answer())
        await self.assert_fails(hook.ask(ASKED), "longer than 100 bytes")
        self.assertEqual(len(self.receiver.calls), 2)

    async def test_endless(self) -> None:
        """A reply without an end is left."""
        hook = await self.hook()
        self.receiver.plan(endless)
        await self.assert_fails(hook.ask(ASKED), "longer than 5120 bytes")
        await self.until_left(self.receiver.calls[0])

    async def test_endless_head(self) -> None:
        """So is one whose body never begins, of which nothing piles up."""
        hook = await self.hook(evolve(RULES, retry=RetryRule(1)))
        for begin, unit in (
            (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
            (b"HTTP/1.1 200 OK\r\nX-A: a\r\n", b" " + b"a" * 1000 + b"\r\n"),
            (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
        ):
            self.receiver.plan(forever(begin, unit))
            await self.assert_fails(hook.ask(ASKED), "exceeds 16384 bytes")
            await self.until_left(self.receiver.calls[-1])

    async def test_long_head(self) -> None:
        """Many headers, and a long body with them, are an answer on each connection."""
        hook = await self.hook(evolve(RULES, reply_limit_bytes=1_000_000))
        headers = "".join(f"X-{i}: {'a' * 100}\r\n" for i in range(100))
        long = reply(content=b"{}" + b" " * 500_000, headers=headers)
        self.receiver.plan(long, long)
        for _ in range(2):
            self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_cut_off(self) -> None:
        """
        An answer that may have been cut off before it began is none.

        To who is told it is as good as any: it has a status.
        """
        hook = await self.hook()
        for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
            self.receiver.plan(raw(head))
            await self.assert_fails(hook.ask(ASKED), "may have been cut off")
            self.receiver.plan(raw(head))
            await hook.tell(TOLD)
        self.receiver.plan(raw(b"HTTP/1.0 200 OK\r\n\r\n{}"))
        self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_told_too_much(self) -> None:
        """Who is told may reply what he likes: it is not read, nor an error."""
        hook = await self.hook()
        self.receiver.plan(endless)
        await hook.tell(TOLD)
        await self.until_left(self.receiver.calls[0])

    async def test_slow(self) -> None:
        """A reply that comes byte by byte is an answer."""
        hook = await self.hook()
        content = response(b'{"RejectUpload": true}')
        self.receiver.plan(slowly(content, 0.001))
        self.assertEqual(await hook.ask(ASKED), Answer(reject=True))

    async def test_too_slow(self) -> None:
        """The time is limited from the first attempt to the last byte."""
        hook = await self.hook(evolve(RULES, timeout_s=0.3))
        for act in (hang, slowly(response(b"{}" + b" " * 200), 0.02)):
            self.receiver.plan(act)
            began_s = time.monotonic()
            await self.assert_fails(hook.ask(ASKED), "no answer within 0.3 s")
            self.assertLess(time.monotonic() - began_s, LIMIT_S / 2)
        await self.until_left(self.receiver.calls[0])

    async def test_client_leaves(self) -> None:
        """A question that is cancelled is taken back at once."""
        hook = await self.hook()
        self.receiver.plan(hang)
        asking = Deferred.fromCoroutine(hook.ask(ASKED))
        await deferToThread(self._until_called)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        await self.until_left(self.receiver.calls[0])

    async def test_stop(self) -> None:
        """A stop ends what is going on, and it may be started again."""
        hook = await self.hook()
        self.receiver.plan(hang)
        asking = Deferred.fromCoroutine(hook.ask(ASKED))
        await deferToThread(self._until_called)
        await hook.stop()
        error = self.failureResultOf(asking, HookCallFailed).value
        self.assertIn("the server stops", str(error))
        await self.until_left(self.receiver.calls[0])
        await hook.start()
        self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_in_flight(self) -> None:
        """So many calls are made at a time; the others wait for their turn."""
        hook = await self.hook(evolve(RULES, max_in_flight=2))
        self.receiver.answer = lambda _: slowly(response(b"{}"), 0.001)
        asking = [Deferred.fromCoroutine(hook.ask(ASKED)) for _ in range(6)]
        await gatherResults(asking)
        self.assertEqual(self.receiver.connections, 2)

    async def test_wait_for_a_turn(self) -> None:
        """The wait for a turn is a part of the time, and leaves nothing behind."""
        hook = await self.hook(evolve(RULES, max_in_flight=1, timeout_s=0.3))
        self.receiver.plan(hang)
        asking = [Deferred.fromCoroutine(hook.ask(ASKED)) for _ in range(3)]
        for waiting in asking:
            try:
                await waiting
            except HookCallFailed as error:
                self.assertIn("within 0.3 s", str(error))
        self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_asked_before_told(self) -> None:
        """Who is asked gets his turn while many wait to be told."""
        hook = await self.hook(evolve(RULES, max_in_flight=2))
        self.receiver.plan(hang)
        telling = [Deferred.fromCoroutine(hook.tell(TOLD)) for _ in range(5)]
        await deferToThread(self._until_called)
        self.assertEqual(await hook.ask(ASKED), Answer())
        self.assertEqual(len(self.receiver.calls), 2)
        await hook.stop()
        for waiting in telling:
            self.failureResultOf(waiting, HookCallFailed)

    def _until_called(self) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not self.receiver.calls and time.monotonic() < end_s:
            time.sleep(0.005)


class RetryTests(HttpHookCase):
    """What is tried again."""

    async def test_over_soon(self) -> None:
        """5xx, 429, and a connection that breaks are tried again, with the same key."""
        hook = await self.hook()
        half = response(b'{"RejectUpload": true}')[:-5]
        for act in (reply(status=500), reply(status=429), raw(b""), raw(half)):
            self.receiver.calls.clear()
            self.receiver.plan(act, reply({"RejectUpload": True}))
            self.assertEqual(await hook.ask(ASKED), Answer(reject=True))
            keys = [call.headers["idempotency-key"] for call in self.receiver.calls]
            self.assertEqual(keys, ["ask-1", "ask-1"])

    async def test_no_http(self) -> None:
        """Who speaks something else has not answered."""
        hook = await self.hook(evolve(RULES, retry=RetryRule(2, 0.01)))
        self.receiver.answer = lambda _: raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        await self.assert_fails(hook.ask(ASKED), self.receiver.url)
        self.assertEqual(len(self.receiver.calls), 2)

    async def test_attempts(self) -> None:
        """So many attempts are made in total."""
        hook = await self.hook()
        self.receiver.answer = lambda _: reply(status=503)
        await self.assert_fails(hook.ask(ASKED), "it answered 503")
        self.assertEqual(len(self.receiver.calls), 3)

    async def test_retry_after(self) -> None:
        """A wait that is asked for is kept."""
        hook = await self.hook()
        self.receiver.plan(reply(status=429, headers="Retry-After: 1\r\n"), reply({}))
        self.assertEqual(await hook.ask(ASKED), Answer())
        first, second = self.receiver.calls
        self.assertGreater(second.at_s - first.at_s, 0.95)

    async def test_retry_after_too_long(self) -> None:
        """One that is longer than the time is not begun."""
        hook = await self.hook()
        self.receiver.plan(reply(status=503, headers="Retry-After: 3600\r\n"))
        await self.assert_fails(hook.ask(ASKED), "it answered 503")
        self.assertEqual(len(self.receiver.calls), 1)

    async def test_nobody_there(self) -> None:
        """Nobody listens, and then somebody does."""
        hook = await self.hook(evolve(RULES, retry=RetryRule(9, 0.05)))
        await deferToThread(self.receiver.stop)
        asking = Deferred.fromCoroutine(hook.ask(ASKED))
        await deferToThread(time.sleep, 0.1)
        self.receiver.start()
        self.assertEqual(await asking, Answer())

    async def test_never_there(self) -> None:
        """That nobody listens is said so."""
        hook = await self.hook()
        await deferToThread(self.receiver.stop)
        await self.assert_fails(hook.ask(ASKED), "refused")

    async def test_kept_connection_is_gone(self) -> None:
        """A kept connection that was closed meanwhile costs no attempt."""
        hook = await self.hook(evolve(RULES, retry=RetryRule(1)))
        await hook.ask(ASKED)
        # Only then, so that this side cannot know of it when it calls again.
        self.receiver.plan(raw(b""), reply({"RejectUpload": True}))
        self.assertEqual(await hook.ask(ASKED), Answer(reject=True))
        self.assertEqual(self.receiver.connections, 2)
