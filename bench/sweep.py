"""
How late the reactor is while expired uploads are swept: real files, a real reactor.

Run ``python -m bench.sweep [--expired 10000] [--living 10000] [--rounds 3]``.  A call
every millisecond tells how late it comes; the same without a sweep is the floor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater, react

from tustwisted.protocol.metadata import Metadata
from tustwisted.service import UploadsService
from tustwisted.uploads.sweeping import Swept

_AGE_S = 86400.0
_BEAT_S = 0.001


@define(eq=False)
class Heartbeat:
    """Asks to be called every millisecond, and notes how late that is."""

    _clock: IReactorTime
    late_ms: list[float] = field(factory=list)
    _beats: bool = True

    def beat(self) -> None:
        """Note when the next beat comes."""
        due = time.perf_counter() + _BEAT_S

        def come() -> None:
            self.late_ms.append((time.perf_counter() - due) * 1000)
            if self._beats:
                self.beat()

        self._clock.callLater(_BEAT_S, come)

    def stop(self) -> list[float]:
        """Beat no more, and tell how late the beats were, milliseconds."""
        self._beats = False
        return self.late_ms


async def fill(
    directory: str, service: UploadsService, expired: int, all_: int
) -> None:
    """Create uploads of 4 KiB, and make some of them two days old."""
    content = b"x" * 4096
    for number in range(all_):
        upload = await service.uploads.create(8192, Metadata())
        writer = await service.uploads.store.open_writer(upload.upload_id, 0)
        writer.write([content])
        writer.close()
        if number < expired:
            age(f"{directory}/{upload.upload_id}", time.time() - 2 * _AGE_S)


def age(path: str, then: float) -> None:
    """Make an upload as old as if it were of that time."""
    with open(f"{path}.info", encoding="ascii") as file:
        before, _, rest = file.read().partition('"Created":')
    _, _, after = rest.partition(",")
    with open(f"{path}.info", "w", encoding="ascii") as file:
        file.write(f'{before}"Created":{then},{after}')
    os.utime(path, (then, then))


def show(name: str, late_ms: Sequence[float], took_s: float, swept: Swept) -> None:
    """Print one row."""
    cuts = statistics.quantiles(late_ms, n=100)
    sys.stdout.write(
        f"{name:8} late p50 {cuts[49]:5.2f}  p99 {cuts[98]:5.2f}"
        f"  max {max(late_ms):6.2f} ms  {took_s:6.2f} s"
        f"  {swept.expired:6} removed  {swept.expired / took_s:6.0f}/s"
        f"  {swept.looked_at:6} looked at\n"
    )


async def measure(clock: IReactorTime, expired: int, living: int) -> None:
    """Fill a directory, then sweep it beside a heartbeat, and once more."""
    with tempfile.TemporaryDirectory(dir=".") as directory:
        # The sweeper of the service waits for its first sweep while this fills.
        service = UploadsService.in_directory(clock, directory, expire_after_s=_AGE_S)
        await service.start()
        await fill(directory, service, expired, expired + living)
        idle = Heartbeat(clock)
        idle.beat()
        await deferLater(clock, 2)
        show("idle", idle.stop(), 2, Swept())
        for name in ("sweep", "again"):
            heart = Heartbeat(clock)
            heart.beat()
            began, cpu = time.perf_counter(), time.process_time()
            swept = await service.uploads.sweep()
            took_s = time.perf_counter() - began
            show(name, heart.stop(), took_s, swept)
            sys.stdout.write(f"{'':8} {time.process_time() - cpu:.2f} CPU s\n")
        left = [name for name in os.listdir(directory) if not name.startswith(".")]
        assert len(left) == 2 * living, left
        await service.stop()


def main(_: object, *words: str) -> Deferred[None]:
    """Measure round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--expired", type=int, default=10_000)
    parser.add_argument("--living", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(words)

    async def rounds() -> None:
        for _ in range(options.rounds):
            await measure(IReactorTime(reactor), options.expired, options.living)

    return Deferred.fromCoroutine(rounds())


if __name__ == "__main__":
    react(main, sys.argv[1:])
