"""
What the file locker costs: taking what is free, and taking over from another process.

Run ``python -m bench.file_locks [--held 0 1000 10000] [--takes 2000] [--rounds 50]``.
The first figures are time of the processor, the last ones time of the clock.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from subprocess import PIPE, Popen
from typing import IO

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tustwisted.lock.file import FileLocks
from tustwisted.lock.shared import IProcessLock

_PROGRAM = (sys.executable, "tests/lock/one_process.py")


async def uncontended(reactor: object, directory: str, held: int, takes: int) -> str:
    """Take and release something free while so many others are held."""
    locks = FileLocks(directory, reactor)
    await locks.start(lambda _: None)
    ids = [f"held {i}" for i in range(held)]
    tracemalloc.start()
    others: list[IProcessLock | None] = [await locks.try_take(i) for i in ids]
    gc.collect()
    each_bytes = tracemalloc.get_traced_memory()[0] / max(1, held)
    tracemalloc.stop()
    began = time.process_time()
    for i in range(takes):
        (await locks.take(f"free {i}", 1)).release()
    took_s = (time.process_time() - began) / takes
    await locks.stop()
    del others
    return (
        f"{held:6} held: {1 / took_s:8.0f} takes and releases/s of one core, "
        f"{took_s * 1e6:6.1f} us each; {each_bytes:4.0f} bytes for each that is held"
    )


def said(stream: IO[bytes] | None, words: str) -> float:
    """Wait until a process says something, and return when it did."""
    assert stream is not None
    for line in stream:
        what, _, when = line.decode().rpartition(" ")
        if what == words:
            return float(when)
    raise AssertionError(f"it did not say {words!r}")


def tell(process: Popen[bytes], command: str) -> None:
    """Give a process a command."""
    assert process.stdin is not None
    process.stdin.write(f"{command}\n".encode())
    process.stdin.flush()


def taken_over(directory: str, rounds: int) -> str:
    """Take over from another process, to and fro."""
    one, other = [
        Popen([*_PROGRAM, directory], stdin=PIPE, stdout=PIPE) for _ in range(2)
    ]
    told_ms, freed_ms = [], []
    said(one.stdout, "ready")
    said(other.stdout, "ready")
    tell(one, "take u 10")
    said(one.stdout, "took u")
    for _ in range(rounds):
        asked = time.monotonic()
        tell(other, "take u 10")
        told_ms.append((said(one.stdout, "wished u") - asked) * 1000)
        tell(one, "release u")
        released = said(one.stdout, "released u")
        freed_ms.append((said(other.stdout, "took u") - released) * 1000)
        one, other = other, one
    for process in (one, other):
        process.communicate(b"stop\n")
    return "\n".join(
        f"{what}: median {statistics.median(ms):.2f} ms, worst {max(ms):.2f} ms"
        for what, ms in (
            ("from the command to take it to the holder's hearing of it", told_ms),
            ("from the release to the lock in the other process", freed_ms),
        )
    )


def main(reactor: object, *arguments: str) -> Deferred[None]:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held", type=int, nargs="*", default=[0, 1000, 10_000])
    parser.add_argument("--takes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args(arguments)

    async def measure(held: Sequence[int]) -> None:
        for count in held:
            with tempfile.TemporaryDirectory() as directory:
                print(await uncontended(reactor, directory, count, options.takes))  # noqa: T201
        with tempfile.TemporaryDirectory() as directory:
            print(taken_over(directory, options.rounds))  # noqa: T201

    return Deferred.fromCoroutine(measure(options.held))


if __name__ == "__main__":
    react(main, sys.argv[1:])
