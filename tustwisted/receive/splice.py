"""
Moving a body from its socket to its file inside the kernel (D7).

It takes two steps through a pipe, since the kernel splices to and from pipes only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProducer

from tustwisted.interfaces import IUploadWriter
from tustwisted.lending import IDrainsPipes, ILendsSocket, ISocketLoan
from tustwisted.receive.choose import LEAST_BYTES
from tustwisted.receive.pipes import Pipe, Pipes

TURN_BYTES: Final = 1024 * 1024
"""So much at most is moved at one stroke: everybody else waits for less."""

CRUMB_BYTES: Final = 64 * 1024
"""So little is left for the next one: a pipe is full one page before it should be."""


@define(eq=False)
class Splice:
    """
    A socket on loan, and the writer that it is emptied into.

    :param room_bytes: how many bytes the upload still takes.
    :param moved: called in the reactor with how many bytes a job has taken.
    """

    _loan: ISocketLoan
    _writer: IDrainsPipes
    _pipes: Pipes
    _room_bytes: int
    _moved: Callable[[int], None]
    _taken_bytes: int = field(init=False, default=0)
    """What the job in flight, or the last one, has taken out of the socket."""
    _is_over: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._pipes.enter()

    def ready(self) -> Deferred[bool]:
        """Wait until there is something to do; fires with false if never again."""
        return succeed(False) if self._is_over else self._loan.when_readable()

    def move(self) -> None:
        """
        Move what the socket has, but no more than is one turn's; blocks.

        :raises NoSpace: as a write.
        :raises StorageFailed: as a write.
        """
        self._taken_bytes = 0
        self._writer.write(())  # which waits for the device, where that is due
        try:
            pipe = self._pipes.borrow()
        except OSError:  # out of descriptors: it goes on the ordinary way
            return
        try:
            self._pump(pipe)
        except BaseException:
            pipe.close()
            raise
        self._pipes.give_back(pipe)

    def count(self) -> None:
        """Count what the last job has taken, also if it failed."""
        taken, self._taken_bytes = self._taken_bytes, 0
        self._room_bytes -= taken
        self._loan.taken(taken)
        self._moved(taken)
        # Readable, and nothing there: the end of the connection, or a byte of TCP's
        # urgent data, which recv() would step over and splice() does not.
        self._is_over = not taken or not self._most_bytes

    def end(self) -> None:
        """Give everything back."""
        self._loan.give_back()
        self._pipes.leave()

    @property
    def _most_bytes(self) -> int:
        return min(self._room_bytes, self._loan.left_bytes)

    def _pump(self, pipe: Pipe) -> None:
        source, most = self._loan.fileno(), min(self._most_bytes, TURN_BYTES)
        while self._taken_bytes < most:
            try:
                count = pipe.fill(source, most - self._taken_bytes)
            except OSError:  # what has ended the connection is found when it is read on
                return
            if not count:
                return
            self._taken_bytes += count
            self._writer.drain(pipe.reader, count)
            if most - self._taken_bytes < CRUMB_BYTES:
                return


def borrow(
    producer: IProducer | None,
    writer: IUploadWriter,
    pipes: Pipes,
    room_bytes: int | None,
    moved: Callable[[int], None],
) -> Splice | None:
    """
    Borrow the socket that a body comes from, where that is possible and pays.

    :param room_bytes: how many bytes the upload still takes; ``None``: any number.
    """
    lender, drain = ILendsSocket(producer, None), IDrainsPipes(writer, None)
    if lender is None or drain is None or not pipes.are_possible:
        return None
    if room_bytes is not None and room_bytes < LEAST_BYTES:
        return None
    loan = lender.lend(LEAST_BYTES)
    if loan is None:
        return None
    room = loan.left_bytes if room_bytes is None else room_bytes
    return Splice(loan, drain, pipes, room, moved)
