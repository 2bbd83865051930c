"""
What the outbox and the delivery cost: real files, a real reactor, a hook that is quick.

Run ``python -m bench.outbox [--waiting 20000]``.  So many events are prepared and
committed, and then delivered, while a call every millisecond tells how late the reactor
is.  Times are of the processor but for the last line.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater, react

from bench.sweep import Heartbeat
from tests.hooks.support import StubHook
from tustwisted.disk import Disk
from tustwisted.hooks.delivery import Delivery
from tustwisted.hooks.outbox.file import FileOutbox
from tustwisted.protocol.events import Event
from tustwisted.testing_outbox import CREATED, make_event, upload_of


class QuickHook(StubHook):
    """Answers in the next turn of the reactor."""

    count = 0

    async def tell(self, event: Event) -> None:
        """Take note of an event."""
        await deferLater(reactor, 0)
        self.count += 1


def resident_mb() -> float:
    """Tell how much memory this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def say(what: str, began_s: float, count: int) -> None:
    """Tell how much of the processor each took since some time."""
    each_us = (time.process_time() - began_s) / count * 1e6
    sys.stdout.write(f"{what}: {each_us:.0f} us each\n")


async def measure(waiting: int, directory: str) -> None:
    """Fill an outbox, look at it, empty it."""
    disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
    disk.start()
    outbox = FileOutbox(directory, disk, lambda _: False, limit=10 * waiting)
    await outbox.start()
    began_s = time.process_time()
    for number in range(waiting):
        event = make_event(CREATED, f"{number * 7919 % 1_000_003:032x}")
        await (await outbox.prepare(event, ["h"])).commit()
    say("prepare and commit", began_s, waiting)
    began_s = time.process_time()
    for number in range(1000):
        await outbox.unsettled(f"{number:032x}")
    say("unsettled", began_s, 1000)
    began_s = time.process_time()
    for _ in range(1000):
        await outbox.is_waiting(upload_of(make_event()), "h")
    say("is_waiting", began_s, 1000)
    began_s = time.process_time()
    await outbox.look("h", "", 8192)
    say("look at all", began_s, 1)
    await deliver(outbox, waiting)
    await outbox.stop()
    await disk.stop()


async def deliver(outbox: FileOutbox, waiting: int) -> None:
    """Tell all that waits."""
    hook, heartbeat, before_mb = QuickHook(), Heartbeat(reactor), resident_mb()
    delivery = Delivery(outbox, [hook], reactor)
    heartbeat.beat()
    began_s, began = time.process_time(), time.perf_counter()
    delivery.start()
    peak_mb = before_mb
    while hook.count < waiting:
        await deferLater(reactor, 0.1)
        peak_mb = max(peak_mb, resident_mb())
    say("deliver", began_s, waiting)
    took_s = time.perf_counter() - began
    late_ms = sorted(heartbeat.stop())
    delivery.stop()
    await delivery.stopped()
    p99_ms = late_ms[len(late_ms) // 100 * 99]
    sys.stdout.write(
        f"{waiting} delivered in {took_s:.1f} s, {waiting / took_s:.0f} a second; "
        f"{peak_mb - before_mb:.1f} MB more; the reactor was late by "
        f"{p99_ms:.1f} ms (p99), {late_ms[-1]:.0f} ms (max)\n"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=20_000)
    waiting = parser.parse_args().waiting

    def run(_: IReactorTime) -> Deferred[None]:
        return Deferred.fromCoroutine(measure(waiting, f"{place}/outbox"))

    with tempfile.TemporaryDirectory() as place:
        react(run)


if __name__ == "__main__":
    main()
