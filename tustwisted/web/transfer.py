"""
The way of an upload's bytes to one client, who sets the pace.

The next piece is read when the last one has left for the kernel, and the kernel is told
to hold little.  So a client costs a constant, however slow it is and however large the
upload: one piece in memory, and as much again in the kernel.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from tustwisted.errors import StorageFailed
from tustwisted.protocol.ranges import ByteRange
from tustwisted.uploads.reading import Reading
from tustwisted.web.idle import IdleTimer
from tustwisted.web.line import unsent_bytes

PIECE_BYTES: Final = 68 * 1024
"""
What is read at once: the fewest pages that are more than Twisted's send buffer.

So each piece makes the connection pause us until the kernel has taken all of it, and
there are never two.
"""

MOST_BYTES: Final = 4 * PIECE_BYTES
"""What is read at once for a quick client: fewer turns, a third of the CPU time."""

QUICK_S: Final = 0.05
"""A client is quick when every piece of its last few MiB left within so long."""

GROWTH: Final = 16
"""A piece is a sixteenth of what a quick client has got since it was slow."""

UNSENT_BYTES: Final = 128 * 1024
"""
How much the kernel may hold of an answer that the client is not ready for.

Left alone, it takes 3 to 4 MiB of each: 2,000 slow clients would get more than all the
memory that it has for TCP.
"""

STALL_S: Final = 300.0
"""How long a client may take nothing at all; then its connection is cut."""

TURNS: Final = 32
"""
How often is looked at once how far HTTP/2 has come, which does not tell.

Twisted sends a frame of 16 KiB in each turn of the reactor: 17 for the largest piece.
"""

FIRST_LOOK_S: Final = 0.001
"""How long is waited then; from there on twice as long each time."""

LOOK_S: Final = 0.05
"""How long is waited at the most."""


class Transfer:
    """One answer's bytes; not more than one piece of them is here."""

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
        :param stalled: called when the client took nothing for :data:`STALL_S`.
        """
        self.offset = part.first
        """How far it is, bytes from the start of the upload."""
        self._left = part.size_bytes
        self._request = request
        self._reading = reading
        self._clock = clock
        self._flow = Flow(request, clock, stalled)
        self._piece = b""
        self._quick_bytes = 0

    async def fetch(self) -> None:
        """
        Read the next piece.

        :raises StorageFailed: it cannot be read.
        :raises ServerShutdown: the uploads have stopped.
        """
        size = min(max(PIECE_BYTES, self._quick_bytes // GROWTH), MOST_BYTES)
        if self._left < size + PIECE_BYTES:
            size = self._left  # or the last one might be too small to be paused for
        self._piece = await self._reading.read(self.offset, size)
        if len(self._piece) != size:
            raise StorageFailed  # a store that breaks its contract

    async def run(self) -> None:
        """
        Send what was fetched, and all the rest.

        It ends when the last piece has left, too: Twisted gives an idle connection
        little time to get rid of what it still holds.

        :raises StorageFailed: a piece cannot be read.
        :raises ServerShutdown: the uploads have stopped.
        """
        self._flow.start()
        try:
            while True:
                self._write_piece()
                await self._drained()
                if not self._left:
                    break
                await self.fetch()
        finally:
            self._flow.end()
        self._request.unregisterProducer()

    def _write_piece(self) -> None:
        piece, self._piece = self._piece, b""  # kept by the connection alone
        self.offset += len(piece)
        self._left -= len(piece)
        self._quick_bytes += len(piece)
        self._request.write(piece)

    async def _drained(self) -> None:
        if await self._flow.drained() > QUICK_S:
            self._quick_bytes = 0


@implementer(IPushProducer)
class Flow:
    """
    Stands for the answer of one request where its connection has to wait.

    A push producer, although the answer is pulled: Twisted's channel makes a loop of a
    pull producer, which would turn idly while a piece is read in a thread.
    """

    def __init__(
        self, request: Any, clock: IReactorTime, stalled: Callable[[], None]
    ) -> None:
        """
        :param stalled: called when nothing left for :data:`STALL_S`.
        """
        self._request = request
        self._clock = clock
        self._timer = IdleTimer(clock, STALL_S, stalled)
        self._paused = False
        self._waiting: Deferred[None] | None = None

    def start(self) -> None:
        """Be told from now on when to wait."""
        hold_little(self._request.transport)
        self._request.registerProducer(self, True)

    def end(self) -> None:
        """Leave nothing pending; the producer stays registered."""
        self._timer.cancel()

    async def drained(self) -> float:
        """
        Wait while the connection is full.

        :returns: how long it was surely full, in seconds: without our last pause.
        """
        began = full = self._clock.seconds()
        if self._paused:
            self._waiting = Deferred()
            await self._waiting
            full = self._clock.seconds()
        if unsent_bytes(self._request):
            self._timer.start()
            for pause_s in _pauses():
                full = self._clock.seconds()
                await deferLater(self._clock, pause_s)
                if not unsent_bytes(self._request):
                    break
            self._timer.pause()
        return full - began

    # -- what the connection calls -----------------------------------------------------

    def pauseProducing(self) -> None:
        """Wait: more was written than the connection likes to hold."""
        self._paused = True
        self._timer.start()

    def resumeProducing(self) -> None:
        """Go on: what was written has left."""
        self._paused = False
        self._timer.pause()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def stopProducing(self) -> None:
        """Do nothing: Klein cancels the route when the connection is gone."""


def _pauses() -> Iterator[float]:
    """Tell how long to wait before each look, in seconds; it does not end."""
    yield from repeat(0.0, TURNS)
    pause_s = FIRST_LOOK_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, LOOK_S)


def hold_little(transport: Any) -> None:
    """Limit what the kernel holds, where it can be."""
    below_tls = getattr(transport, "transport", transport)
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and hasattr(below_tls, "getHandle"):
        with suppress(OSError):  # of a UNIX socket
            handle = below_tls.getHandle()
            handle.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
