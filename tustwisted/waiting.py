"""
The one way to wait: for at most so long, and without a trace when the waiter goes.

``clock`` is anything that provides ``IReactorTime``; tests turn it by hand.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

_T = TypeVar("_T")


class WaitedTooLong(Exception):
    """The time is over, and what was waited for has not come."""


def within(
    limit_s: float,
    work: Deferred[_T] | Coroutine[Deferred[Any], Any, _T],
    clock: IReactorTime,
) -> Deferred[_T]:
    """
    Wait for the end of some work, at most for so long.

    The work is cancelled when the time is over, and also when the wait is: to keep it
    going give what may be cancelled, as :meth:`tustwisted.outcome.Outcome.wait` is.

    :param limit_s: how long, seconds; what is due already is not waited for.
    :returns: fires with what the work gives or fails with.
    :raises WaitedTooLong: (errback) the time was over before.
    """
    waiting = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    return waiting.addTimeout(max(0.0, limit_s), clock, _told_apart)


def _told_apart(result: Any, _limit_s: float) -> Any:
    """Let only the cancellation that the timeout was become :class:`WaitedTooLong`."""
    if isinstance(result, Failure) and result.check(CancelledError):
        raise WaitedTooLong
    return result


@define(eq=False, repr=False)
class Bell:
    """
    Wakes one waiter; what rings while nobody waits wakes the next wait at once.

    So nothing is missed between a look and the wait that follows it.
    """

    _has_rung: bool = field(init=False, default=False)
    _waiter: Deferred[None] | None = field(init=False, default=None)

    def ring(self) -> None:
        """Wake the waiter, now or when it comes."""
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            self._has_rung = True
        else:
            waiter.callback(None)

    def rung(self) -> Deferred[None]:
        """Return what fires at the next ring; cancelling it leaves nothing behind."""
        if self._has_rung:
            self._has_rung = False
            return succeed(None)
        assert self._waiter is None, "one waits at a time"
        self._waiter = Deferred(self._forget)
        return self._waiter

    def _forget(self, _: Deferred[None]) -> None:
        self._waiter = None
