"""Leases that nobody needs any more, on their way back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.lock.redis.leases import BATCH, FAILURES, ILeases, Lease
from tustwisted.lock.redis.terms import Terms

log = Logger()

MAX_CALLS = 32
"""
With so many under way others wait, and then go together: thousands of connections may
end in one moment, and as many calls would keep those that renew leases from an answer.
"""


@define(eq=False, repr=False)
class Returns:
    """
    Gives leases back in the background: again and again until Redis has answered, or
    until they have ended by themselves.
    """

    _terms: Terms
    _leases: ILeases
    _owed: dict[Lease, float] = field(init=False, factory=dict)
    _waiting: dict[Lease, float] = field(init=False, factory=dict)
    _calls: int = field(init=False, default=0)
    _timer: IDelayedCall | None = field(init=False, default=None)
    _is_patient: bool = field(init=False, default=False)

    def start(self) -> None:
        """Try again from now on what fails."""
        self._is_patient = True

    def give_back(self, lease: Lease) -> None:
        """Give a lease back that was asked for, or renewed, before now."""
        ends_at = self._terms.now() + self._terms.ttl_s
        if self._calls < MAX_CALLS:
            self._begin({lease: ends_at})
        else:
            self._waiting[lease] = ends_at

    async def stop(self, leases: Sequence[Lease]) -> None:
        """Give these and all others back now, once; then forget them."""
        self._is_patient = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        all_of_them = iter([*leases, *self._waiting, *self._owed])
        self._waiting.clear()
        self._owed.clear()
        try:
            while batch := list(itertools.islice(all_of_them, BATCH)):
                await self._leases.release(batch)
        except FAILURES:
            log.info("some locks stay in Redis until their time is over")

    def _begin(self, owed: dict[Lease, float]) -> None:
        self._calls += 1
        giving = Deferred.fromCoroutine(self._give_back(owed))
        giving.addErrback(_log_failure).addBoth(  # type: ignore[unused-awaitable]
            self._ended
        )

    def _ended(self, _: object) -> None:
        self._calls -= 1
        waiting = iter(list(self._waiting.items()))
        if batch := dict(itertools.islice(waiting, BATCH)):
            self._waiting = dict(waiting)
            self._begin(batch)

    async def _give_back(self, owed: dict[Lease, float]) -> None:
        try:
            await self._leases.release(list(owed))
        except FAILURES:
            if self._is_patient:
                self._owed.update(owed)
                self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            delay_s = self._terms.retry_s
            self._timer = self._terms.clock.callLater(delay_s, self._retry)

    def _retry(self) -> None:
        self._timer = None
        now = self._terms.now()
        left = iter([(lease, end) for lease, end in self._owed.items() if now < end])
        self._owed.clear()
        while batch := dict(itertools.islice(left, BATCH)):
            self._begin(batch)


def _log_failure(failure: Failure) -> None:
    log.failure("a lock was not given back", failure)
