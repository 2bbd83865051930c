"""The ways in which bytes get from a socket to a writer; both block, in any thread."""

from __future__ import annotations

import os
from typing import Final, Protocol

from attrs import define, field

from tustwisted.interfaces import IUploadWriter
from tustwisted.lending import IDrainsPipes
from tustwisted.receive.pipes import Pipe, Pipes

READ_BYTES: Final = 512 * 1024
"""Of one read; it is freed before the next one, so their memory is the same."""


class Way(Protocol):
    """How the bytes that a socket has come to be stored, step by step."""

    is_quick: bool
    """A small step only moves bytes within the kernel."""

    def take(self, source: int, most_bytes: int) -> int:
        """
        Take what there is out of a socket.

        :param source: the descriptor of the socket.
        :returns: how many bytes; 0: it has ended.
        :raises BlockingIOError: there is nothing now.
        :raises OSError: it is broken, or there are too few descriptors.
        """

    def store(self, size_bytes: int) -> None:
        """
        Store what was taken.

        :raises NoSpace: as a write.
        :raises StorageFailed: as a write.
        """

    def rest(self) -> None:
        """Keep nothing until the next step, perhaps in another thread; after any."""

    def end(self) -> None:
        """Move nothing any more."""


@define(eq=False, repr=False)
class Splicing:
    """Inside the kernel, through a pipe: it splices to and from pipes only."""

    _writer: IDrainsPipes
    _pipes: Pipes
    is_quick: bool = field(init=False, default=True)
    _pipe: Pipe | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._pipes.enter()

    def take(self, source: int, most_bytes: int) -> int:
        """See :meth:`Way.take`."""
        if self._pipe is None:
            self._pipe = self._pipes.borrow()
        return self._pipe.fill(source, most_bytes)

    def store(self, size_bytes: int) -> None:
        """See :meth:`Way.store`."""
        assert self._pipe is not None
        self._writer.drain(self._pipe.reader, size_bytes)

    def rest(self) -> None:
        """See :meth:`Way.rest`; a pipe that was not emptied is destroyed."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._pipes.give_back(pipe)

    def end(self) -> None:
        """See :meth:`Way.end`."""
        self._pipes.leave()


@define(eq=False, repr=False)
class Reading:
    """By reading, where the bytes are hashed, or the writer knows no pipes."""

    _writer: IUploadWriter
    is_quick: bool = field(init=False, default=False)
    _piece: bytes = field(init=False, default=b"")

    def take(self, source: int, most_bytes: int) -> int:
        """See :meth:`Way.take`."""
        self._piece = os.read(source, min(most_bytes, READ_BYTES))
        return len(self._piece)

    def store(self, size_bytes: int) -> None:
        """See :meth:`Way.store`."""
        piece, self._piece = self._piece, b""  # kept no longer than it is needed
        self._writer.write([piece])

    def rest(self) -> None:
        """See :meth:`Way.rest`."""

    def end(self) -> None:
        """See :meth:`Way.end`."""
