"""A hook by HTTP and a receiver, for the tests of both."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.hooks.receiver import (
    Call,
    Receiver,
)
from tustwisted.hooks.address import parse_hook_url
from tustwisted.hooks.http import HookCallFailed, HttpHook
from tustwisted.hooks.retry import RetryRule
from tustwisted.hooks.rules import HttpRules
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
