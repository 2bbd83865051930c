"""Runs one campaign; status 1 when anything was found."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.events.clients import STUCK_S, Ledger, Uploader
from tests.events.judge import judge
from tests.events.world import World

CLIENTS = 6

QUIET_S = 240.0
"""How long the end may take: the longest pause of a delivery is a minute."""


def campaign(
    world: World, kills: int, seed: int, leaves: bool = True
) -> tuple[str, list[str]]:
    """
    Let clients upload while the daemon is killed.

    :param leaves: some uploads are left alone until they expire.
    :returns: what was done, and what was found.
    """
    began = time.monotonic()
    world.start()
    ledger, ending = Ledger(), threading.Event()
    uploaders = [
        Uploader(
            number,
            world.port,
            ledger,
            random.Random(f"{seed}/{number}"),
            ending,
            leaves,
        )
        for number in range(CLIENTS)
    ]
    for uploader in uploaders:
        uploader.start()
    for _ in range(kills):
        world.go_away()
        world.kill()
    world.come_back()
    ending.set()
    for uploader in uploaders:
        uploader.thread.join(STUCK_S)
    _wait_for_the_end(world, ledger)
    found = judge(world, ledger)
    ids = {each.event_id for each in world.noted}
    summary = (
        f"seed {seed}, {' '.join(world.options)}: {kills} kills in "
        f"{time.monotonic() - began:.0f} s {dict(sorted(world.did.items()))}; uploads: "
        f"{len(ledger.created)} created, {len(ledger.finished)} finished, "
        f"{len(ledger.terminated)} terminated, {len(ledger.left)} left alone; events: "
        f"{len(ids)} told, {len(world.noted) - len(ids)} of them again; "
        f"{len(found)} findings"
    )
    return summary, found


def _wait_for_the_end(world: World, ledger: Ledger) -> None:
    """Wait until all is delivered and expired, or for so long that it is a finding."""
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        if not world.waiting() and not ledger.left & world.stored():
            return
        time.sleep(0.2)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    words = ("--locker", "file", "--workers", str(options.workers))
    place = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        world = World(place, random.Random(options.seed), words)
        stack.callback(world.end)
        stack.callback(world.receiver.stop)
        summary, found = campaign(world, options.kills, options.seed)
    if found:
        found.append(f"all is left in {place}")
    else:
        shutil.rmtree(place)
    for each in (summary, *found):
        sys.stdout.write(f"{each}\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
