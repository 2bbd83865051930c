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


@define(eq=False)
class Returns:
    """
    Gives leases back in the background: again and again until Redis has answered, or
    until they have ended by themselves.
    """

    _terms: Terms
    _leases: ILeases
    _owed: dict[Lease, float] = field(init=False, factory=dict, repr=False)
    _timer: IDelayedCall | None = field(init=False, default=None)
    _is_patient: bool = field(init=False, default=False)

    def start(self) -> None:
        """Try again from now on what fails."""
        self._is_patient = True

    def give_back(self, lease: Lease) -> None:
        """Give a lease back that was asked for, or renewed, before now."""
        self._begin({lease: self._terms.now() + self._terms.ttl_s})

    async def stop(self, leases: Sequence[Lease]) -> None:
        """Give these and all others back now, once; then forget them."""
        self._is_patient = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        all_of_them = iter([*leases, *self._owed])
        self._owed.clear()
        try:
            while batch := list(itertools.islice(all_of_them, BATCH)):
                await self._leases.release(batch)
        except FAILURES:
            log.info("some locks stay in Redis until their time is over")

    def _begin(self, owed: dict[Lease, float]) -> None:
        giving = Deferred.fromCoroutine(self._give_back(owed))
        giving.addErrback(_log_failure)  # type: ignore[unused-awaitable]

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
