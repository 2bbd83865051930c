"""The locks that this process holds, and what keeps them alive."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto

from attrs import define, field
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    FirstError,
    gatherResults,
    succeed,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.errors import LockLost
from tustwisted.lock.redis.leases import BATCH, FAILURES, ILeases, Lease
from tustwisted.lock.redis.terms import Terms
from tustwisted.lock.shared import IProcessLock

log = Logger()

RENEWALS = 3
"""How often a lease is renewed in the time that it lasts."""

CALLS = 8
"""
How many calls that renew leases are under way at once.  By one at a time ten thousand
locks wait for a hundred answers, each behind all else that was asked, and are lost on a
busy connection; thousands of tokens in one go hold the reactor.
"""


class _State(Enum):
    HELD = auto()
    LOST = auto()
    RELEASED = auto()


@implementer(IProcessLock)
@define(eq=False, repr=False)
class RedisLock:
    """
    An upload that this process holds until ``deadline``.

    There may be very many: no Deferred before one is asked for, no timer, no closure.
    """

    upload_id: str
    token: bytes
    deadline: float
    _held: Held
    _state: _State = field(init=False, default=_State.HELD)
    _lost: Deferred[None] | None = field(init=False, default=None)

    @property
    def is_held(self) -> bool:
        """Whether it was not lost or given back yet, as far as is known."""
        return self._state is _State.HELD

    def when_lost(self) -> Deferred[None]:
        """See :meth:`tustwisted.lock.shared.IProcessLock.when_lost`."""
        if self._lost is None:
            is_lost = self._state is _State.LOST
            self._lost = succeed(None) if is_lost else Deferred()
        return self._lost

    def require_held(self) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLock.require_held`."""
        if not self.is_held or self._held.is_over(self):
            raise LockLost

    def release(self) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLock.release`."""
        if self._state is not _State.RELEASED:
            self._state = _State.RELEASED
            self._lost = None  # its callbacks lead to the holder, and so back here
            self._held.give_back(self)

    def lose(self) -> None:
        """Take note that it is gone."""
        self._state = _State.LOST
        if self._lost is not None and not self._lost.called:
            self._lost.callback(None)


@define(eq=False, repr=False)
class Held:
    """
    All locks that this process holds, renewed together by one timer.

    :param given_back: called with the lease of a lock that its holder is done with.
    """

    _terms: Terms
    _leases: ILeases
    _given_back: Callable[[Lease], None]
    _locks: dict[str, RedisLock] = field(init=False, factory=dict)
    _timer: IDelayedCall | None = field(init=False, default=None)
    _renew_at: float = field(init=False, default=0.0)
    _renewing: Deferred[None] | None = field(init=False, default=None)

    def get(self, upload_id: str, token: bytes) -> RedisLock | None:
        """Return the lock with this token, if it is held."""
        lock = self._locks.get(upload_id)
        return lock if lock is not None and lock.token == token else None

    def add(self, upload_id: str, token: bytes, deadline: float) -> RedisLock:
        """Keep a new lock alive."""
        lock = RedisLock(upload_id, token, deadline, self)
        self._locks[upload_id] = lock
        if self._timer is None:
            if self._renewing is None:
                self._renew_at = self._terms.now() + self._terms.ttl_s / RENEWALS
            self._schedule()
        return lock

    def is_over(self, lock: RedisLock) -> bool:
        """Judge by the clock whether a lock may belong to somebody else."""
        return self._terms.now() >= lock.deadline

    def give_back(self, lock: RedisLock) -> None:
        """Forget a lock; even a lost one may be there still, if Redis was away."""
        self._forget(lock)
        self._given_back((lock.upload_id, lock.token))

    def stop(self) -> Sequence[Lease]:
        """Let all locks be lost; return their leases."""
        if self._renewing is not None:
            self._renewing.cancel()
        leases = [(lock.upload_id, lock.token) for lock in self._locks.values()]
        for lock in list(self._locks.values()):
            self._forget(lock)
            lock.lose()
        return leases

    def _forget(self, lock: RedisLock) -> None:
        if self._locks.get(lock.upload_id) is lock:
            del self._locks[lock.upload_id]
        if not self._locks and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the timer ---------------------------------------------------------------------

    def _schedule(self) -> None:
        """Wake for the next renewal or the first deadline, whichever is first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._locks:
            return
        wake_at = min(lock.deadline for lock in self._locks.values())
        if self._renewing is None:
            wake_at = min(wake_at, self._renew_at)
        delay_s = max(0.0, wake_at - self._terms.now())
        self._timer = self._terms.clock.callLater(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for lock in [lock for lock in self._locks.values() if self.is_over(lock)]:
            self._lose(lock)
        if self._renewing is None and self._terms.now() >= self._renew_at:
            self._renewing = Deferred.fromCoroutine(self._renew())
            self._renewing.addBoth(self._renewed)  # type: ignore[unused-awaitable]
        self._schedule()

    def _lose(self, lock: RedisLock) -> None:
        if lock.is_held:
            log.warn("the lock of upload {upload_id} is lost", upload_id=lock.upload_id)
            self._forget(lock)
            lock.lose()

    # -- renewal -----------------------------------------------------------------------

    async def _renew(self) -> None:
        began = self._terms.now()
        locks = iter(sorted(self._locks.values(), key=lambda lock: lock.deadline))
        calls = [Deferred.fromCoroutine(self._renew_some(locks)) for _ in range(CALLS)]
        try:
            answers = await gatherResults(calls, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        if all(answers):
            self._renew_at = began + self._terms.ttl_s / RENEWALS
        else:
            self._renew_at = self._terms.now() + self._terms.retry_s

    async def _renew_some(self, locks: Iterator[RedisLock]) -> bool:
        """Renew batch after batch of what is left; tell if all were answered."""
        has_answered = True
        while batch := list(itertools.islice(locks, BATCH)):
            has_answered = await self._renew_batch(batch) and has_answered
        return has_answered

    def _renewed(self, result: Failure | None) -> None:
        self._renewing = None
        if result is not None and not result.check(CancelledError):
            log.failure("locks were not renewed", result)
            self._renew_at = self._terms.now() + self._terms.retry_s
        self._schedule()

    async def _renew_batch(self, locks: Sequence[RedisLock]) -> bool:
        """Return whether there was an answer."""
        leases = [(lock.upload_id, lock.token) for lock in locks]
        deadline = self._terms.deadline(self._terms.now())
        try:
            answers = await self._leases.renew(leases)
        except FAILURES:
            return False
        for lock, was_there in zip(locks, answers, strict=True):
            # Whoever may have judged already that it is over must stay right.
            if was_there and not self.is_over(lock):
                lock.deadline = deadline
            else:
                self._lose(lock)
        return True
