"""
A program that is killed before each line that the store of the documentation runs.

``python dies_at_each_line.py DIRECTORY`` lets one life of the store after the other go
further by a line; each is a process of its own that SIGKILL ends.  After each, a new
store must find what the dead one has promised.  Prints how many died.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "examples")]

import sqlite_store  # noqa: E402 - found by the line above

from tustwisted.errors import UploadNotFound  # noqa: E402
from tustwisted.protocol.upload import UploadInfo, UploadState  # noqa: E402
from tustwisted.testing import ImmediateDisk  # noqa: E402

BYTES = b"abcdefgh"
STEPS = ("begun", "created", "writes", "wrote", "length", "finished", "removes", "gone")
"""What a life tells: where it is, by how many of these it has written."""


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run what waits for nothing, since its disk is immediate."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast(_T, done.value)
    raise AssertionError("this waits")


def live(directory: Path, told: int) -> None:
    """Do all that a store can, and tell each step when it is done."""

    def tell() -> None:
        os.write(told, b".")

    store = sqlite_store.SqliteStore(str(directory), ImmediateDisk())
    run(store.start())
    tell()
    run(store.create(UploadInfo("u", None, created_s=1.0)))
    tell()
    writer = run(store.open_writer("u", 0))
    writer.write([BYTES[:3]])
    writer.settle()
    tell()
    writer.write([BYTES[3:5], BYTES[5:]])
    writer.settle()
    writer.close()
    tell()
    run(store.set_length("u", len(BYTES)))
    tell()
    run(store.set_state("u", UploadState.FINISHED))
    tell()
    tell()
    run(store.remove("u"))
    tell()
    run(store.stop())


def die_before_line(number: int) -> None:
    """Have this process killed when the store gets to its n-th line."""
    left = number

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != sqlite_store.__file__:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def check(directory: Path, step: int) -> None:
    """See that a new store finds what was told, and can go on from there."""
    store = sqlite_store.SqliteStore(str(directory), ImmediateDisk())
    run(store.start())
    try:
        told = STEPS[:step]
        info = _find(store)
        if info is None:
            assert "created" not in told or "removes" in told, told
            run(store.create(UploadInfo("u", None)))
        else:
            assert "gone" not in told, told
            least = 8 if "wrote" in told else 3 if "writes" in told else 0
            assert least <= info.offset <= len(BYTES), (told, info)
            assert info.length == len(BYTES) or "length" not in told, (told, info)
            finished = info.state is UploadState.FINISHED
            assert finished or "finished" not in told, (told, info)
            assert _content(store) == BYTES[: info.offset]
        _go_on(store)
    finally:
        run(store.stop())


def _find(store: sqlite_store.SqliteStore) -> UploadInfo | None:
    try:
        return run(store.info("u"))
    except UploadNotFound:
        return None


def _content(store: sqlite_store.SqliteStore) -> bytes:
    """Read the upload; no file is there but that of it."""
    path = store._find("u")[1]
    files = [each for each in path.parent.iterdir() if not each.name.startswith(".")]
    assert files in ([], [path]), files
    return path.read_bytes() if files else b""


def _go_on(store: sqlite_store.SqliteStore) -> None:
    """Send what is missing, finish and remove."""
    info = run(store.info("u"))
    writer = run(store.open_writer("u", info.offset))
    if info.state is UploadState.RECEIVING:
        writer.write([BYTES[info.offset :]])
    writer.close()
    assert _content(store) == BYTES
    run(store.set_length("u", len(BYTES)))
    due = [] if info.state is UploadState.FINISHED else ["u"]
    assert run(store.awaiting_finish()) == due
    run(store.set_state("u", UploadState.FINISHED))
    run(store.remove("u"))
    assert _find(store) is None


def main() -> None:
    """Kill it at one line after the other, until a life comes to its end."""
    root, number = Path(sys.argv[1]), 0
    while True:
        directory = root / str(number)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if not pid:
            die_before_line(number)
            live(directory, write_end)
            os._exit(0)
        os.close(write_end)
        status = os.waitpid(pid, 0)[1]
        step = len(os.read(read_end, len(STEPS)))
        os.close(read_end)
        check(directory, step)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0, status
            assert step == len(STEPS), step
            break
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        number += 1
    print(number)  # noqa: T201 - what the test asks for


main()
