"""Small uploads: what a request costs."""

from __future__ import annotations

import os
from collections.abc import Callable

from bench.clients.small import Uploader, upload
from bench.processes import metered
from bench.samples import Sample
from bench.scenarios import Scenario, Trial

SIZE = 4096

_WARM_UP = 50


def small(connections: int, with_body: bool) -> Callable[[Trial], Sample]:
    """
    Make a scenario.

    :param with_body: whether ``POST`` carries the content; else a ``PATCH`` follows.
    """

    def run(trial: Trial) -> Sample:
        content = os.urandom(SIZE)
        site, count = trial.running.site, trial.scale.small_count
        uploaders = [
            Uploader.connect(site, content, with_body) for _ in range(connections)
        ]
        upload(uploaders, min(_WARM_UP, count))
        with metered(trial.running.tree) as meter:
            upload(uploaders, count)
        for each in uploaders:
            each.client.close()
        return Sample(meter.cost, count)

    return run


SCENARIOS = (
    Scenario(
        "small-1",
        "4 KiB in POST and PATCH, one connection",
        small(1, with_body=False),
        "uploads",
    ),
    Scenario(
        "small-32",
        "4 KiB in POST and PATCH, 32 connections",
        small(32, with_body=False),
        "uploads",
    ),
    Scenario(
        "body-1",
        "4 KiB in one POST, one connection",
        small(1, with_body=True),
        "uploads",
    ),
    Scenario(
        "body-32",
        "4 KiB in one POST, 32 connections",
        small(32, with_body=True),
        "uploads",
    ),
)
