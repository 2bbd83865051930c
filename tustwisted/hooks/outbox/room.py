"""How many events wait, told without counting them each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, field

from tustwisted.errors import EventsWaiting
from tustwisted.outcome import Outcome

RECOUNT_S = 5.0
"""For so long the own changes are enough; others may have put some there, too."""

REST = 50
"""Times as long as the count took the next one waits: 100,000 names take 50 ms."""


@define(eq=False, repr=False)
class Room:
    """
    Keeps the number of events below a limit, about.

    :param limit: how many may wait.
    :param count: counts them, perhaps for long.
    :param now: measures time, seconds.
    """

    _limit: int
    _count: Callable[[], Awaitable[int]]
    _now: Callable[[], float]
    _total: int = field(init=False, default=0)
    _next_at: float = field(init=False, default=0.0)
    _counting: Outcome[None] | None = field(init=False, default=None)

    async def require(self) -> None:
        """
        See that there is room for one more.

        :raises EventsWaiting: there is not.
        :raises OSError: they cannot be counted.
        """
        if self._counting is None:
            self._counting = Outcome.of(self._recount())
            await self._counting.wait()
        elif self._counting.is_settled and self._now() >= self._next_at:
            self._counting = Outcome.of(self._recount())
        if self._total >= self._limit:
            await self._counting.wait()
        if self._total >= self._limit:
            raise EventsWaiting

    async def _recount(self) -> None:
        began, before = self._now(), self._total
        try:
            counted = await self._count()
            # What comes or goes meanwhile is counted twice, or not: until next time.
            self._total = max(0, counted + self._total - before)
        finally:
            ended = self._now()
            self._next_at = ended + max(RECOUNT_S, REST * (ended - began))

    def take(self, count: int) -> None:
        """Take note of events that this process made due."""
        self._total += count

    def give_back(self) -> None:
        """Take note that one does not wait any more."""
        self._total = max(0, self._total - 1)

    async def stop(self) -> None:
        """Wait for the end of a count."""
        if self._counting is not None and not self._counting.is_settled:
            await self._counting.wait()
