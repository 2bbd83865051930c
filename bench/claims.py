"""
What claims of uploads cost: alone, around a small request, and when one is contested.

Run ``python -m bench.claims [--directory DIR] [--rounds 2000] [--copy-mib 256]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tustwisted.interfaces import IDataStore
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.testing import ImmediateDisk

_BODY = b"x" * 4096


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("this waits")


def _median_us(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median of the wall time, and the mean of the CPU time."""
    took = []
    cpu = time.process_time()
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    cpu = time.process_time() - cpu
    return statistics.median(took) * 1e6, cpu / rounds * 1e6


def _append(store: IDataStore, offset: int) -> int:
    writer = _run(store.open_writer("u", offset))
    writer.write([_BODY])
    end: int = writer.settle()
    writer.close()
    return end


def measure(directory: str, rounds: int, copy_mib: int) -> None:
    """Measure everything in one directory."""
    store = FileStore(directory, ImmediateDisk(), Durability.NONE)
    _run(store.start())
    _run(store.create(UploadInfo("u", None)))
    ends = [0]

    def claim() -> None:
        _run(_run(store.claim("u")).release())

    def request() -> None:
        ends.append(_append(store, ends[-1]))

    def claimed_request() -> None:
        held = _run(store.claim("u"))
        ends.append(_append(held.store, ends[-1]))
        _run(held.release())

    for name, work in (
        ("claim and release", claim),
        ("4 KiB without a claim", request),
        ("4 KiB with a claim", claimed_request),
    ):
        wall, cpu = _median_us(work, rounds)
        sys.stdout.write(f"{name:24} {wall:8.0f} us, {cpu:6.0f} us of CPU\n")
    _copy(store, ends[-1], copy_mib)


def _copy(store: FileStore, offset: int, copy_mib: int) -> None:
    frozen = _run(store.claim("u"))
    writer = _run(frozen.store.open_writer("u", offset))
    for _ in range(copy_mib):
        writer.write([os.urandom(1024 * 1024)])
    begin = time.perf_counter()
    held = _run(store.claim("u"))
    _run(held.store.open_writer("u", writer.offset)).close()
    took = time.perf_counter() - begin
    writer.close()
    sys.stdout.write(f"take-over of {copy_mib} MiB: {took * 1e3:.0f} ms\n")
    _run(held.release())


def main() -> None:
    """Measure in a directory of the user's choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", default=None)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--copy-mib", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        measure(directory, options.rounds, options.copy_mib)


if __name__ == "__main__":
    main()
