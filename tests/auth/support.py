"""Requests that bring tokens, and files that are changed."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import HookUnusable
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo

_T = TypeVar("_T")

TOKEN = "0123456789abcdef"
OTHER = "fedcba9876543210"

CHALLENGE = 'Bearer realm="tus"'
INVALID = 'Bearer realm="tus", error="invalid_token"'


def access(*lines: str) -> Event:
    """What is asked of a request with these lines of ``Authorization``."""
    headers = {"Host": ("h",), **({"Authorization": lines} if lines else {})}
    request = RequestInfo("PATCH", "/files/x", "192.0.2.7:1", headers)
    return Event(EventType.PRE_ACCESS, "1", None, request, "x")


class HookCase(SynchronousTestCase):
    """Asks a hook that was made of a file."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()

    def write(self, content: str | bytes, path: str = "") -> None:
        """Put a file in place, as one does it: by a rename."""
        path = path or self.path
        with open(path + ".new", "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(path + ".new", path)

    def start(self, hook: IHook) -> None:
        """Start it for the length of this test."""
        self.successResultOf(Deferred.fromCoroutine(hook.start()))
        self.addCleanup(lambda: Deferred.fromCoroutine(hook.stop()))

    def assert_unusable(self, hook: IHook, sentence: str) -> str:
        """It does not start, and says so; the whole of that is returned."""
        started: Deferred[Any] = Deferred.fromCoroutine(hook.start())
        told = str(self.failureResultOf(started, HookUnusable).value)
        self.assertIn(sentence, told)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return told

    def ask(self, hook: IHook, *lines: str) -> Answer:
        """Ask about a request with these lines of ``Authorization``."""
        answer = self.successResultOf(Deferred.fromCoroutine(hook.ask(access(*lines))))
        assert answer is not None
        return answer

    def owner(self, hook: IHook, token: str) -> str | None:
        """Who is let in with a token."""
        return self.ask(hook, f"Bearer {token}").owner

    def assert_refused(self, answer: Answer, challenge: str) -> None:
        """It is a 401 that says how to get in."""
        self.assertTrue(answer.reject)
        self.assertIsNone(answer.owner)
        self.assertEqual(answer.response.status, 401)
        self.assertEqual(answer.response.headers, {"WWW-Authenticate": challenge})
