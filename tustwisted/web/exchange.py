"""
One request whose body streams, and its answer, which may come first.

An answer that is written while the body still comes is the hard part of HTTP/1.1: the
rest of the body must never be taken for the next request, and closing a socket that
holds unread bytes makes the kernel send a reset that can destroy the answer on its way.
So a small rest is read, dropped, and the connection goes on; after a large one the
connection is closed in steps: the answer, then our end of the stream, then a while of
reading and dropping (RFC 9112, section 9.6).
"""

from __future__ import annotations

import weakref
from typing import Final

from twisted.internet.error import ConnectionClosed, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from tustwisted.web.body import Body
from tustwisted.web.interfaces import IBodyPort, ILine
from tustwisted.web.loan import ILender, SocketLoan

SMALL_REST_BYTES: Final = 256 * 1024
"""A rest of at most this is read and dropped to keep the connection."""

DROP_BYTES: Final = 16 * 1024 * 1024
"""How much nobody may want: past it reading stops, after the answer for good."""

LINGER_S: Final = 5.0
"""How long the client may take to see the answer and stop sending."""

ANSWER_S: Final = 30.0
"""How long the route may take when the body fell silent, or its receiver failed."""


@implementer(IBodyPort)
class Exchange:
    """
    Decides what follows when body and answer overlap.

    :ivar connected: the connection is there; false from before the body is told.
    """

    def __init__(
        self,
        line: ILine,
        clock: IReactorTime,
        idle_timeout_s: float,
    ) -> None:
        self._line = line
        self._clock = clock
        self._idle_timeout_s = idle_timeout_s
        self.connected = True
        self._paused = False
        self._answered = False
        self._ends_with_answer = False
        self._dropped_bytes = 0
        self._half_close: IDelayedCall | None = None
        self._deadline: IDelayedCall | None = None

    def begin(self, length: int | None, owes_continue: bool) -> Body:
        """
        Make the body of the request, once, for the request to hold.

        :param length: bytes in all, if that is known.
        :param owes_continue: the client waits for 100 before it sends it.
        """
        body = Body(length, self, self._clock, self._idle_timeout_s, owes_continue)
        # Weak, since it holds this: what holds itself stays for the garbage collector.
        self._find_body = weakref.ref(body)
        return body

    @property
    def body(self) -> Body:
        """The body of the request."""
        body = self._find_body()
        assert body is not None, "the request has not held it"
        return body

    # -- for the body ------------------------------------------------------------------

    def pause_reading(self) -> None:
        if self.connected:
            self._pause()

    def resume_reading(self) -> None:
        # What has not been paused here is read, or Twisted itself will resume it.
        if self._paused and self.connected:
            self._paused = self.body.is_lent  # it is not read before it is given back
            self._line.resume()

    def send_continue(self) -> None:
        if self.connected:
            self._line.send_continue()

    def dropped(self, size_bytes: int) -> None:
        self._dropped_bytes += size_bytes
        if self._dropped_bytes <= DROP_BYTES:
            return
        if self._answered:
            self._line.abort()
        else:
            self._pause()

    def fell_silent(self) -> None:
        self._end_with_answer()

    def receiver_failed(self) -> None:
        if self.connected and not self._answered:
            self._end_with_answer()

    def lend(self, left_bytes: int, lender: ILender) -> SocketLoan | None:
        if self._answered or not self.connected:
            return None
        loan = self._line.lend(left_bytes, lender)
        if loan is not None:
            self._paused = True
        return loan

    def end_body(self) -> None:
        if self.connected:
            self._line.end_body()

    # -- for the request ---------------------------------------------------------------

    def answer_begins(self, headers: Headers) -> None:
        """
        Decide whether the connection outlives the answer, and say so in its headers.

        :param headers: of the answer; they have not been written.
        """
        if _says_close(headers) or self._must_close():
            self._line.keep_alive = False
        if not self._line.keep_alive:
            headers.setRawHeaders(b"Connection", [b"close"])
        self.body.answer_begins()

    def answer_ended(self) -> None:
        """Get rid of the rest of the body: the answer was written before its end."""
        self._answered = True
        self._dropped_bytes = 0
        if self._line.keep_alive:
            self._abort_after(self._idle_timeout_s)
        else:
            # Later, since the piece that is being parsed may hold the end of the body.
            self._half_close = self._clock.callLater(0, self._close_our_half)
            self._abort_after(LINGER_S)
        self.body.answered()
        self.resume_reading()

    def body_ended(self) -> None:
        """Take note that the whole body has come."""
        if self._answered or not self._ends_with_answer:
            self._cancel_calls()
        self.body.ended()

    def answer_followed(self) -> None:
        """Take note that the answer was written, after the end of the body."""
        self._cancel_calls()

    def connection_lost(self, reason: Failure) -> None:
        """
        Take note that the connection is gone.

        :param reason: its receiver is told it as a ConnectionLost if it is of another
            kind, as an error of TLS is.
        """
        if reason.check(ConnectionClosed) is None:
            reason = Failure(ConnectionLost(reason.getErrorMessage()))
        self.connected = False
        self._cancel_calls()
        self.body.lost(reason)

    # -- inside ------------------------------------------------------------------------

    def _pause(self) -> None:
        # Also when it is paused already: Twisted may have resumed it since.
        self._paused = True
        self._line.pause()

    def _must_close(self) -> bool:
        body = self.body
        if self._ends_with_answer:
            return True
        if body.complete:
            return False
        return (
            body.length is None
            or body.length - body.received > SMALL_REST_BYTES
            or body.unanswered_continue
        )

    def _end_with_answer(self) -> None:
        """Close after the answer, or without it if it does not come."""
        self._ends_with_answer = True
        self._abort_after(ANSWER_S)

    def _close_our_half(self) -> None:
        self._half_close = None
        self._line.half_close()

    def _abort_after(self, seconds: float) -> None:
        self._cancel(self._deadline)
        self._deadline = self._clock.callLater(seconds, self._line.abort)

    def _cancel_calls(self) -> None:
        self._cancel(self._half_close)
        self._cancel(self._deadline)

    @staticmethod
    def _cancel(call: IDelayedCall | None) -> None:
        if call is not None and call.active():
            call.cancel()


def _says_close(headers: Headers) -> bool:
    values = headers.getRawHeaders(b"Connection")
    if values is None:  # as nearly always
        return False
    tokens = b",".join(values).split(b",")
    return b"close" in [token.strip().lower() for token in tokens]
