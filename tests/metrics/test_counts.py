"""Numbers under names."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.metrics import table
from tustwisted.metrics.counts import Counts, merged
from tustwisted.metrics.table import METRICS, Kind


class TableTests(SynchronousTestCase):
    """What is counted has names as Prometheus wants them."""

    def test_names(self) -> None:
        """Each is there once; counters, and no others, end in total, after the unit."""
        names = [metric.name for metric in METRICS]
        self.assertEqual(len(set(names)), len(names))
        for metric in METRICS:
            self.assertRegex(metric.name, r"^tustwisted_[a-z_]+$")
            is_total = metric.name.endswith("_total")
            self.assertEqual(is_total, metric.kind is Kind.COUNTER, metric)
            is_histogram = metric.kind is Kind.HISTOGRAM
            self.assertEqual(bool(metric.buckets_s), is_histogram, metric)
            self.assertEqual(metric.name.endswith("_seconds"), is_histogram, metric)
            self.assertEqual(sorted(metric.buckets_s), list(metric.buckets_s))

    def test_nothing_is_counted_by_upload(self) -> None:
        """No label has more values than somebody has configured or we have chosen."""
        labels = {label for metric in METRICS for label in metric.labels}
        few = {"method", "status", "code", "result", "hook", "event", "state"}
        self.assertEqual(labels, few)


class CountsTests(SynchronousTestCase):
    """Adding, and putting together."""

    def counts(self, factor: int) -> Counts:
        """Make some."""
        counts = Counts()
        counts.add(table.ERRORS, "ERR_A", by=factor)
        counts.put(table.CONNECTIONS, value=3 * factor)
        counts.put(table.FREE_BYTES, value=1000 + factor)
        counts.observe(table.LOCK_WAIT_SECONDS, "granted", seconds=factor)
        return counts

    def test_adding(self) -> None:
        """A counter grows, a gauge is what it was put to."""
        counts = Counts()
        for number in (1, 2):
            counts.add(table.ERRORS, "ERR_A", by=number)
            counts.add(table.ERRORS, "ERR_B")
            counts.put(table.CONNECTIONS, value=number)
        self.assertEqual(
            list(counts.of(table.ERRORS)), [(("ERR_A",), [3]), (("ERR_B",), [2])]
        )
        self.assertEqual(list(counts.of(table.CONNECTIONS)), [((), [2])])
        self.assertEqual(list(counts.of(table.EXPIRED)), [])

    def test_times(self) -> None:
        """A time belongs to the first bucket whose bound it does not pass."""
        counts = Counts()
        for seconds in (-0.5, 0.001, 0.0011, 20.0, 21.0):
            counts.observe(table.LOCK_WAIT_SECONDS, "granted", seconds=seconds)
        ((labels, (*buckets, total)),) = counts.of(table.LOCK_WAIT_SECONDS)
        self.assertEqual(labels, ("granted",))
        self.assertEqual(buckets, [2, 1, 0, 0, 0, 1, 1])
        self.assertAlmostEqual(total, 41.0021)

    def test_merged(self) -> None:
        """Processes are added up, but what all see alike is taken once."""
        counts = merged([self.counts(1), self.counts(2), Counts()])
        self.assertEqual(list(counts.of(table.ERRORS)), [(("ERR_A",), [3])])
        self.assertEqual(list(counts.of(table.CONNECTIONS)), [((), [9])])
        self.assertEqual(list(counts.of(table.FREE_BYTES)), [((), [1002])])
        ((_, numbers),) = counts.of(table.LOCK_WAIT_SECONDS)
        self.assertEqual(numbers, [0, 0, 0, 1, 1, 0, 0, 3])

    def test_copy(self) -> None:
        """A copy does not change with what it was made of."""
        counts = self.counts(1)
        copy = counts.copy()
        counts.add(table.ERRORS, "ERR_A")
        counts.observe(table.LOCK_WAIT_SECONDS, "granted", seconds=1)
        self.assertEqual(copy.as_json(), self.counts(1).as_json())

    def test_only_growing(self) -> None:
        """What a process that has ended leaves has no gauges."""
        left = self.counts(2).only_growing()
        names = {name for name, _, _ in left.as_json()}
        self.assertEqual(names, {table.ERRORS.name, table.LOCK_WAIT_SECONDS.name})

    def test_json(self) -> None:
        """They go through JSON and back."""
        told = json.loads(json.dumps(self.counts(2).as_json()))
        self.assertEqual(Counts.from_json(told).as_json(), self.counts(2).as_json())
