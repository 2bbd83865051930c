"""
A program that causes events in an outbox until it is killed.

``python -m tests.hooks.outbox.one_process DIRECTORY NAME``: uploads ``NAME-0``,
``NAME-1`` ... are created, finished and terminated, several side by side.  What was
committed is told on standard output, one event id a line.
"""

from __future__ import annotations

import random
import sys

from tests.store.support import run
from tustwisted.hooks.outbox.file import FileOutbox
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_outbox import CREATED, FINISHED, TERMINATED, make_event

SIDE_BY_SIDE = 5


def main(directory: str, name: str) -> None:
    """Go on for ever."""
    outbox = FileOutbox(directory, ImmediateDisk(), lambda _: False)
    run(outbox.start())
    chance = random.Random(name)
    waiting: list[list[tuple[str, int]]] = []
    number = 0
    while True:
        while len(waiting) < SIDE_BY_SIDE:
            waiting.append([(f"{name}-{number}", i) for i in range(3)])
            number += 1
        upload_id, step = (mine := chance.choice(waiting)).pop(0)
        if not mine:
            waiting.remove(mine)
        kind = (CREATED, FINISHED, TERMINATED)[step]
        event = make_event(kind, upload_id, step + 1)
        notice = run(outbox.prepare(event, ["h"]))
        run(notice.commit())
        sys.stdout.write(f"{event.event_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
