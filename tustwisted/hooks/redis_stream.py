"""
A hook that adds what has happened to a stream of a Redis, for others to read.

This module imports a reactor, as txredisapi does: only once that is chosen.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import HookTrouble, HookUnusable
from tustwisted.hooks.wire import encode_event, without_secrets
from tustwisted.interfaces import IHook
from tustwisted.lock.redis.connect import redis_endpoint
from tustwisted.lock.redis.leases import FAILURES, Refused
from tustwisted.lock.redis.link import Link
from tustwisted.lock.redis.trouble import TROUBLE, explain, is_of_no_use
from tustwisted.lock.redis.url import RedisURL
from tustwisted.lock.redis.wire import Commands
from tustwisted.protocol.events import Event, EventType

log = Logger()

MAX_LENGTH = 100_000

REPLY_TIMEOUT_S = 5.0
"""A connection that leaves a command unanswered for so long is given up."""

START_TIMEOUT_S = 5.0

_NO_ID = "0-0"
"""An entry that is to have this id is refused, after all else that may be refused."""


class StreamFailed(HookTrouble):
    """An entry was not added, or nobody knows; ``str()`` is a sentence."""


def _those_after(events: Collection[EventType]) -> frozenset[EventType]:
    return frozenset(event for event in events if not event.is_blocking)


@implementer(IHook)
@define(eq=False, repr=False)
class RedisStreamHook:
    """
    Adds events to a stream.

    :param reactor: what runs this process, TCP, Unix sockets and names included.
    :param stream: the key of the stream.
    :param events: what it wants to hear of; it answers nothing, so it is not asked
        what goes before.
    :param max_length: about how many entries the stream keeps, the newest ones.
    :param start_timeout_s: how long the start may take.
    """

    _reactor: Any
    _url: RedisURL
    _stream: str
    events: frozenset[EventType] = field(converter=_those_after)
    _max_length: int = MAX_LENGTH
    _start_timeout_s: float = START_TIMEOUT_S
    name: str = field(init=False, default="redis-stream")
    _link: Link[Commands] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._link = Link(
            self._reactor,
            redis_endpoint(self._reactor, self._url),
            lambda: Commands(self._reactor, REPLY_TIMEOUT_S),
            self._greet,
            self._changed,
            self._still_lost,
            random.random,
        )

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.start`."""
        try:
            await self._link.start(self._start_timeout_s)
        except TROUBLE as error:
            await self._link.stop()
            option = f"--hooks-redis-stream {self._stream}"
            raise HookUnusable(option, self._explain(error)) from error
        except BaseException:
            await self._link.stop()
            raise

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.stop`."""
        await self._link.stop()

    async def ask(self, event: Event) -> None:
        """
        Add what is asked while bytes come; it answers nothing.

        While Redis is not there it is left out, as any of these may be.
        """
        try:
            await self._add(event)
        except Refused as error:
            raise StreamFailed(self._explain(error)) from error
        except FAILURES:
            log.debug("an event of {upload} is left out", upload=event.upload_id)

    async def tell(self, event: Event) -> None:
        """See :meth:`tustwisted.interfaces.IHook.tell`."""
        try:
            await self._add(event)
        except FAILURES as error:
            raise StreamFailed(self._explain(error)) from error

    async def _add(self, event: Event) -> None:
        fields = {
            "type": event.type.value,
            "id": event.event_id,
            "upload": event.upload.upload_id,
            "sequence": "" if event.sequence is None else str(event.sequence),
            "json": encode_event(without_secrets(event, ())),
        }
        words = [word for pair in fields.items() for word in pair]
        wire = self._link.wire()
        limit = ["MAXLEN", "~", self._max_length]
        try:
            await wire.ask("XADD", self._stream.encode(), *limit, "*", *words)
        except Refused as error:
            if is_of_no_use(error):
                wire.drop()
            raise

    async def _greet(self, wire: Commands) -> None:
        """Find out whether entries would be added, without adding one."""
        await wire.introduce(self._url)
        try:
            await wire.ask("XADD", self._stream.encode(), _NO_ID, "", "")
        except Refused as error:
            if _NO_ID not in str(error):
                raise
        try:
            await wire.ask("XLEN", self._stream.encode())
        except Refused as error:
            if not str(error).startswith("NOPERM"):  # that is not needed
                raise

    def _changed(self, is_there: bool) -> None:
        address = self._url.address
        if is_there:
            log.info("Redis at {address} is back", address=address)
        else:
            log.warn(
                "Redis at {address} is lost: events wait until it is back",
                address=address,
            )

    def _still_lost(self, error: Exception) -> None:
        log.warn("still: {problem}", problem=self._explain(error))

    def _explain(self, error: Exception) -> str:
        problem = explain(error, self._url)
        for start, special in (
            ("NOPERM", "this user may not add to it; allow that key, and xadd, xlen"),
            ("WRONGTYPE", "this key is no stream; choose another name"),
            ("ERR unknown command", "it is too old for streams; Redis 5 knows them"),
        ):
            if isinstance(error, Refused) and str(error).startswith(start):
                problem = special
        return f"cannot add to this stream in Redis at {self._url.address}: {problem}"
