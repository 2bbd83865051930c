"""The start of a server."""

from __future__ import annotations

from bench.processes import Cost
from bench.samples import Sample
from bench.scenarios import Scenario, Shape, Trial


def started(trial: Trial) -> Sample:
    """Tell how long it took from the start of the process until it listened."""
    tree = trial.running.tree
    cost = Cost(trial.running.listening_s, tree.cpu_s(), 0)
    return Sample(cost, 1, {"resident": tree.resident_kib() / 1024})


SCENARIOS = (
    Scenario(
        "start",
        "From the start of the process until it listens",
        started,
        "times",
        Shape.DELAY,
        is_upload=False,
        others=(("resident", "Resident, MiB"),),
    ),
)
