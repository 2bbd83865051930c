"""The ways in which bytes get from a socket to a writer; both block, in any thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from attrs import define, field

from tustwisted.interfaces import IUploadWriter
from tustwisted.lending import IDrainsPipes
from tustwisted.patience import LONG_S
from tustwisted.receive.pipes import Pipe, Pipes

CRUMB_BYTES: Final = 64 * 1024
"""So little is left for the next turn: a pipe is full one page before it should be."""

SHARE_BYTES: Final = 256 * 1024
"""
What each may move in a turn, however many there are who share it.

With less, the calls would cost more than the bytes; with more for each of a hundred,
whoever has come for something else would wait for seconds.
"""

READ_BYTES: Final = 512 * 1024
"""Of one read; it is freed before the next one, so their memory is the same."""


class Way(Protocol):
    """How the bytes that a socket has come to be stored."""

    is_quick: bool
    """It only moves bytes within the kernel."""

    def move(self, source: int, most_bytes: int) -> Iterator[int]:
        """
        Move what there is, in steps.

        :param source: the descriptor of the socket.
        :returns: for each step how many bytes were taken; they are stored after it was
            told.  The end and an error of the socket end it: who reads it finds them.
        :raises NoSpace: as a write.
        :raises StorageFailed: as a write.
        """

    def end(self) -> None:
        """Move nothing any more."""


@define(eq=False)
class Splicing:
    """Inside the kernel, through a pipe: it splices to and from pipes only."""

    _writer: IDrainsPipes
    _pipes: Pipes
    _seconds: Callable[[], float] = time.monotonic
    is_quick: bool = field(init=False, default=True)

    def __attrs_post_init__(self) -> None:
        self._pipes.enter()

    def move(self, source: int, most_bytes: int) -> Iterator[int]:
        """See :meth:`Way.move`; the others who splice get as much in the same turn."""
        most_bytes = min(most_bytes, max(SHARE_BYTES, most_bytes // self._pipes.users))
        try:
            pipe = self._pipes.borrow()
        except OSError:  # out of descriptors: it goes on the ordinary way
            return
        try:
            yield from self._pump(pipe, source, most_bytes)
        except BaseException:
            pipe.close()
            raise
        self._pipes.give_back(pipe)

    def end(self) -> None:
        """See :meth:`Way.end`."""
        self._pipes.leave()

    def _pump(self, pipe: Pipe, source: int, most_bytes: int) -> Iterator[int]:
        began_s = self._seconds()
        while most_bytes:
            try:
                count = pipe.fill(source, most_bytes)
            except OSError:
                return
            if not count:
                return
            yield count
            self._writer.drain(pipe.reader, count)
            most_bytes -= count
            # The rest of a turn on a disk that is slow may be a thread's.
            if most_bytes < CRUMB_BYTES or self._seconds() - began_s > LONG_S:
                return


@define(eq=False)
class Reading:
    """By reading, where the bytes are hashed, or the writer knows no pipes."""

    _writer: IUploadWriter
    is_quick: bool = field(init=False, default=False)

    def move(self, source: int, most_bytes: int) -> Iterator[int]:
        """See :meth:`Way.move`."""
        while most_bytes:
            try:
                piece = os.read(source, min(most_bytes, READ_BYTES))
            except OSError:
                return
            if not piece:
                return
            yield len(piece)
            self._writer.write([piece])
            most_bytes -= len(piece)
            del piece  # before there is another one

    def end(self) -> None:
        """See :meth:`Way.end`."""
