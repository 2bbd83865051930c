"""
A result that several may wait for and nobody can cancel.

Klein cancels a route when its client leaves, and a shutdown may cancel it again.  What
the route waits for must go on all the same, so it waits on a Deferred of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import TusError

log = Logger()

_T = TypeVar("_T")


@define(eq=False, repr=False)
class Outcome(Generic[_T]):
    """
    One result, there once it is there.

    :param is_last: nobody else will tell of a failure: it is logged if nobody waits for
        it when it comes, unless it is a client's affair.
    """

    _is_last: bool = False

    _result: _T | Failure | None = None
    _settled: bool = False
    _waiting: list[Deferred[_T]] = field(factory=list)
    _calls: list[Callable[[], None]] = field(factory=list)
    _work: Deferred[None] | None = None

    @classmethod
    def of(cls, work: Coroutine[Deferred[Any], Any, _T]) -> Outcome[_T]:
        """Start some work that no waiter's cancellation reaches."""
        return cls.after(Deferred.fromCoroutine(work))

    @classmethod
    def after(cls, work: Deferred[_T]) -> Outcome[_T]:
        """Let several wait for some work that was begun; it is not used otherwise."""
        outcome = cls()
        outcome._work = work.addBoth(outcome.settle)
        return outcome

    @property
    def is_settled(self) -> bool:
        """The result is there."""
        return self._settled

    def settle(self, result: _T | Failure) -> None:
        """
        Put the result in place and tell everybody who waits.

        :param result: given once only; a Failure becomes an errback.
        """
        assert not self._settled, "an outcome is settled once"
        self._result, self._settled = result, True
        waiting, self._waiting = self._waiting, []
        if self._is_last and not waiting and isinstance(result, Failure):
            _log_unexpected(result)
        calls, self._calls = self._calls, []
        for call in calls:
            call()
        for waiter in waiting:
            _tell(waiter, result)

    def then(self, call: Callable[[], None]) -> None:
        """Call something when the result is there; it hears nothing of it."""
        if self._settled:
            call()
        else:
            self._calls.append(call)

    def wait(self) -> Deferred[_T]:
        """Return a fresh Deferred of the result; cancelling it disturbs nothing."""
        waiter: Deferred[_T] = Deferred(self._waiting.remove)
        if self._settled:
            _tell(waiter, cast("_T | Failure", self._result))
        else:
            self._waiting.append(waiter)
        return waiter


def _log_unexpected(failure: Failure) -> None:
    if not failure.check(TusError, ConnectionClosed):
        log.failure("work for a client that left has failed", failure)


def _tell(waiter: Deferred[_T], result: _T | Failure) -> None:
    if isinstance(result, Failure):
        waiter.errback(result)
    else:
        waiter.callback(result)
