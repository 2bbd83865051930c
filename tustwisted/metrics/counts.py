"""Numbers under names; those of several processes become one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import define, field

from tustwisted.metrics.table import METRICS, Kind, Metric

_BY_NAME: Final = {metric.name: metric for metric in METRICS}

_Key = tuple[str, tuple[str, ...]]


@define(eq=False, repr=False)
class Counts:
    """What was counted until now."""

    _numbers: dict[_Key, list[float]] = field(factory=dict)
    """
    One for a counter or a gauge; for a histogram how many fell into each bucket alone,
    the last one without a bound included, and then the sum of all.
    """

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        key = (metric.name, labels)
        numbers = self._numbers.get(key)
        if numbers is None:
            self._numbers[key] = [by]
        else:
            numbers[0] += by

    def put(self, metric: Metric, *labels: str, value: float) -> None:
        """Let a gauge have a value."""
        self._numbers[metric.name, labels] = [value]

    def observe(self, metric: Metric, *labels: str, seconds: float) -> None:
        """Put a time into a histogram; one below 0 comes of a clock that was set."""
        seconds = max(0.0, seconds)
        key = (metric.name, labels)
        numbers = self._numbers.get(key)
        if numbers is None:
            empty = [0.0] * (len(metric.buckets_s) + 2)
            numbers = self._numbers[key] = empty
        numbers[bisect_left(metric.buckets_s, seconds)] += 1
        numbers[-1] += seconds

    def of(self, metric: Metric) -> Iterator[tuple[tuple[str, ...], list[float]]]:
        """Tell what there is of a metric, by labels."""
        for (name, labels), numbers in sorted(self._numbers.items()):
            if name == metric.name:
                yield labels, numbers

    def copy(self) -> Counts:
        """Return the same, which does not change with this."""
        return merged([self])

    def only_growing(self) -> Counts:
        """Return what never gets less: all but the gauges."""
        return Counts(
            {
                key: list(numbers)
                for key, numbers in self._numbers.items()
                if _BY_NAME[key[0]].kind is not Kind.GAUGE
            }
        )

    def as_json(self) -> list[Any]:
        """Return the same as JSON can keep it."""
        return [[*key, numbers] for key, numbers in self._numbers.items()]

    @classmethod
    def from_json(cls, told: list[Any]) -> Counts:
        """Return what :meth:`as_json` has told."""
        return cls({(name, tuple(labels)): list(n) for name, labels, n in told})


def merged(all_counts: Iterable[Counts]) -> Counts:
    """
    Put counts of several processes together.

    They are added, but of what all of them share, of which the most is right.
    """
    found: dict[_Key, list[float]] = {}
    for counts in all_counts:
        for key, numbers in counts._numbers.items():
            if key not in found:
                found[key] = list(numbers)
                continue
            joined = max if _BY_NAME[key[0]].is_shared else _sum
            found[key] = [
                joined(one, other)
                for one, other in zip(found[key], numbers, strict=True)
            ]
    return Counts(found)


def _sum(one: float, other: float) -> float:
    return one + other
