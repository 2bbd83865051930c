"""
The way of an upload's bytes to one client without their coming here: ``sendfile``.

It stands in for the writing of a plain TCP connection, which goes on reading, and so
notices as ever that its client leaves.  A client costs no memory but the kernel's,
which is told to hold little.  Where that cannot be: :mod:`tustwisted.web.transfer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from twisted.internet import unix
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tustwisted.protocol.ranges import ByteRange
from tustwisted.store.openfile import CannotSend
from tustwisted.uploads.reading import Reading
from tustwisted.web.connection import PLAIN_TCP
from tustwisted.web.idle import IdleTimer
from tustwisted.web.transfer import STALL_S, Flow, Transfer

TURN_BYTES: Final = 1024 * 1024
"""What one client gets in a turn of the reactor at the most, in 0.2 ms."""


def can_be_sent(request: Any, reading: Reading) -> bool:
    """Tell whether an upload can be sent in this way."""
    transport = request.transport
    is_plain = type(transport) in (*PLAIN_TCP, unix.Server) and not transport.TLS
    return is_plain and reading.can_send


class Sending:
    """One answer's bytes; none of them is here."""

    def __init__(
        self,
        request: Any,
        reading: Reading,
        part: ByteRange,
        clock: IReactorTime,
        stalled: Callable[[], None],
    ) -> None:
        """
        :param part: what to send, 1 byte or more.
        :param stalled: called when the client took nothing for ``STALL_S``.
        """
        self.offset = part.first
        """How far it is, bytes from the start of the upload."""
        self._end = part.first + part.size_bytes
        self._request = request
        self._transport = request.transport
        self._reading = reading
        self._otherwise = partial(
            Transfer, request, reading, clock=clock, stalled=stalled
        )
        self._flow = Flow(request, clock, stalled)
        self._timer = IdleTimer(clock, STALL_S, stalled)
        self._is_fetched = False
        self._stretch: Deferred[None] = Deferred()

    async def fetch(self) -> None:
        """
        See to it that what comes next is at hand.

        :raises StorageFailed: it cannot be read.
        :raises ServerShutdown: the uploads have stopped.
        """
        if not self._reading.is_at_hand(self.offset, self._turn_bytes):
            left = self._end - self.offset
            await self._reading.fetch(self.offset, self._turn_bytes, left)
        # Once: what is thrown out again at once would be fetched for ever.
        self._is_fetched = True

    async def run(self) -> None:
        """
        Send everything; it ends when the kernel has taken the last byte.

        :raises StorageFailed: a piece cannot be read.
        :raises ServerShutdown: the uploads have stopped.
        """
        with suppress(CannotSend):
            await self._send_all()
        self._request.unregisterProducer()
        if self.offset < self._end:
            rest = ByteRange(self.offset, self._end - self.offset)
            transfer = self._otherwise(rest)
            await transfer.fetch()
            await transfer.run()

    async def _send_all(self) -> None:
        self._flow.start()
        try:
            with _full_at_once(self._transport):
                self._request.write(b"")
            await self._flow.drained()
            await self._send_stretch()
            while self.offset < self._end:
                await self.fetch()
                await self._send_stretch()
        finally:
            self._flow.end()
            self._timer.cancel()

    @property
    def _turn_bytes(self) -> int:
        return min(TURN_BYTES, self._end - self.offset)

    async def _send_stretch(self) -> None:
        """Send what is at hand, however long it takes."""
        with suppress(ConnectionLost):  # the reactor ends a connection: let it find out
            if self._is_over_after_turn():
                return
        self._stretch = Deferred()
        if self._transport.connected:  # else Klein is about to cancel this
            self._transport.doWrite = self._do_write
            self._transport.startWriting()
        self._timer.start()
        try:
            await self._stretch
        finally:
            self._timer.pause()
            self._give_back()

    def _do_write(self) -> Exception | None:
        """Send in a turn of the reactor, as the connection's ``doWrite`` would."""
        if self._transport.disconnecting:
            self._give_back()
            return None
        try:
            if self._is_over_after_turn():
                self._stretch.callback(None)
        except ConnectionLost as error:
            return error
        except Exception:  # an edge: the reactor would tell nobody whom it concerns
            self._stretch.errback(Failure())
        return None

    def _is_over_after_turn(self) -> bool:
        size = self._turn_bytes
        if not (self._is_fetched or self._reading.is_at_hand(self.offset, size)):
            return True
        self._is_fetched = False
        count = self._reading.send(self.offset, size, self._transport.fileno())
        if count:
            self.offset += count
            self._request.sentLength += count
            self._timer.touch()
        return self.offset == self._end

    def _give_back(self) -> None:
        """
        Let the connection write by itself again.

        It does so in the next turn, and stops where there is nothing to write.
        """
        if vars(self._transport).get("doWrite") == self._do_write:
            del self._transport.doWrite


@contextmanager
def _full_at_once(transport: Any) -> Iterator[None]:
    """Have a connection tell when all has left that is written now, however little."""
    most, transport.bufferSize = transport.bufferSize, 0
    try:
        yield
    finally:
        transport.bufferSize = most
