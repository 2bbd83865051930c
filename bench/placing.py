"""
What it costs to place the files of finished uploads of 4 KiB.

Run ``python -m bench.placing [--directory DIR] [--rounds 1000]``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Coroutine
from typing import Any

from tustwisted.protocol.filenames import FileNameTemplate
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.testing import ImmediateDisk

_BODY = b"x" * 4096
_TEMPLATE = FileNameTemplate("{yyyy}/{mm}/{dd}/{filename}")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("this waits")


def _upload(store: FileStore, number: int, moves: bool | None) -> tuple[float, float]:
    """Upload something; return the wall and CPU time of its finish step, seconds."""
    named = Metadata.from_pairs({"filename": f"file {number}.bin".encode()})
    info = UploadInfo(f"{number:032x}", len(_BODY), metadata=named)
    _run(store.create(info))
    writer = _run(store.open_writer(info.upload_id, 0))
    writer.write([_BODY])
    writer.settle()
    writer.close()
    begin, cpu = time.perf_counter(), time.process_time()
    _run(store.set_state(info.upload_id, UploadState.FINISHING))
    if moves is not None:
        names = _TEMPLATE.names(info, time.time())
        _run(store.place(info.upload_id, names, moves))
    _run(store.set_state(info.upload_id, UploadState.FINISHED))
    return time.perf_counter() - begin, time.process_time() - cpu


def measure(directory: str, rounds: int) -> None:
    """Measure each way under two promises."""
    for durability in (Durability.NONE, Durability.FINISH):
        for name, moves in (("not placed", None), ("link", False), ("move", True)):
            place = f"{directory}/{durability.value}-{name}"
            store = FileStore(
                f"{place}/uploads",
                ImmediateDisk(),
                durability,
                finished_directory=f"{place}/finished",
            )
            _run(store.start())
            took = [_upload(store, number, moves) for number in range(rounds)]
            wall, cpu = (
                statistics.median(times) * 1e3 for times in zip(*took, strict=False)
            )
            sys.stdout.write(
                f"{durability.value:7} {name:11} {wall:7.2f} ms for a finish step, "
                f"{cpu:5.2f} ms of CPU\n"
            )


def main() -> None:
    """Measure in a directory of the user's choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", default=None)
    parser.add_argument("--rounds", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        measure(directory, options.rounds)


if __name__ == "__main__":
    main()
