"""
When something that failed is tried again: the rule, and the loop that follows it.

The clock is an argument, so that tests turn it by hand.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tustwisted.protocol.dates import parse_date

_T = TypeVar("_T")

ATTEMPTS = 3
BACKOFF_S = 1.0
"""As in tusd; there it is the same before each attempt."""

MAX_ATTEMPTS = 100

_SECONDS = re.compile(r"[0-9]{1,9}")


class Passing(Exception):
    """
    A failure that may be over soon.

    :ivar retry_after_s: for how long it asks to be left alone, seconds, 0 for nothing.
    """

    retry_after_s: float = 0.0


@frozen
class RetryRule:
    """How often something is tried, and how long is waited before it is tried again."""

    attempts: int = ATTEMPTS
    """In total, the first one counted."""

    backoff_s: float = BACKOFF_S
    """The wait before the second attempt; it doubles before each one after."""

    def delay_s(self, failed: int, retry_after_s: float, random: float) -> float:
        """
        Tell how long to wait.

        :param failed: how many attempts have failed, at least one.
        :param retry_after_s: what was asked for; never less than that.
        :param random: 0 to 1; spreads those that failed together over half of the time.
        """
        delay_s: float = self.backoff_s * 2 ** (failed - 1) * (0.75 + 0.5 * random)
        return max(delay_s, retry_after_s)


def parse_retry_after(text: str, now_s: float) -> float:
    """
    Read ``Retry-After``.

    :param text: seconds, or a date.
    :param now_s: seconds since 1970.
    :returns: seconds from now; 0 if it makes no sense, or is over.

    Spec: RFC 9110, section 10.2.3.
    """
    if _SECONDS.fullmatch(text):
        return float(text)
    date_s = parse_date(text.encode("ascii", "replace"), now_s)
    return 0.0 if date_s is None else max(0.0, date_s - now_s)


async def retried(
    attempt: Callable[[], Awaitable[_T]],
    rule: RetryRule,
    clock: IReactorTime,
    end_s: float,
    *,
    random: Callable[[], float],
    failed: Callable[[Passing, float], None] = lambda _error, _delay_s: None,
) -> _T:
    """
    Do something until it works, or fails for good.

    :param end_s: when the time is over, by the clock; no wait reaches past it: there is
        no use in one whose end nobody lives to see.
    :param random: 0 to 1, each time it is called.
    :param failed: told of each failure after which another attempt is made, and in how
        many seconds.
    :raises Passing: the last one.
    :raises Exception: whatever else an attempt raises, at once.
    """
    attempts = 0
    while True:
        try:
            return await attempt()
        except Passing as error:
            attempts += 1
            delay_s = rule.delay_s(attempts, error.retry_after_s, random())
            if attempts >= rule.attempts or clock.seconds() + delay_s >= end_s:
                raise
            failed(error, delay_s)
        await deferLater(clock, delay_s)
