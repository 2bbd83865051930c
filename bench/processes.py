"""What a server costs, as /proc shows it: all its processes and all their threads."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import define, frozen

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_OF_THE_SCHEDULER = 2
_GONE = (FileNotFoundError, ProcessLookupError)


class Process:
    """One process; its threads count, its children do not."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}")
        # As clock_getcpuclockid(3) does it.  What /proc tells of a process itself has
        # steps of 10 ms.
        self._clock = (~pid << 3) | _OF_THE_SCHEDULER

    def cpu_s(self) -> float:
        """User and system time of all threads, ended ones too, seconds."""
        return time.clock_gettime(self._clock)

    def reaped_cpu_s(self) -> float:
        """The same of children that ended and were waited for."""
        fields = (self._path / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / _TICKS_PER_S

    def memory_kib(self, name: str) -> int:
        """``VmRSS`` or ``VmHWM``."""
        found = re.search(rf"{name}:\s+(\d+)", (self._path / "status").read_text())
        assert found is not None
        return int(found[1])

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew."""
        (self._path / "clear_refs").write_text("5")

    def children(self) -> list[int]:
        """Process ids, of the children of every thread."""
        found: list[int] = []
        for task in (self._path / "task").iterdir():
            with suppress(*_GONE):
                found += map(int, (task / "children").read_text().split())
        return found


class ProcessTree:
    """A server: a process with all that descend from it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_s(self) -> float:
        """User and system time of all, also of those that ended, seconds."""
        return sum(each.cpu_s() + each.reaped_cpu_s() for each in self._all())

    def resident_kib(self) -> int:
        """Resident memory of all; a page that two share counts twice."""
        return sum(each.memory_kib("VmRSS") for each in self._all())

    def peak_kib(self) -> int:
        """The peaks of all since :meth:`forget_peak`, added up."""
        return sum(each.memory_kib("VmHWM") for each in self._all())

    def forget_peak(self) -> None:
        """Let the peaks begin anew."""
        for each in self._all():
            each.forget_peak()

    def _all(self) -> Iterator[Process]:
        pids = [self._pid]
        while pids:
            each = Process(pids.pop())
            pids += each.children()
            yield each


@frozen
class Cost:
    """What something cost a server."""

    wall_s: float
    cpu_s: float
    above_idle_kib: int
    """The peak of its resident memory, less what it was before."""


@define
class Meter:
    """Gives the cost once its block is left."""

    _cost: Cost | None = None

    @property
    def cost(self) -> Cost:
        """What the block cost."""
        assert self._cost is not None
        return self._cost


@contextmanager
def metered(server: ProcessTree) -> Iterator[Meter]:
    """Measure what a server does while a block runs."""
    meter = Meter()
    server.forget_peak()
    idle_kib, cpu_s, began = server.resident_kib(), server.cpu_s(), time.monotonic()
    yield meter
    wall_s = time.monotonic() - began
    meter._cost = Cost(
        wall_s, server.cpu_s() - cpu_s, max(0, server.peak_kib() - idle_kib)
    )


def settled_kib(server: ProcessTree, still_s: float, limit_s: float = 20) -> int:
    """Wait until a server's memory stands still; return it, KiB."""
    end = time.monotonic() + limit_s
    last, since = server.resident_kib(), time.monotonic()
    while time.monotonic() - since < still_s and time.monotonic() < end:
        time.sleep(min(0.1, still_s))
        now = server.resident_kib()
        if abs(now - last) > 100:
            last, since = now, time.monotonic()
    return server.resident_kib()
