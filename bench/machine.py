"""The machine: what it is, and whether it has settled."""

from __future__ import annotations

import os
import platform
import re
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

_QUIET_KIB = 32 * 1024
_LIMIT_S = 8.0


def meminfo() -> dict[str, int]:
    """What /proc/meminfo says, KiB."""
    text = Path("/proc/meminfo").read_text()
    return {name: int(kib) for name, kib in re.findall(r"(\w+): +(\d+) kB", text)}


def settle() -> bool:
    """
    Wait until little is left to be written, so that nobody pays for another's pages.

    :returns: whether it came to that in time; others may use the machine as well.
    """
    end = time.monotonic() + _LIMIT_S
    while (facts := meminfo())["Dirty"] + facts["Writeback"] > _QUIET_KIB:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def allow_many_descriptors() -> int:
    """Raise the limit as far as it goes, for us and those we start; return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def describe(directory: Path) -> dict[str, object]:
    """
    The facts that figures depend on; to be asked for before anything is measured.

    :param directory: where the servers keep the uploads.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_mib": meminfo()["MemTotal"] // 1024,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "file_system": _file_system(directory),
        "load": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the mount with the longest path that the directory is below."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    place = directory.resolve()
    return max((len(m[1]), m[2]) for m in mounts if place.is_relative_to(m[1]))[1]
