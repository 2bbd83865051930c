"""Emptying the socket of a body into its upload, past the parser of requests (D7)."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProducer

from tustwisted.interfaces import IDisk, IUploadWriter
from tustwisted.lending import IDrainsPipes, ILendsSocket, ISocketLoan
from tustwisted.receive.choose import LEAST_BYTES
from tustwisted.receive.pipes import Pipes
from tustwisted.receive.queue import Run
from tustwisted.receive.ways import Reading, Splicing, Way

FLOWING_BYTES: Final = 64 * 1024
"""A step that moved so much will soon have a next one: it pays to wait for that."""

LINGER_MS: Final = 1.0
"""
How long a thread waits for it.

A client that sends without a pause is served while its bytes are in the processor's
caches, and they do not pile up in the socket first.
"""

TURN_BYTES: Final = 16 * 1024 * 1024
"""With so much the thread goes to others, who wait for their turn."""

TURN_S: Final = 0.05
"""Or after so long, on a slow disk."""

PLACE_BYTES: Final = 256 * 1024
"""So much at most is moved in the reactor: everybody else waits for less."""


@define(eq=False, repr=False)
class Intake:
    """
    A socket on loan, and the way in which it is emptied.

    A client that sends now and then is served in the reactor, one whose bytes flow in a
    thread, which stays with it for a turn.

    :param disk: runs the jobs.
    :param room_bytes: how many bytes the upload still takes.
    :param moved: called in the reactor with how many bytes a job has taken.
    """

    _loan: ISocketLoan
    _way: Way
    _disk: IDisk
    _room_bytes: int
    _moved: Callable[[int], None]
    _seconds: Callable[[], float] = time.monotonic
    _is_flowing: bool = field(init=False, default=False)
    """The last job found much: the next one is a thread's."""
    _taken_bytes: int = field(init=False, default=0)
    """What the job in flight, or the last one, has taken out of the socket."""
    _is_over: bool = field(init=False, default=False)

    @property
    def is_quick(self) -> bool:
        """A job in the reactor is short while the disk is quick."""
        return self._way.is_quick

    @property
    def run(self) -> Run:
        """Where the next job runs."""
        if self._is_flowing or not self.is_quick:
            return self._disk.write
        return self._disk.quick

    def ready(self) -> Deferred[bool]:
        """Wait until there is something to do; fires with false if never again."""
        return succeed(False) if self._is_over else self._loan.when_readable()

    def move(self) -> None:
        """
        Move what the socket has, but no more than is one turn's; blocks.

        :raises NoSpace: as a write.
        :raises StorageFailed: as a write.
        """
        # A thread comes here after each step with caches that are full of the bytes: it
        # is quick when it looks at little.
        fd, way, seconds = self._loan.fileno(), self._way, self._seconds
        is_brief = self.is_quick and not self._is_flowing
        most_bytes = self._most_bytes
        if is_brief:
            most_bytes = min(most_bytes, PLACE_BYTES)
        turn_bytes = min(most_bytes, TURN_BYTES)
        taken = self._taken_bytes = 0
        ends_s = seconds() + TURN_S
        try:
            while count := self._take(fd, most_bytes - taken):
                taken = self._taken_bytes = taken + count
                way.store(count)
                if is_brief or count < FLOWING_BYTES or taken >= turn_bytes:
                    break
                if self._loan.is_recalled or seconds() >= ends_s:
                    break
        finally:
            way.rest()

    def count(self) -> None:
        """Count what the last job has taken, also if it failed."""
        taken, self._taken_bytes = self._taken_bytes, 0
        self._room_bytes -= taken
        self._loan.taken(taken)
        self._moved(taken)
        self._is_flowing = taken >= FLOWING_BYTES
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

    def _take(self, fd: int, most_bytes: int) -> int:
        """Take what there is; 0: nothing comes, or nothing soon."""
        try:
            try:
                return self._way.take(fd, most_bytes)
            except BlockingIOError:
                if not (self._taken_bytes and _comes_soon(fd)):
                    return 0
                if self._loan.is_recalled:  # while it waited
                    return 0
                return self._way.take(fd, most_bytes)
        except OSError:  # who reads it finds out why
            return 0


def _comes_soon(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(LINGER_MS))


def borrow(
    producer: IProducer | None,
    writer: IUploadWriter,
    pipes: Pipes,
    disk: IDisk,
    *,
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
    return Intake(loan, way or Reading(writer), disk, room, moved)
