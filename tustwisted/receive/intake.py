"""Emptying the socket of a body into its upload, past the parser of requests (D7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProducer

from tustwisted.interfaces import IUploadWriter
from tustwisted.lending import IDrainsPipes, ILendsSocket, ISocketLoan
from tustwisted.receive.choose import LEAST_BYTES
from tustwisted.receive.pipes import Pipes
from tustwisted.receive.ways import Reading, Splicing, Way

TURN_BYTES: Final = 1024 * 1024
"""So much at most is moved at one stroke: everybody else waits for less."""


@define(eq=False)
class Intake:
    """
    A socket on loan, and the way in which it is emptied.

    :param room_bytes: how many bytes the upload still takes.
    :param moved: called in the reactor with how many bytes a job has taken.
    """

    _loan: ISocketLoan
    _way: Way
    _room_bytes: int
    _moved: Callable[[int], None]
    _taken_bytes: int = field(init=False, default=0)
    """What the job in flight, or the last one, has taken out of the socket."""
    _is_over: bool = field(init=False, default=False)

    @property
    def is_quick(self) -> bool:
        """A job is short while the disk is quick."""
        return self._way.is_quick

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
        most_bytes = min(self._most_bytes, TURN_BYTES)
        for count in self._way.move(self._loan.fileno(), most_bytes):
            self._taken_bytes += count

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
        self._way.end()

    @property
    def _most_bytes(self) -> int:
        return min(self._room_bytes, self._loan.left_bytes)


def borrow(
    producer: IProducer | None,
    writer: IUploadWriter,
    pipes: Pipes,
    room_bytes: int | None,
    moved: Callable[[int], None],
) -> Intake | None:
    """
    Borrow the socket that a body comes from, where that is possible and pays.

    :param room_bytes: how many bytes the upload still takes; ``None``: any number.
    """
    lender = ILendsSocket(producer, None)
    if lender is None or (room_bytes is not None and room_bytes < LEAST_BYTES):
        return None
    loan = lender.lend(LEAST_BYTES)
    if loan is None:
        return None
    drains, way = IDrainsPipes(writer, None), None
    if drains is not None and pipes.are_possible:
        way = Splicing(drains, pipes)
    room = loan.left_bytes if room_bytes is None else room_bytes
    return Intake(loan, way or Reading(writer), room, moved)
