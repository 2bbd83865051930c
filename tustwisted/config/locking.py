"""Those settings that say what keeps writers apart."""

from __future__ import annotations

from attrs import frozen

from tustwisted.config.forms import TIME, Form
from tustwisted.config.setting import setting
from tustwisted.config.values import parse_time
from tustwisted.lockers import LockerChoice, parse_locker

MIN_TTL_S = 1.0
"""A shorter lease would be lost whenever a process or the network is busy."""

MAX_TTL_S = 300.0
"""For so long nobody could go on after a crash."""


def _parse_ttl(text: str) -> float:
    seconds = parse_time(text)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise ValueError("must be a time from 1s to 5m")
    return seconds


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Locking:
    """What keeps writers apart."""

    locker: LockerChoice | None = setting(
        Form("LOCKER", parse_locker, choices=("memory", "file")),
        "What keeps writers apart: memory (one process), file (processes of one "
        "machine) or redis://[user:password@]host[:port][/db] (several machines; also "
        "rediss: and unix:).",
        otherwise="file; memory with --store",
        example="redis://localhost:6379/0",
        is_secret=True,
    )
    lock_timeout: float = setting(
        TIME, "Wait so long for another request's upload.", "20s", reloads=True
    )
    lock_ttl: float = setting(
        Form("TIME", _parse_ttl, is_number=True),
        "Free what a process held in Redis so long after it was last heard of.",
        "10s",
    )
