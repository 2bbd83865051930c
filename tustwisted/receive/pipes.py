"""
Pipes through which bytes go from sockets to files.

A pipe is only borrowed for as long as one job runs, and is empty before and after it.
So a few do for any number of uploads; and when the last upload has ended none is kept.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from contextlib import suppress
from typing import Final

from attrs import define, field

SIZE_BYTES: Final = 1024 * 1024
"""What a pipe is asked to hold: the most that Linux grants to everybody."""

_MOVE: Final = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)


class Pipe:
    """
    A pipe that never blocks.

    :ivar reader: the descriptor of the end that bytes are taken from.
    :ivar size_bytes: how much it holds.
    """

    def __init__(self) -> None:
        """
        Make one.

        :raises OSError: there are too few descriptors.
        """
        self.reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # The system may grant less: a user has 64 MiB of pipes, and then small ones.
        with suppress(OSError):
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, SIZE_BYTES)
        self.size_bytes = fcntl.fcntl(self._writer, fcntl.F_GETPIPE_SZ)

    def fill(self, source: int, most_bytes: int) -> int:
        """
        Take bytes that a socket has.

        :returns: how many; 0 at its end.
        :raises BlockingIOError: it has none now.
        :raises OSError: it is broken.
        """
        most_bytes = min(most_bytes, self.size_bytes)
        return os.splice(source, self._writer, most_bytes, flags=_MOVE)

    @property
    def is_empty(self) -> bool:
        """Nothing is in it that somebody else could take for his own."""
        held = fcntl.ioctl(self.reader, termios.FIONREAD, b"\0\0\0\0")
        return struct.unpack("i", held) == (0,)

    def close(self) -> None:
        """Destroy it, and what is in it."""
        os.close(self.reader)
        os.close(self._writer)


@define(eq=False, repr=False)
class Pipes:
    """
    The pipes of all uploads.

    :meth:`borrow` and :meth:`give_back` are called in any thread.
    """

    are_possible: bool = hasattr(os, "splice")
    """The system moves bytes from a socket to a file (Linux)."""
    _users: int = field(init=False, default=0)
    _idle: list[Pipe] = field(init=False, factory=list)

    def enter(self) -> None:
        """Take note of an upload that is going to use pipes."""
        self._users += 1

    def leave(self) -> None:
        """Take note of the end of one, after its last job."""
        self._users -= 1
        while not self._users and self._idle:
            self._idle.pop().close()

    def borrow(self) -> Pipe:
        """
        Get an empty pipe.

        :raises OSError: there is none, and none can be made.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return Pipe()

    def give_back(self, pipe: Pipe) -> None:
        """Take a pipe back; one that is not empty is destroyed, never used again."""
        if pipe.is_empty:
            self._idle.append(pipe)
        else:
            pipe.close()
