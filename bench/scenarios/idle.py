"""Uploads that are open and send nothing: what each of them keeps in memory."""

from __future__ import annotations

import select
from contextlib import ExitStack

from bench.content import Upload
from bench.processes import metered, settled_kib
from bench.samples import MIB, Sample
from bench.scenarios import Scenario, Shape, Trial
from bench.scenarios.large import warm_up
from bench.wire import WrongAnswer

_SIZE = MIB
_SENT = 64 * 1024


def idle(trial: Trial) -> Sample:
    """Send the headers and a part of the body of many uploads, and then nothing."""
    warm_up(trial)
    tree, most = trial.running.tree, trial.scale.idle_count
    idle_kib = settled_kib(tree, trial.scale.still_s)
    others = {}
    with ExitStack() as stack, metered(tree) as meter:
        uploads: list[Upload] = []
        for name, count in (("one", 1), ("some", max(1, most // 20)), ("all", most)):
            while len(uploads) < count:
                uploads.append(_begin(trial, stack))
            others[name] = (settled_kib(tree, trial.scale.still_s) - idle_kib) / count
        _check(uploads)
    return Sample(meter.cost, most, others)


def _begin(trial: Trial, stack: ExitStack) -> Upload:
    client = stack.enter_context(trial.running.connect())
    upload = Upload.create(client, trial.content, _SIZE)
    client.socket.sendall(client.site.patch(upload.path, 0, _SIZE))
    trial.content.send(client.socket, 0, _SENT)
    return upload


def _check(uploads: list[Upload]) -> None:
    """Nobody was answered, or cut: all of them were open."""
    poll = select.poll()
    for upload in uploads:
        poll.register(upload.client.socket, select.POLLIN)
    if answered := len(poll.poll(0)):
        raise WrongAnswer(f"{answered} of {len(uploads)} open uploads were ended")


SCENARIOS = (
    Scenario(
        "idle",
        "{idle_count} uploads that have sent 64 KiB and send no more",
        idle,
        "uploads",
        Shape.MEMORY,
        is_upload=False,
        rounds=2,
        others=(
            ("one", "KiB for the first"),
            ("some", "KiB each, of a twentieth"),
            ("all", "KiB each, of all"),
        ),
    ),
)
