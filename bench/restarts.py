"""
What clients notice of a restart, when the socket outlives the daemon.

Run ``python -m bench.restarts [--rounds 10] [--clients 4] [--workers 1]``.  Real
``systemd-socket-activate`` opens the socket; meanwhile clients upload 20 KB each, one
after the other over one connection, and another one sends 8 MiB at some 6 MiB/s.  Two
ways:

- ``plain``: the daemon is stopped, then the next one is started, as by ``systemctl
  restart``.  Who connects between waits in the socket's queue.
- ``overlap``: the next one is started, and the first one stopped when that serves.

All uploads are compared with what was sent.  On two cores that other work used as well
(load 7), five rounds with one worker, medians and the longest in brackets:

=======  ===========  ===========  ==========  ==================
way      took         wait         went on     tried again in all
=======  ===========  ===========  ==========  ==================
plain    2.9 s (3.4)  3.1 s (3.6)  17 uploads  25
overlap  1.9 s (2.1)  .29 s (.32)  82 uploads  25
=======  ===========  ===========  ==========  ==================

Nobody was refused, and 1202 uploads were whole.  With two workers, at a load of 9, a
restart took 8.7 and 8.9 s, and the longest waits were 8.8 and .41 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.integration.daemon import free_port
from tests.integration.restarts import WAYS, Held, Noticed, Restart

BETWEEN_S = 2.0
"""So long all is quiet before each restart, and after the last one."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        options = ("--workers", str(arguments.workers))
        held = Held(free_port(), Path(directory), options)
        held.start()
        try:
            restarts, noticed = _measure(held, arguments.rounds, arguments.clients)
        finally:
            held.stop()
    for way in WAYS:
        of_this_way = [r for r in restarts if r.way == way]
        sys.stdout.write(_row(way, of_this_way, noticed) + "\n")
    kinds = Counter(name for name, _ in noticed.uploads)
    sys.stdout.write(f"whole: {dict(kinds)}; refused: {noticed.refused}\n")


def _measure(
    held: Held, rounds: int, clients: int
) -> tuple[Sequence[Restart], Noticed]:
    restarts = []
    with held.uploading(clients) as noticed:
        for way in WAYS * rounds:
            time.sleep(BETWEEN_S)
            restarts.append(held.restart(way))
        time.sleep(BETWEEN_S)
    return restarts, noticed


def _row(way: str, restarts: Sequence[Restart], noticed: Noticed) -> str:
    """Tell medians, and the longest in brackets."""
    took_s = [r.ended - r.began for r in restarts]
    waits_s = [noticed.longest_s(r) for r in restarts]
    through = [noticed.during(r, noticed.uploads).total() for r in restarts]
    cuts = sum((noticed.during(r, noticed.cuts) for r in restarts), Counter[str]())
    return (
        f"{way:8} took {statistics.median(took_s):.2f} s ({max(took_s):.2f}); "
        f"longest wait {statistics.median(waits_s):.2f} s ({max(waits_s):.2f}); "
        f"uploads that ended meanwhile {statistics.median(through):.0f}; "
        f"cut, in all: {dict(cuts)}"
    )


if __name__ == "__main__":
    main()
