"""
Who of several processes takes the next connection: not one that has more than others.

All workers hear of a connection at the same time, and who is first is chance, and not
fair at all: the kernel may wake the same one first each time (``bench/workers.py`` has
numbers).  So they count their connections where all can see it, and who has too many
lets the others go first.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

_BYTES = 8

ABSENT: Final = 2**63
"""Stands for the connections of a worker that takes none."""

SLACK: Final = 2
"""So many more than the others a worker may have at any time."""

SLACK_SHARE: Final = 8
"""One more for so many, since a few among many do not matter."""


class Balance:
    """
    How many connections each worker has, in memory that all of them share.

    :param fd: of that memory, from :func:`shared_memory`; not owned.
    :param workers: how many there may be.
    """

    def __init__(self, fd: int, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(fd, workers * _BYTES)).cast("Q")
        self._left: set[int] = set()

    def tell(self, number: int, connections: int) -> None:
        """Tell how many connections a worker has; its number counts from 1."""
        if number not in self._left:  # its last connections end after it has left
            self._counts[number - 1] = connections

    def leave(self, number: int) -> None:
        """Tell that a worker takes no more, so that nobody waits for it."""
        self._left.add(number)
        self._counts[number - 1] = ABSENT

    def has_too_many(self, number: int) -> bool:
        """Whether a worker should let others go first."""
        least = min(self._counts)
        return self._counts[number - 1] > least + SLACK + least // SLACK_SHARE


def shared_memory(workers: int) -> int:
    """Make memory for a :class:`Balance`; the caller owns the descriptor."""
    with tempfile.TemporaryFile() as file:
        fd = os.dup(file.fileno())
    os.truncate(fd, workers * _BYTES)
    balance = Balance(fd, workers)
    for number in range(1, workers + 1):
        balance.leave(number)
    return fd
