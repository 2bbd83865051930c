"""A connection to Redis that comes back by itself, and says when it is not there."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.lock.redis.leases import Refused, Unanswered, Unreachable
from tustwisted.lock.redis.trouble import TROUBLE, passes_by_itself
from tustwisted.lock.redis.wire import Wire
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

FIRST_DELAY_S, LAST_DELAY_S = 0.05, 2.0
"""What is waited for before the first and any late attempt; half of it is chance."""

LONG_ATTEMPTS = 5
"""After so many attempts that failed, 1 to 2 s, an outage is not a short one."""

CONNECT_S = 5.0
"""How long one attempt may take: a name to look up, TCP, TLS and the greeting."""

PING_S = 3.0
"""How often a connection is tried: a silent one may be dead, and TCP would not say."""

CLOSE_S = 1.0
"""How long a clean end may take before the connection is cut."""


@define(eq=False, repr=False)
class Link(Generic[Wire]):
    """
    Keeps one connection.

    :param endpoint: where to connect to.
    :param build: makes the protocol of a new connection.
    :param greet: makes a new connection ready for use.
    :param changed: called with whether there is a connection, when that changes after
        ``start``.
    :param failed: called once per outage that is more than short, with its reason.
    :param jitter: gives numbers from 0 to 1 by chance.
    """

    _clock: IReactorTime
    _endpoint: IStreamClientEndpoint
    _build: Callable[[], Wire]
    _greet: Callable[[Wire], Awaitable[None]]
    _changed: Callable[[bool], None]
    _failed: Callable[[Exception], None]
    _jitter: Callable[[], float]
    _newest: Wire | None = field(init=False, default=None)
    _ready: Wire | None = field(init=False, default=None)
    _trouble: Exception | None = field(init=False, default=None)
    _keeping: Deferred[None] | None = field(init=False, default=None)

    def wire(self) -> Wire:
        """
        Return the connection.

        :raises Unreachable: there is none.
        """
        if self._ready is None or not self._ready.is_usable:
            raise Unreachable
        return self._ready

    async def start(self, limit_s: float) -> None:
        """
        Connect; what passes by itself is tried again while there is time.

        :raises Exception: one of :data:`tustwisted.lock.redis.trouble.TROUBLE`.
        """
        self._trouble = None
        try:
            wire = await within(limit_s, self._first(), self._clock)
        except WaitedTooLong:
            raise self._trouble or Unanswered from None
        self._ready = wire
        keeping = Deferred.fromCoroutine(self._keep(wire))
        self._keeping = keeping.addErrback(_log_unexpected)

    async def stop(self) -> None:
        """Disconnect, after what was written; harmless when nothing was started."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
        wire, self._newest, self._ready = self._newest, None, None
        if wire is None or wire.transport is None or wire.closed.is_settled:
            return
        wire.close()
        try:
            await within(CLOSE_S, wire.closed.wait(), self._clock)
        except WaitedTooLong:
            wire.drop()
            await wire.closed.wait()

    async def _first(self) -> Wire:
        for attempt in itertools.count():
            try:
                return await self._connect()
            except TROUBLE as error:
                self._trouble = error
                if not passes_by_itself(error):
                    raise
            await self._pause(attempt)
        raise AssertionError("itertools.count() ends")

    async def _keep(self, wire: Wire) -> None:
        while True:
            await self._watch(wire)
            self._ready = None
            self._changed(False)
            wire = self._ready = await self._again()
            self._changed(True)

    async def _watch(self, wire: Wire) -> None:
        """Wait for the end of a connection."""
        while not wire.closed.is_settled:
            try:
                await within(PING_S, wire.closed.wait(), self._clock)
            except WaitedTooLong:
                # If it is gone, that ends the next wait at once.
                with suppress(Refused, Unanswered, Unreachable):
                    await wire.ping()

    async def _again(self) -> Wire:
        for attempt in itertools.count():
            await self._pause(attempt)
            try:
                return await within(CONNECT_S, self._connect(), self._clock)
            except CancelledError:
                raise
            except TROUBLE as error:
                if attempt == LONG_ATTEMPTS:
                    self._failed(error)
            except Exception:
                log.failure("cannot connect to Redis, and do not know why")
        raise AssertionError("itertools.count() ends")

    async def _connect(self) -> Wire:
        wire = self._newest = self._build()
        await _told_apart(self._endpoint.connect(_Single(wire)))
        try:
            await self._greet(wire)
        except BaseException:
            why = wire.why
            wire.drop()
            if why is not None and isinstance(why.value, TROUBLE):
                raise why.value from None  # it tells more than a missing answer
            raise
        return wire

    async def _pause(self, attempt: int) -> None:
        longest_s = min(LAST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt, 10))
        nothing: Deferred[None] = Deferred()
        with suppress(WaitedTooLong):
            await within(longest_s * (1 + self._jitter()) / 2, nothing, self._clock)


def _told_apart(connecting: Deferred[Any]) -> Deferred[Any]:
    """
    Let a cancellation be one, which who cancels, or waits, must be able to tell.

    Twisted calls it a ConnectingCancelledError, or while it looks a name up a
    DNSLookupError, after which somebody who had stopped would try again (26.10).
    """

    def cancel(told: Deferred[Any]) -> None:
        told.errback(CancelledError())
        connecting.cancel()

    def tell(result: Any) -> None:
        if not told.called:
            told.callback(result)

    told: Deferred[Any] = Deferred(cancel)
    connecting.addBoth(tell)  # type: ignore[unused-awaitable]
    return told


class _Single(Factory):
    """Gives one connection its protocol."""

    noisy = False

    def __init__(self, wire: object) -> None:
        self._wire = wire

    def buildProtocol(self, _: IAddress | None) -> Any:
        """Return it."""
        return self._wire


def _log_unexpected(failure: Failure) -> None:
    if not failure.check(CancelledError):
        log.failure("the connection to Redis is not kept any more", failure)
