"""What ``--workers`` takes, and what it cannot go with; imports no reactor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.python import usage

from tustwisted.lock.directory import LockerKind
from tustwisted.workers.role import MAX_WORKERS


def parse_workers(text: str) -> int:
    """
    Read how many processes serve.

    :raises ValueError: it is no such number; the message says what is.
    """
    if text.isascii() and text.isdigit() and len(text) <= 2:
        workers = int(text)
        if 1 <= workers <= MAX_WORKERS:
            return workers
    raise ValueError(f"must be a number from 1 to {MAX_WORKERS}")


def check_workers(options: Mapping[str, Any]) -> None:
    """
    Refuse several processes where only one can be.

    :raises UsageError: the locks are those of a single process.
    """
    if options["workers"] > 1 and options["locker"] is LockerKind.MEMORY:
        raise usage.UsageError(
            f"--workers {options['workers']}: several processes cannot share the locks "
            "of --locker memory: choose --locker file"
        )
