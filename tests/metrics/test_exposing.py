"""Counts as text for Prometheus, read as Prometheus reads it."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.metrics import table
from tustwisted.metrics.counting import Counting
from tustwisted.metrics.counts import Counts
from tustwisted.metrics.exposing import Exposition
from tustwisted.metrics.table import METRICS, Kind, Metric
from tustwisted.observing import Asked, IObserver
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo

Labels = tuple[tuple[str, str], ...]


def read(text: bytes) -> dict[str, dict[Labels, float]]:
    """Parse a text: values by labels, by the names of samples."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def counts_of_all() -> Counts:
    """Have something of every metric."""
    counts = Counts()
    for metric in METRICS:
        labels = [f"a {label}" for label in metric.labels]
        if metric.kind is Kind.HISTOGRAM:
            counts.observe(metric, *labels, seconds=0.3)
        else:
            counts.put(metric, *labels, value=7)
    return counts


class ExpositionTests(SynchronousTestCase):
    """What Prometheus is told."""

    def test_all(self) -> None:
        """Every metric is told with its labels, its type and what it means."""
        text = Exposition().text(counts_of_all())
        found = read(text)
        for metric in METRICS:
            with self.subTest(metric.name):
                labels = tuple(sorted((name, f"a {name}") for name in metric.labels))
                name, value = metric.name, 7.0
                if metric.kind is Kind.HISTOGRAM:
                    name, value = f"{metric.name}_sum", 0.3
                self.assertEqual(found[name], {labels: value})
                self.assertIn(
                    f"# TYPE {metric.name} {metric.kind.value}\n", text.decode()
                )
                self.assertIn(f"# HELP {metric.name} {metric.meaning}\n", text.decode())

    def test_nothing_else(self) -> None:
        """What there is none of is not told, nor when a counter began."""
        self.assertNotIn(b"tustwisted", Exposition().text(Counts()))
        self.assertNotIn(b"_created ", Exposition().text(counts_of_all()))

    def test_histogram(self) -> None:
        """Each bucket has those before it, the last one has all."""
        counts = Counts()
        for seconds in (0.0005, 0.5, 100):
            counts.observe(table.LOCK_WAIT_SECONDS, "granted", seconds=seconds)
        found = read(Exposition().text(counts))
        buckets = found["tustwisted_lock_wait_seconds_bucket"]
        self.assertEqual(list(buckets.values()), [1, 1, 1, 2, 2, 2, 3])
        bounds = [dict(labels)["le"] for labels in buckets]
        self.assertEqual(bounds, ["0.001", "0.01", "0.1", "1.0", "5.0", "20.0", "+Inf"])
        counted = found["tustwisted_lock_wait_seconds_count"]
        self.assertEqual(list(counted.values()), [3])

    def test_own_process(self) -> None:
        """The system's facts of this process have no label."""
        found = read(Exposition().text(Counts()))
        self.assertEqual(list(found["process_cpu_seconds_total"]), [()])
        self.assertTrue(found["process_resident_memory_bytes"][()] > 1_000_000)

    def test_other_processes(self) -> None:
        """Those of several are told apart by a label; one that is gone is left out."""
        pids = {"0": os.getpid(), "1": os.getppid(), "2": 2**22 + 1}
        found = read(Exposition(lambda: pids).text(Counts()))
        workers = set(found["process_cpu_seconds_total"])
        self.assertEqual(workers, {(("worker", "0"),), (("worker", "1"),)})

    def test_registry_of_an_application(self) -> None:
        """An application's own metrics come with ours, which it has to itself."""
        registry = CollectorRegistry()
        Gauge("pages", "Pages.", registry=registry).set(3)
        found = read(Exposition(registry=registry).text(counts_of_all()))
        self.assertEqual(found["pages"], {(): 3.0})
        self.assertIn("tustwisted_connections", found)
        self.assertNotIn("process_cpu_seconds_total", found)

    def test_odd_labels(self) -> None:
        """A label may hold any text."""
        counts = Counts()
        counts.put(table.OUTBOX, 'a"b\\c\n', "due", value=1)
        (labels,) = read(Exposition().text(counts))["tustwisted_outbox_events"]
        self.assertEqual(dict(labels), {"hook": 'a"b\\c\n', "state": "due"})


class CountingTests(SynchronousTestCase):
    """What is made of what an observer is told."""

    def setUp(self) -> None:
        self.counting = Counting()
        verifyObject(IObserver, self.counting)

    def assert_counted(self, metric: Metric, *expected: object) -> None:
        """See what there is of a metric: labels, and then the number."""
        found = [(*labels, *n) for labels, n in self.counting.counts.of(metric)]
        self.assertEqual(found, list(expected))

    def test_uploads(self) -> None:
        """Each durable event has a counter, which is there from the begin."""
        upload = UploadInfo("u", 1)
        metrics = (table.CREATED, table.FINISHED, table.TERMINATED, table.EXPIRED)
        durable = [kind for kind in EventType if kind.is_durable]
        self.assertEqual(len(durable), len(metrics))
        for metric in metrics:
            self.assert_counted(metric, (0,))
        for kind in durable:
            self.counting.happened(kind, upload)
        for metric in metrics:
            self.assert_counted(metric, (1,))

    def test_requests(self) -> None:
        """By method and class of status; what is no method of ours is one of others."""
        for method, status, code in (
            ("PATCH", 204, ""),
            ("PATCH", 204, ""),
            ("PATCH", None, ""),
            ("HEAD", 404, "ERR_UPLOAD_NOT_FOUND"),
            ("BREW", 405, "ERR_METHOD_NOT_ALLOWED"),
            ("\xff", 405, "ERR_METHOD_NOT_ALLOWED"),
        ):
            self.counting.answered(method, status, code, 0.1)
        self.assert_counted(
            table.REQUESTS,
            ("HEAD", "4xx", 1),
            ("PATCH", "2xx", 2),
            ("PATCH", "cut", 1),
            ("other", "4xx", 2),
        )
        self.assert_counted(
            table.ERRORS, ("ERR_METHOD_NOT_ALLOWED", 2), ("ERR_UPLOAD_NOT_FOUND", 1)
        )

    def test_the_rest(self) -> None:
        """Bytes, waits, take-overs, hooks and sweeps."""
        self.counting.received(5)
        self.counting.received(6)
        self.assert_counted(table.RECEIVED, (11,))
        self.counting.taken_over()
        self.assert_counted(table.TAKEOVERS, (1,))
        self.counting.waited(False, 20.0)
        self.assert_counted(
            table.LOCK_WAIT_SECONDS, ("failed", 0, 0, 0, 0, 0, 1, 0, 20.0)
        )
        self.counting.asked("h", EventType.PRE_CREATE, Asked.REFUSED, 0.5)
        self.assert_counted(table.HOOK_CALLS, ("h", "pre-create", "refused", 1))
        self.counting.swept(True, 2.0)
        self.counting.swept(False, 3.0)
        self.assert_counted(table.SWEEPS, ("done", 1), ("failed", 1))
        self.assert_counted(table.SWEEP_SECONDS, (5.0,))
