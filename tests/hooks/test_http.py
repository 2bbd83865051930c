"""Hooks by HTTP, over sockets, with a receiver that may behave badly."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from attrs import evolve
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.certificates import Authority
from tests.hooks.http_case import ASKED, RULES, TOLD, HttpHookCase
from tests.hooks.receiver import Receiver, raw, reply, response
from tustwisted.errors import EventRefused, HookUnusable
from tustwisted.hooks.http import HookCallFailed
from tustwisted.hooks.retry import RetryRule
from tustwisted.hooks.signature import verify
from tustwisted.hooks.wire import decode_event
from tustwisted.interfaces import IHook, IRereads
from tustwisted.protocol.answers import Answer, HttpAnswer


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

    async def test_browses_not(self) -> None:
        """Nothing is unpacked, and no cookie is brought back."""
        hook = await self.hook()
        packed = "Content-Encoding: gzip\r\nSet-Cookie: a=b\r\n"
        self.receiver.plan(raw(response(b"{}", headers=packed)))
        self.assertEqual(await hook.ask(ASKED), Answer())
        await hook.ask(ASKED)
        first, second = self.receiver.calls
        self.assertEqual(first.headers["accept-encoding"], "identity")
        self.assertNotIn("cookie", second.headers)

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

    async def test_reread(self) -> None:
        """A new secret signs the next call; one that cannot be used signs none."""
        first, second = (f"{n} secret, long enough".encode() for n in ("1st", "2nd"))
        path = self._secret_file(first)
        hook = await self.hook(evolve(RULES, secret_file=path))
        self.assertTrue(verifyObject(IRereads, hook))
        for content, secret, complaints in (
            (second, second, 0),
            (b"short", second, 1),
            (first, first, 0),
        ):
            Path(path).write_bytes(content)
            with capturedLogs() as events:
                await hook.reread()
            self.assertEqual(len(events), complaints)
            self.receiver.plan(reply({}))
            await hook.ask(ASKED)
            call = self.receiver.calls[-1]
            verify(
                call.headers["tustwisted-signature"], call.body, [secret], time.time()
            )

    async def test_unusable(self) -> None:
        """Without a secret that can be used it does not start."""
        for path, sentence in (
            (self._secret_file(b"short"), "at least 16 bytes"),
            ("/nonexistent/secret", "No such file"),
            ("/dev/zero", "the file is none, but something else"),
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
