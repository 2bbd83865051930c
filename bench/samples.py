"""The figures of a benchmark, and their arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from attrs import field, frozen

from bench.processes import Cost

MIB = 2**20


@frozen
class Sample:
    """What one run of a scenario gave."""

    cost: Cost
    amount: float
    """How many bytes, uploads or requests; see :attr:`Scenario.unit`."""

    others: dict[str, float] = field(factory=dict)
    """Figures of one scenario alone."""


@frozen
class Spread:
    """The median of several rounds, with the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """:param figures: at least one."""
        return cls(statistics.median(figures), min(figures), max(figures))


@frozen
class Series:
    """All samples of one server in one scenario."""

    samples: tuple[Sample, ...]

    @property
    def wall_s(self) -> Spread:
        """Seconds that a run took."""
        return Spread.of([each.cost.wall_s for each in self.samples])

    @property
    def cpu_s(self) -> Spread:
        """User and system time of the server in a run, seconds."""
        return Spread.of([each.cost.cpu_s for each in self.samples])

    @property
    def per_s(self) -> Spread:
        """Amount per second."""
        return Spread.of([each.amount / each.cost.wall_s for each in self.samples])

    @property
    def cpu_each_s(self) -> Spread:
        """The server's CPU seconds for one byte, upload or request."""
        return Spread.of([each.cost.cpu_s / each.amount for each in self.samples])

    @property
    def above_idle_kib(self) -> Spread:
        """Peak of resident memory above idle."""
        return Spread.of([each.cost.above_idle_kib for each in self.samples])

    def other(self, name: str) -> Spread | None:
        """A figure of this scenario alone."""
        found = [each.others[name] for each in self.samples if name in each.others]
        return Spread.of(found) if found else None


def ratio(ours: Spread | None, theirs: Spread | None) -> float | None:
    """One median by another; ``None`` where there is nothing to compare with."""
    if ours is None or theirs is None or theirs.median == 0:
        return None
    return ours.median / theirs.median
