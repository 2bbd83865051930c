"""What the documentation says of metrics is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.metrics.table import METRICS, Kind
from tustwisted.metrics.writing import written_table
from tustwisted.web.problems import PROBLEMS

DOCS = Path(__file__).parents[2] / "docs"

SAMPLES = {"histogram": ("_bucket", "_sum", "_count")}
"""What is behind the names of those that are told in several parts."""


class TableTests(SynchronousTestCase):
    """The table of metrics."""

    def test_is_up_to_date(self) -> None:
        """It is what ``make config-docs`` writes."""
        self.assertEqual((DOCS / "metrics.rst").read_text(), written_table())


class AlertsTests(SynchronousTestCase):
    """The rules for alerts, as far as they can be judged without Prometheus."""

    def setUp(self) -> None:
        self.text = (DOCS / "examples" / "alerts.yml").read_text()

    def test_names(self) -> None:
        """Each metric that a rule looks at is told, with the labels that it wants."""
        known = {
            f"{metric.name}{part}": metric.labels
            for metric in METRICS
            for part in SAMPLES.get(metric.kind.value, ("",))
        }
        used = re.findall(r"\b(tustwisted_\w+)(?:\{(.*?)\})?", self.text)
        self.assertGreater(len(used), 5)
        for name, chosen in used:
            self.assertIn(name, known)
            for label in re.findall(r"(\w+)=", chosen):
                self.assertIn(label, known[name])

    def test_values(self) -> None:
        """Each value that a rule chooses is one that there can be."""
        codes = {problem.code for problem in PROBLEMS.values()}
        can_be = {"5xx", "failed", "due", "dead", "tustwisted", "0", *codes}
        self.assertLessEqual(set(re.findall(r'=~?"(.*?)"', self.text)), can_be)

    def test_each_counts_something_that_grows(self) -> None:
        """A rate, or an increase, is asked of counters only, and of each of them."""
        counters = {m.name for m in METRICS if m.kind is Kind.COUNTER}
        found = set(re.findall(r"tustwisted_\w+", self.text))
        growing = set(re.findall(r"(?:rate|increase)\((tustwisted_\w+)", self.text))
        self.assertEqual(growing, found & counters)
