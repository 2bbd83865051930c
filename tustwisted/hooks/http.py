"""
A hook that somebody else serves by HTTP: what tusd's ``-hooks-http`` is, and more.

Each event is a POST of JSON (:mod:`tustwisted.hooks.wire`).  What goes wrong for a
while is tried again within a time that covers it all; what a hook is told of and could
not take is told again later, by the delivery.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted._version import __version__
from tustwisted.errors import EventRefused, HookTrouble, HookUnusable
from tustwisted.hooks.address import HookURL
from tustwisted.hooks.posting import NoReply, Poster, Reply
from tustwisted.hooks.retry import Passing, parse_retry_after, retried
from tustwisted.hooks.rules import HttpRules
from tustwisted.hooks.signature import HEADER, read_secrets, sign
from tustwisted.hooks.wire import decode_answer, encode_event
from tustwisted.interfaces import IHook, IRereads
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.smallfile import read_small
from tustwisted.waiting import WaitedTooLong, within

CLOSE_TIMEOUT_S = 2.0
"""A stop waits so long for idle connections to be closed."""

_MAX_SECRETS_BYTES = 65_536

_USER_AGENT = f"tustwisted/{__version__.public()}"

_TOO_MANY = 429

_AGAIN_LATER = frozenset({408, 425, _TOO_MANY})
"""Those of 400 to 499 that say nothing of the event itself."""


class HookCallFailed(HookTrouble):
    """A call came to nothing, or to something that cannot be used."""


class _CallFailedForNow(HookCallFailed, Passing):
    """The next attempt may be better."""


@implementer(IHook, IRereads)
@define(eq=False, repr=False)
class HttpHook:
    """
    Asks and tells by POST.

    :param reactor: provides ``IReactorTime``, ``IReactorTCP`` and what looks up names.
    :param random: 0 to 1, for the waits between attempts.
    """

    log = Logger()

    _reactor: Any
    _url: HookURL
    events: frozenset[EventType]
    _rules: HttpRules = field(factory=HttpRules)
    _random: Callable[[], float] = random.random

    _forwarded: frozenset[str] = field(init=False)
    _poster: Poster = field(init=False)
    _turns: DeferredSemaphore = field(init=False)
    _turns_after: DeferredSemaphore = field(init=False)
    _secret: bytes | None = field(init=False, default=None)
    _calls: set[Deferred[Any]] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        rules = self._rules
        self._forwarded = frozenset(name.lower() for name in rules.forward_headers)
        self._poster = Poster(
            self._reactor, self._url.target, rules.max_in_flight, rules.timeout_s
        )
        self._turns = DeferredSemaphore(rules.max_in_flight)
        # Half of them, so that what a request waits for gets its turn.
        self._turns_after = DeferredSemaphore(max(1, rules.max_in_flight // 2))

    @property
    def name(self) -> str:
        """See :class:`IHook`."""
        return self._url.name

    async def start(self) -> None:
        """
        Read the secret; who is called need not be there yet.

        :raises HookUnusable: there is no secret in the file.
        """
        self._read_secret()

    async def reread(self) -> None:
        """See :meth:`tustwisted.interfaces.IRereads.reread`."""
        try:
            self._read_secret()
        except HookUnusable as error:
            self.log.error(
                "{problem}; the secret that it held before is still used",
                problem=str(error),
            )

    def _read_secret(self) -> None:
        path = self._rules.secret_file
        if path is None:
            return
        try:
            # One small file, once in a while: nobody waits for long.
            self._secret = read_secrets(read_small(path, _MAX_SECRETS_BYTES)[0])[0]
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise HookUnusable(f"--hooks-http-secret-file {path}", problem) from error

    async def stop(self) -> None:
        """End all calls, and close the connections."""
        calls, self._calls = self._calls, set()
        for call in calls:
            call.cancel()
        try:
            await within(CLOSE_TIMEOUT_S, self._poster.close(), self._reactor)
        except WaitedTooLong:
            self.log.warn("connections to {url} were left open", url=self._url.shown)

    async def ask(self, event: Event) -> Answer:
        """
        Post an event, and read what is to be done.

        :raises HookCallFailed: there is no answer, or none that can be used.
        """
        reply = await self._bounded(self._call(event))
        if not 200 <= reply.status <= 299:
            raise self._failed(f"it answered {reply.status}")
        if reply.body is None:
            limit_bytes = self._rules.reply_limit_bytes
            raise self._failed(f"its answer is longer than {limit_bytes} bytes")
        if reply.may_be_cut:  # else whoever makes the other side fall is let in
            raise self._failed("its answer is empty, and may have been cut off")
        try:
            return decode_answer(reply.body, event.type)
        except ValueError as error:
            raise self._failed(f"its answer cannot be used: {error}") from error

    async def tell(self, event: Event) -> None:
        """
        Post an event; of the reply, its status matters.

        :raises EventRefused: 4xx, other than 408, 425 and 429.
        :raises HookCallFailed: anything else but 2xx.
        """
        status = (await self._bounded(self._call_after(event))).status
        if 400 <= status <= 499 and status not in _AGAIN_LATER:
            raise EventRefused(f"{self._url.shown} answered {status}")
        if not 200 <= status <= 299:
            raise self._failed(f"it answered {status}")

    async def _call(self, event: Event) -> Reply:
        body = encode_event(event)
        end_s = self._reactor.seconds() + self._rules.timeout_s

        async def attempt() -> Reply:
            reply = await self._in_turn(event, body)
            self._require_final(reply)
            return reply

        def failed(error: Passing, delay_s: float) -> None:
            self.log.info(
                "{type} will be tried again in {delay_s:.1f} s: {error}",
                type=event.type.value,
                delay_s=delay_s,
                error=error,
            )

        return await retried(
            attempt,
            self._rules.retry,
            self._reactor,
            end_s,
            random=self._random,
            failed=failed,
        )

    async def _bounded(self, calling: Coroutine[Deferred[Any], Any, Reply]) -> Reply:
        timeout_s = self._rules.timeout_s
        call = Deferred.fromCoroutine(calling)
        self._calls.add(call)
        try:
            return await within(timeout_s, call, self._reactor)
        except WaitedTooLong:
            raise self._failed(f"it gave no answer within {timeout_s:g} s") from None
        except CancelledError:
            if call in self._calls:
                raise  # nobody waits any more
            raise self._failed("the server stops") from None
        finally:
            self._calls.discard(call)

    async def _call_after(self, event: Event) -> Reply:
        await self._turns_after.acquire()
        try:
            return await self._call(event)
        finally:
            self._turns_after.release()

    async def _in_turn(self, event: Event, body: bytes) -> Reply:
        """Wait until fewer calls are made, then make one."""
        await self._turns.acquire()
        try:
            return await self._post(event, body)
        finally:
            self._turns.release()

    async def _post(self, event: Event, body: bytes) -> Reply:
        headers = self._headers(event, body)
        try:
            return await self._poster.post(headers, body, self._rules.reply_limit_bytes)
        except NoReply as error:
            raise self._failed_for_now(str(error)) from error

    def _headers(self, event: Event, body: bytes) -> dict[str, list[str]]:
        headers: dict[str, list[str]] = {}
        if self._url.authorization is not None:
            headers["Authorization"] = [self._url.authorization]
        if event.request is not None and self._forwarded:
            for name, lines in event.request.headers.items():
                if name.lower() in self._forwarded:
                    headers[name] = list(lines)
        headers |= {
            "Content-Type": ["application/json"],
            "User-Agent": [_USER_AGENT],
            "Idempotency-Key": [event.event_id],
        }
        if self._secret is not None:
            now_s = int(self._reactor.seconds())
            headers[HEADER] = [sign(body, self._secret, now_s)]
        return headers

    def _require_final(self, reply: Reply) -> None:
        """Let only a reply pass that the next attempt would not change."""
        if reply.status != _TOO_MANY and reply.status < 500:
            return
        lines = reply.headers.getRawHeaders("Retry-After") or [""]
        error = self._failed_for_now(f"it answered {reply.status}")
        error.retry_after_s = parse_retry_after(lines[0], self._reactor.seconds())
        raise error

    def _failed(self, problem: str) -> HookCallFailed:
        return HookCallFailed(f"{self._url.shown}: {problem}")

    def _failed_for_now(self, problem: str) -> _CallFailedForNow:
        return _CallFailedForNow(f"{self._url.shown}: {problem}")
