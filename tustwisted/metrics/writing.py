"""The table of what is counted, as a part of the documentation."""

from __future__ import annotations

from textwrap import fill

from tustwisted.metrics.table import METRICS, Metric

_WIDTH = 88


def written_table() -> str:
    """Write ``docs/metrics.rst``."""
    return "\n".join(map(_entry, METRICS))


def _entry(metric: Metric) -> str:
    labels = ", ".join(f"``{label}``" for label in metric.labels)
    kind = f"{metric.kind.value}, by {labels}" if labels else metric.kind.value
    indent = "    "
    text = fill(metric.meaning, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    return f"``{metric.name}`` : {kind}\n{text}\n"
