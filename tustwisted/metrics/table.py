"""What is counted; the table of ``docs/monitoring.rst`` is made from it."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen


class Kind(Enum):
    """How a metric behaves, in the words of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class Metric:
    """One metric."""

    name: str
    """As Prometheus shows it; of a histogram without ``_bucket`` and the like."""

    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets_s: tuple[float, ...] = ()
    """Of a histogram, the upper bounds, seconds, the last one left out."""

    is_shared: bool = False
    """Each of several workers sees the same, so that the sum would be wrong."""


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"tustwisted_{name}", Kind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str, is_shared: bool = False) -> Metric:
    name = f"tustwisted_{name}"
    return Metric(name, Kind.GAUGE, meaning, labels, is_shared=is_shared)


def _histogram(
    name: str, meaning: str, *labels: str, buckets_s: tuple[float, ...]
) -> Metric:
    return Metric(f"tustwisted_{name}", Kind.HISTOGRAM, meaning, labels, buckets_s)


CREATED: Final = _counter("uploads_created_total", "Uploads that were created.")
FINISHED: Final = _counter("uploads_finished_total", "Uploads that were finished.")
TERMINATED: Final = _counter(
    "uploads_terminated_total", "Uploads that were removed because somebody wanted it."
)
EXPIRED: Final = _counter(
    "uploads_expired_total", "Uploads that were removed because of their age."
)
RECEIVED: Final = _counter(
    "received_bytes_total",
    "Bytes that came for uploads, those of bodies that still come included.",
)
RECEIVING: Final = _gauge(
    "uploads_receiving", "Uploads for which a body comes at this moment."
)
CONNECTIONS: Final = _gauge("connections", "Connections of clients.")
REQUESTS: Final = _counter(
    "requests_total",
    "Requests that are over, by method (other: none of ours) and status (2xx and so "
    "on; cut: the connection ended before the answer).",
    "method",
    "status",
)
REQUEST_SECONDS: Final = _histogram(
    "request_seconds",
    "How long requests took, with their bodies.",
    "method",
    buckets_s=(0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0),
)
ERRORS: Final = _counter(
    "errors_total", "Requests that were refused, by the code that was told.", "code"
)
LOCK_WAIT_SECONDS: Final = _histogram(
    "lock_wait_seconds",
    "How long was waited for uploads that were not free at once (with Redis: all), by "
    "result: granted, or failed.",
    "result",
    buckets_s=(0.001, 0.01, 0.1, 1.0, 5.0, 20.0),
)
TAKEOVERS: Final = _counter(
    "takeovers_total", "Bodies that were cut short since the upload was sent anew."
)
HOOK_CALLS: Final = _counter(
    "hook_calls_total",
    "Calls of hooks that are over, by result: ok, refused, failed, or cut (nobody "
    "waited any more).",
    "hook",
    "event",
    "result",
)
HOOK_SECONDS: Final = _histogram(
    "hook_seconds",
    "How long calls of hooks took.",
    "hook",
    "event",
    buckets_s=(0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0),
)
OUTBOX: Final = _gauge(
    "outbox_events",
    "Events that are kept for a hook, by state: due, or dead (told no more).",
    "hook",
    "state",
    is_shared=True,
)
SWEEPS: Final = _counter(
    "sweeps_total", "Sweeps that are over, by result: done, or failed.", "result"
)
SWEEP_SECONDS: Final = _counter(
    "sweep_seconds_total", "How long sweeps took, all together."
)
FREE_BYTES: Final = _gauge(
    "free_bytes", "Room in the file system of the uploads.", is_shared=True
)

METRICS: Final = (
    CREATED,
    FINISHED,
    TERMINATED,
    EXPIRED,
    RECEIVED,
    RECEIVING,
    CONNECTIONS,
    REQUESTS,
    REQUEST_SECONDS,
    ERRORS,
    LOCK_WAIT_SECONDS,
    TAKEOVERS,
    HOOK_CALLS,
    HOOK_SECONDS,
    OUTBOX,
    SWEEPS,
    SWEEP_SECONDS,
    FREE_BYTES,
)
