"""How long a lease lasts, and by which clock."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

TTL_S = 10.0
"""How long a lease lasts: what a dead process costs those who wait for its uploads."""


@frozen
class Terms:
    """
    How long leases last, and by which clock.

    :param now: measures them, seconds.  It never goes back, and goes on while the
        machine sleeps, which ``clock`` need not do.
    """

    clock: IReactorTime
    now: Callable[[], float]
    ttl_s: float

    def deadline(self, asked_at: float) -> float:
        """
        Tell when a lease ends for its holder; it ends later in Redis.

        :param asked_at: before it was asked for.
        """
        return asked_at + self.ttl_s * 0.9  # their clocks may differ by as much

    @property
    def retry_s(self) -> float:
        """How soon to ask again what Redis did not answer, seconds."""
        return self.ttl_s / 15
