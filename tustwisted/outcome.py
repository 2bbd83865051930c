"""
A result that several may wait for and nobody can cancel.

Klein cancels a route when its client leaves, and a shutdown may cancel it again.  What
the route waits for must go on all the same, so it waits on a Deferred of its own.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


@define(eq=False)
class Outcome(Generic[_T]):
    """One result, there once it is there; a failure that nobody asked for is silent."""

    _result: _T | Failure | None = None
    _settled: bool = False
    _waiting: list[Deferred[_T]] = field(factory=list)
    _work: Deferred[None] | None = None

    @classmethod
    def of(cls, work: Coroutine[Deferred[Any], Any, _T]) -> Outcome[_T]:
        """Start some work that no waiter's cancellation reaches."""
        outcome = cls()
        outcome._work = Deferred.fromCoroutine(work).addBoth(outcome.settle)
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
        for waiter in waiting:
            _tell(waiter, result)

    def wait(self) -> Deferred[_T]:
        """Return a fresh Deferred of the result; cancelling it disturbs nothing."""
        waiter: Deferred[_T] = Deferred(self._waiting.remove)
        if self._settled:
            _tell(waiter, cast("_T | Failure", self._result))
        else:
            self._waiting.append(waiter)
        return waiter


def _tell(waiter: Deferred[_T], result: _T | Failure) -> None:
    if isinstance(result, Failure):
        waiter.errback(result)
    else:
        waiter.callback(result)
