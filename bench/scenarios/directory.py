"""Small uploads and HEAD while many uploads are in the directory already."""

from __future__ import annotations

import random
import time

from bench.filling import name_of
from bench.processes import ProcessTree, metered
from bench.samples import Sample
from bench.scenarios import Scenario, Trial
from bench.scenarios.small import small
from bench.wire import Connection

_STILL_S = 0.5
_LIMIT_S = 120.0

_FIRST_SWEEP_S = 31.0
"""Our daemon first looks for what has expired 30 s after its start."""

_RUN_S = 12.0
"""So long a run may take; it begins early enough before that sweep, or after it."""

_HEADS = 500

_small = small(1, with_body=False)


def among(count: int) -> Scenario:
    """Measure with so many uploads in the directory."""

    def run(trial: Trial) -> Sample:
        tree = trial.running.tree
        _wait_until_quiet(tree)
        others = {
            "listening": trial.running.listening_s * 1000,
            "began": tree.cpu_s() * 1000,
            "head": _head(trial, count),
        }
        sample = _small(trial)
        return Sample(sample.cost, sample.amount, others)

    return Scenario(
        f"among-{count}",
        f"4 KiB in POST and PATCH, one connection, among {count:,} uploads",
        run,
        "uploads",
        others=(
            ("head", "CPU, ms/HEAD"),
            ("listening", "Listens after, ms"),
            ("began", "CPU of the start, ms"),
        ),
        fill=count,
    )


def _head(trial: Trial, count: int) -> float:
    """The CPU of one HEAD, ms; each asks for an upload chosen by chance."""
    site, chance = trial.running.site, random.Random(1)
    with Connection(site) as client, metered(trial.running.tree) as meter:
        for _ in range(_HEADS):
            name = name_of(chance.randrange(count))
            client.ask(site.head(site.path + name), 200)
    return meter.cost.cpu_s / _HEADS * 1000


def _wait_until_quiet(tree: ProcessTree) -> None:
    """Let a server do what it does with a directory when it starts, and no more."""
    began = time.monotonic()
    _wait_until_still(tree)
    if (passed_s := time.monotonic() - began) > _FIRST_SWEEP_S - _RUN_S:
        time.sleep(max(0.0, _FIRST_SWEEP_S - passed_s))
        _wait_until_still(tree)


def _wait_until_still(tree: ProcessTree) -> None:
    end = time.monotonic() + _LIMIT_S
    last, since = tree.cpu_s(), time.monotonic()
    while time.monotonic() - since < _STILL_S and time.monotonic() < end:
        time.sleep(0.05)
        if (now := tree.cpu_s()) - last > 0.02:
            last, since = now, time.monotonic()


SCENARIOS = (among(10), among(1_000), among(100_000))
