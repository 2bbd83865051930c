"""Uploads whose client is gone or silent: how soon another one can go on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.content import Upload
from bench.processes import Cost, metered
from bench.samples import MIB, Sample
from bench.scenarios import Scenario, Shape, Trial
from bench.scenarios.large import warm_up
from bench.wire import Connection, WrongAnswer

_SIZE = 32 * MIB
_CUT_AT = 16 * MIB

_HELD_SIZE = 2 * MIB
_HELD_AT = MIB

_TIMES = 10
_ENOUGH_S = 3.0
"""Who takes long is asked fewer times."""

_PATIENCE_S = 30.0
_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05
"""The pause doubles up to this: asking must not be what the server is busy with."""


def cut(trial: Trial) -> Sample:
    """Close the connection in the middle of a ``PATCH``; ask until all is there."""

    def once(other: Connection) -> float:
        with trial.running.connect() as client:
            upload = Upload.create(client, trial.content, _SIZE)
            _begin(upload, _SIZE, _CUT_AT)
        began = time.monotonic()
        _ask_until(other, upload.path, _CUT_AT)
        return time.monotonic() - began

    return _repeated(trial, once)


def taken_over(trial: Trial) -> Sample:
    """Leave a ``PATCH`` open and silent; go on from another connection."""

    def once(other: Connection) -> float:
        with trial.running.connect() as client:
            upload = Upload.create(client, trial.content, _HELD_SIZE)
            _begin(upload, _HELD_SIZE, _HELD_AT)
            _wait_until_stored(trial, upload)
            began = time.monotonic()
            _ask_until(other, upload.path, _HELD_AT)
            rest = Upload(other, upload.path, trial.content)
            rest.patch(_HELD_AT, _HELD_SIZE - _HELD_AT)
            return time.monotonic() - began

    return _repeated(trial, once)


def _begin(upload: Upload, size: int, sent: int) -> None:
    client = upload.client
    client.socket.sendall(client.site.patch(upload.path, 0, size))
    upload.content.send(client.socket, 0, sent)


def _wait_until_stored(trial: Trial, upload: Upload) -> None:
    """The holder has nothing more to do, for all that can be seen."""
    file, end = trial.running.path_of(upload.path), time.monotonic() + 5
    while file.stat().st_size < _HELD_AT and time.monotonic() < end:
        time.sleep(_PAUSE_S)  # who buffers it may take longer; then HEAD tells


def _ask_until(client: Connection, path: str, offset: int) -> None:
    """Ask with ``HEAD`` until an offset is told."""
    end, pause_s = time.monotonic() + _PATIENCE_S, _PAUSE_S
    while True:
        client.socket.sendall(client.site.head(path))
        found = client.answer(has_body=False)
        if found.status == 200 and found.offset == offset:
            return
        if time.monotonic() > end:
            raise WrongAnswer(
                f"{_PATIENCE_S:.0f} s later HEAD was answered with {found.status} and"
                f" the offset {found.offset}, not {offset}"
            )
        if found.status not in (200, 423):
            raise WrongAnswer(f"HEAD was answered with {found.status}")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _repeated(trial: Trial, once: Callable[[Connection], float]) -> Sample:
    """Take the median of several times."""
    warm_up(trial)
    took: list[float] = []
    with trial.running.connect() as other, metered(trial.running.tree) as meter:
        while len(took) < _TIMES and sum(took) < _ENOUGH_S:
            took.append(once(other))
    cost = Cost(
        statistics.median(took),
        meter.cost.cpu_s / len(took),
        meter.cost.above_idle_kib,
    )
    return Sample(cost, 1, {"worst": max(took) * 1000})


_WORST = (("worst", "Longest, ms"),)

SCENARIOS = (
    Scenario(
        "cut",
        "HEAD tells all bytes of a PATCH that was cut",
        cut,
        "times",
        Shape.DELAY,
        is_upload=False,
        others=_WORST,
    ),
    Scenario(
        "take-over",
        "HEAD and PATCH take an upload over from a silent client",
        taken_over,
        "times",
        Shape.DELAY,
        is_upload=False,
        others=_WORST,
    ),
)
