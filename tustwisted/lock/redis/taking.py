"""One attempt to take an upload, from the first question to the lock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define, field, frozen

from tustwisted.errors import LocksUnavailable, UploadLocked
from tustwisted.lock.redis.held import Held, RedisLock
from tustwisted.lock.redis.leases import (
    FAILURES,
    Answer,
    Granted,
    ILeases,
    Lease,
    NotYet,
    Unanswered,
    Unreachable,
)
from tustwisted.lock.redis.terms import Terms
from tustwisted.waiting import Bell, WaitedTooLong, within

_T = TypeVar("_T")

POLL_S = 0.5
"""
How long a waiter sleeps at the most at first, and half of it at least; messages wake
it, but one may be lost.
"""

PATIENT_S = 20.0
"""A wait that lasts longer than this asks less and less often."""

SECOND_TRY_S = 0.2
"""When to ask again after the connection broke: it is mostly back by then."""


@frozen
class Ways:
    """
    What a taking works with.

    :param give_back: called with a lease that may be ours and is not needed.
    """

    terms: Terms
    leases: ILeases
    held: Held
    give_back: Callable[[Lease], None]
    jitter: Callable[[], float]


@define(eq=False, repr=False)
class Taking:
    """
    Takes one upload.

    All its questions carry the same token.  So one that was never answered does no harm
    if it is asked again, nor if it is done late: whatever ends the taking, the token is
    given back if it may have been granted.

    :ivar is_wanted: somebody asked for the lock before its grant was known here.
    """

    _ways: Ways
    upload_id: str
    token: bytes
    is_wanted: bool = field(init=False, default=False)
    _bell: Bell = field(init=False, factory=Bell)
    _is_stopped: bool = field(init=False, default=False)
    _is_unsure: bool = field(init=False, default=False)

    def freed(self) -> None:
        """Ask at once: the upload was given back."""
        self._bell.ring()

    def stop(self) -> None:
        """End with :class:`tustwisted.errors.LocksUnavailable`."""
        self._is_stopped = True
        self._bell.ring()

    async def once(self) -> RedisLock | None:
        """
        Ask once, and nobody else.

        :raises LocksUnavailable: nobody can tell.
        """
        answer = await self._without_trace(self._asked(asks=False))
        if isinstance(answer, NotYet):
            raise LocksUnavailable
        return answer if isinstance(answer, RedisLock) else None

    async def wait(self, timeout_s: float) -> RedisLock:
        """
        Ask until it is granted.

        :raises UploadLocked: not within ``timeout_s``.
        :raises LocksUnavailable: nobody can tell.
        """
        return await self._without_trace(self._wait(timeout_s))

    async def _without_trace(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Leave nothing behind if that fails or is cancelled."""
        try:
            return await work
        except BaseException as error:
            if self._is_unsure:
                self._ways.give_back((self.upload_id, self.token))
            if isinstance(error, FAILURES):
                raise LocksUnavailable from error
            raise

    async def _wait(self, timeout_s: float) -> RedisLock:
        now = self._ways.terms.now
        began = now()
        end = began + timeout_s
        while True:
            answer = await self._asked(asks=True)
            if isinstance(answer, RedisLock):
                return answer
            left_s = end - now()
            if left_s <= 0:
                raise UploadLocked(timeout_s)
            pause_s = self._pause_s(answer, timeout_s - left_s)
            await self._pause(min(pause_s, left_s))

    def _pause_s(self, answer: Answer, waited_s: float) -> float:
        chance = self._ways.jitter()
        if isinstance(answer, NotYet):
            return answer.wait_s + chance * POLL_S / 10
        longest_s = POLL_S * max(1.0, waited_s / PATIENT_S)
        longest_s = min(longest_s, self._ways.terms.ttl_s / 2)
        return longest_s * (1 + chance) / 2

    async def _pause(self, limit_s: float) -> None:
        with suppress(WaitedTooLong):
            await within(limit_s, self._bell.rung(), self._ways.terms.clock)

    async def _asked(self, asks: bool) -> Answer | RedisLock:
        """Ask, and once more if there is no answer."""
        try:
            return await self._ask(asks)
        except Unanswered:
            await self._pause(SECOND_TRY_S * (1 + self._ways.jitter()) / 2)
            return await self._ask(asks)

    async def _ask(self, asks: bool) -> Answer | RedisLock:
        if self._is_stopped:
            raise LocksUnavailable
        terms = self._ways.terms
        deadline, was_unsure = terms.deadline(terms.now()), self._is_unsure
        self._is_unsure = True
        try:
            answer = await self._ways.leases.acquire(self.upload_id, self.token, asks)
        except Unreachable:
            self._is_unsure = was_unsure
            raise
        if not isinstance(answer, Granted):
            self._is_unsure = was_unsure
            return answer
        if self._is_stopped:
            raise LocksUnavailable
        if terms.now() >= deadline:
            raise Unanswered  # for it came too late
        return self._ways.held.add(self.upload_id, self.token, deadline)
