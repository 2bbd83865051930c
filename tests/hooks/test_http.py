"""Hooks by HTTP, over sockets, with a receiver that may behave badly."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.certificates import Authority
from tests.hooks.receiver import (
    Call,
    Receiver,
    endless,
    hang,
    raw,
    reply,
    response,
    slowly,
)
from tustwisted.errors import EventRefused, HookUnusable
from tustwisted.hooks.address import parse_hook_url
from tustwisted.hooks.http import HookCallFailed, HttpHook
from tustwisted.hooks.retry import RetryRule
from tustwisted.hooks.rules import HttpRules
from tustwisted.hooks.signature import verify
from tustwisted.hooks.wire import decode_event
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo

LIMIT_S = 20.0

REQUEST = RequestInfo(
    "POST",
    "/files/",
    "192.0.2.7:49152",
    {"Authorization": ("Bearer a",), "X-Two": ("b", "c"), "Connection": ("close",)},
)

ASKED = Event(EventType.PRE_CREATE, "ask-1", UploadInfo("abc", 5), REQUEST)
TOLD = Event(EventType.POST_FINISH, "tell-1", UploadInfo("abc", 5), None, "abc", 2)

RULES = HttpRules(retry=RetryRule(3, 0.01), timeout_s=LIMIT_S)


class HttpHookCase(TestCase):
    """A receiver, and hooks that call it."""

    timeout = LIMIT_S

    def setUp(self) -> None:
        """Start a receiver."""
        self.receiver = Receiver()
        self.receiver.start()
        self.addCleanup(lambda: deferToThread(self.receiver.stop))

    async def hook(self, rules: HttpRules = RULES, url: str = "") -> HttpHook:
        """Start a hook, which is stopped at the end."""
        hook = HttpHook(
            reactor,
            parse_hook_url(url or self.receiver.url),
            frozenset(EventType),
            rules,
        )
        await hook.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(hook.stop()))
        return hook

    async def assert_fails(
        self, work: Coroutine[Deferred[Any], Any, object], sentence: str
    ) -> None:
        """The call fails with a sentence that says so."""
        try:
            await work
        except HookCallFailed as error:
            self.assertIn(sentence, str(error))
        else:
            self.fail("it was taken")

    async def until_left(self, call: Call) -> None:
        """Wait until the other side has left."""
        self.assertTrue(await deferToThread(call.left.wait, LIMIT_S))


class AskTests(HttpHookCase):
    """What is asked, and what is made of the answer."""

    async def test_provides(self) -> None:
        """It is a hook, and its name shows nothing of its URL."""
        hook = await self.hook()
        verifyObject(IHook, hook)
        self.assertRegex(hook.name, r"\Ahttp-[0-9a-f]{12}\Z")

    async def test_asks(self) -> None:
        """An event is posted as JSON, and the answer is what the reply says."""
        hook = await self.hook()
        self.receiver.plan(
            reply({"RejectUpload": True, "HTTPResponse": {"StatusCode": 403}})
        )
        answer = await hook.ask(ASKED)
        self.assertEqual(answer, Answer(HttpAnswer(403), reject=True))
        [call] = self.receiver.calls
        self.assertEqual(call.head, "POST /hooks HTTP/1.1")
        self.assertEqual(call.headers["content-type"], "application/json")
        self.assertEqual(call.headers["idempotency-key"], "ask-1")
        self.assertRegex(call.headers["user-agent"], "^tustwisted/")
        self.assertEqual(decode_event(call.body), ASKED)

    async def test_says_nothing(self) -> None:
        """No body, or an empty object, is an answer that says nothing."""
        hook = await self.hook()
        self.receiver.plan(reply(), reply({}), reply(status=204))
        for _ in range(3):
            self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_connection_is_kept(self) -> None:
        """Calls one after the other share a connection, whatever they ended with."""
        hook = await self.hook()
        self.receiver.plan(reply(), reply(status=404), reply(content=b"garbage"))
        for _ in range(3):
            with contextlib.suppress(HookCallFailed):
                await hook.ask(ASKED)
        await hook.tell(TOLD)
        self.assertEqual(self.receiver.connections, 1)

    async def test_forwards_headers(self) -> None:
        """Headers that are chosen are sent on, line by line, and no others."""
        hook = await self.hook(evolve(RULES, forward_headers=("x-two", "X-None")))
        await hook.ask(ASKED)
        [call] = self.receiver.calls
        self.assertEqual(call.headers["x-two"], "b, c")
        self.assertNotIn("authorization", call.headers)
        self.assertNotIn("x-none", call.headers)

    async def test_credentials(self) -> None:
        """User and password of the URL are sent as a header."""
        url = self.receiver.url.replace("//", "//anna:pass@")
        await (await self.hook(url=url)).ask(ASKED)
        [call] = self.receiver.calls
        self.assertEqual(call.headers["authorization"], "Basic YW5uYTpwYXNz")

    async def test_forwarded_credentials(self) -> None:
        """What the client shows goes before the user of the URL, as in tusd."""
        url = self.receiver.url.replace("//", "//anna:pass@")
        rules = evolve(RULES, forward_headers=("Authorization",))
        await (await self.hook(rules, url)).ask(ASKED)
        [call] = self.receiver.calls
        self.assertEqual(call.headers["authorization"], "Bearer a")

    async def test_garbage(self) -> None:
        """An answer that cannot be used is a failure, and is not asked for again."""
        hook = await self.hook()
        for content in (b"<html>", b"[]", b'{"HTTPResponse": {"StatusCode": 99}}'):
            self.receiver.plan(reply(content=content))
            await self.assert_fails(hook.ask(ASKED), "its answer cannot be used: ")
        self.assertEqual(len(self.receiver.calls), 3)

    async def test_other_statuses(self) -> None:
        """What is not 2xx is a failure; a redirect is not followed."""
        hook = await self.hook()
        location = f"Location: {self.receiver.url}\r\n"
        for status in (302, 307, 400, 404):
            self.receiver.plan(reply({}, status, headers=location))
            await self.assert_fails(hook.ask(ASKED), f"it answered {status}")
        self.assertEqual(len(self.receiver.calls), 4)

    async def test_shows_no_secrets(self) -> None:
        """A failure names the URL without password and query."""
        url = self.receiver.url.replace("//", "//anna:pass@") + "?token=abc"
        self.receiver.plan(reply(status=404))
        await self.assert_fails(
            (await self.hook(url=url)).ask(ASKED),
            f"{self.receiver.url}: it answered 404",
        )


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
            self.assertLess(time.monotonic() - began_s, 2)
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


class TellTests(HttpHookCase):
    """What is told, and who took note of it."""

    async def test_taken(self) -> None:
        """2xx is taken note of, whatever the reply says."""
        hook = await self.hook()
        self.receiver.plan(reply(status=202, content=b"<html>"))
        await hook.tell(TOLD)
        [call] = self.receiver.calls
        self.assertEqual(decode_event(call.body), TOLD)

    async def test_refused(self) -> None:
        """4xx will never be taken note of, and is not told again."""
        hook = await self.hook()
        for status in (400, 404, 410, 422):
            self.receiver.plan(reply(status=status))
            try:
                await hook.tell(TOLD)
            except EventRefused as error:
                self.assertIn(f"answered {status}", str(error))
            else:
                self.fail("it was taken")
        self.assertEqual(len(self.receiver.calls), 4)

    async def test_later(self) -> None:
        """Anything else is told again later."""
        hook = await self.hook(evolve(RULES, retry=RetryRule(1)))
        for status in (301, 408, 425, 429, 500, 503):
            self.receiver.plan(reply(status=status))
            await self.assert_fails(hook.tell(TOLD), f"it answered {status}")


class SecretTests(HttpHookCase):
    """The signature."""

    def _secret_file(self, content: bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    async def test_signed(self) -> None:
        """Each attempt is signed by the first secret of the file."""
        secret = b"first secret, long enough"
        path = self._secret_file(secret + b"\nsecond secret, as long\n")
        hook = await self.hook(evolve(RULES, secret_file=path))
        self.receiver.plan(reply(status=500), reply({}))
        await hook.ask(ASKED)
        self.assertEqual(len(self.receiver.calls), 2)
        for call in self.receiver.calls:
            verify(
                call.headers["tustwisted-signature"], call.body, [secret], time.time()
            )

    async def test_unusable(self) -> None:
        """Without a secret that can be used it does not start."""
        for path, sentence in (
            (self._secret_file(b"short"), "at least 16 bytes"),
            ("/nonexistent/secret", "No such file"),
        ):
            try:
                await self.hook(evolve(RULES, secret_file=path))
            except HookUnusable as error:
                self.assertIn(sentence, str(error))
                self.assertIn(f"--hooks-http-secret-file {path}", str(error))
            else:
                self.fail("it was started")


class TLSTests(HttpHookCase):
    """https."""

    def setUp(self) -> None:
        """Make an authority that is not trusted yet."""
        place = Path(self.mktemp())
        place.mkdir()
        authority = Authority.new()
        authority.save(place / "authority")
        authority.server(place, "127.0.0.1")
        self.certificate = place / "authority"
        self.receiver = Receiver(tls=place)
        self.receiver.start()
        self.addCleanup(lambda: deferToThread(self.receiver.stop))

    async def test_trusted(self) -> None:
        """A private authority is trusted when SSL_CERT_FILE names it."""
        before = os.environ.get("SSL_CERT_FILE")
        self.addCleanup(_set_trusted, before)
        _set_trusted(str(self.certificate))
        hook = await self.hook()
        self.assertEqual(await hook.ask(ASKED), Answer())

    async def test_not_trusted(self) -> None:
        """Another one is not."""
        hook = await self.hook()
        await self.assert_fails(hook.ask(ASKED), "certificate verify failed")
        self.assertEqual(self.receiver.calls, [])


def _set_trusted(path: str | None) -> None:
    if path is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = path
