"""Telling counts to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import accumulate

from attrs import define, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tustwisted.metrics.counts import Counts
from tustwisted.metrics.table import METRICS, Kind, Metric

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
"""Of what :meth:`Exposition.text` returns: no name in it needs a later version."""

Processes = Callable[[], Mapping[str, int]]
"""Tells the numbers of processes by their names."""


@define(eq=False, repr=False)
class Exposition(Collector):
    """
    Tells counts, and what the system knows of processes, as text for Prometheus.

    :param processes: whose facts are told, each with its name as the label ``worker``;
        ``None``: of this process, without a label.
    :param registry: what else is told; by default nothing, and an application's own is
        left to tell of processes itself.
    """

    _processes: Processes | None = None
    _registry: CollectorRegistry | None = None
    _counts: Counts = field(init=False, factory=Counts)

    def __attrs_post_init__(self) -> None:
        if self._registry is None:
            self._registry = CollectorRegistry()
            if self._processes is None:
                ProcessCollector(registry=self._registry)
            else:
                self._registry.register(_Processes(self._processes))
        self._registry.register(self)

    def text(self, counts: Counts) -> bytes:
        """Tell them, and all else that the registry has."""
        assert self._registry is not None
        self._counts = counts
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """See :meth:`prometheus_client.registry.Collector.collect`."""
        for metric in METRICS:
            family = _family(metric, self._counts)
            if family.samples:
                yield family


def _family(metric: Metric, counts: Counts) -> Family:
    about = (metric.name, metric.meaning)
    match metric.kind:
        case Kind.COUNTER:
            counter = CounterMetricFamily(*about, labels=metric.labels)
            for labels, (number,) in counts.of(metric):
                counter.add_metric(labels, number)
            return counter
        case Kind.GAUGE:
            gauge = GaugeMetricFamily(*about, labels=metric.labels)
            for labels, (number,) in counts.of(metric):
                gauge.add_metric(labels, number)
            return gauge
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(*about, labels=metric.labels)
            for labels, (*buckets, total) in counts.of(metric):
                histogram.add_metric(labels, _cumulated(metric, buckets), total)
            return histogram


def _cumulated(metric: Metric, buckets: Iterable[float]) -> list[tuple[str, float]]:
    bounds = [*map(floatToGoString, metric.buckets_s), "+Inf"]
    return list(zip(bounds, accumulate(buckets), strict=True))


@define(eq=False, repr=False)
class _Processes(Collector):
    """What the system knows of several processes."""

    _processes: Processes

    def collect(self) -> Iterable[Family]:
        families: dict[str, Family] = {}
        for name, pid in self._processes().items():
            for found in ProcessCollector(
                pid=partial(int, pid), registry=None
            ).collect():
                about = (found.name, found.documentation, found.type)
                family = families.setdefault(found.name, Family(*about))
                for sample in found.samples:
                    labels = {**sample.labels, "worker": name}
                    family.add_sample(sample.name, labels, sample.value)
        return families.values()
