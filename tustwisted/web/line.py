"""
The connection of a streamed request: the insides of Twisted's channel.

The private names that this touches are listed in :mod:`tustwisted.web.private`.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from zope.interface import implementer

from tustwisted.web.connection import PLAIN_TCP
from tustwisted.web.interfaces import ILine
from tustwisted.web.loan import ILender, SocketLoan

READ_BYTES: Final = 262_144
"""Size of a read in a large body: beyond it, fewer system calls save no more CPU."""

SMALL_BODY_BYTES: Final = 65_536
"""A body of at most this fits one read of Twisted's own size."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


def _stay() -> None:
    """Read nothing while somebody else does."""


def refuse(channel: Any) -> None:
    """Let Twisted answer that a request is none, and close."""
    type(channel)._respondToBadRequestAndDisconnect(channel)


@implementer(ILine)
class Line:
    """The connection of a streamed request; knows the insides of Twisted's channel."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._decoder = channel._transferDecoder  # the channel forgets it too early
        self._transport = channel.transport
        self._own_read_bytes: int | None = None
        self._watches_chunks = False
        self.answering = False
        """An answer has begun."""
        self.refused = False
        """Twisted has answered that the body cannot be read: nothing may follow."""

    @property
    def request_line(self) -> tuple[bytes, bytes, bytes]:
        """Method, URI and version; only while the headers are being read."""
        channel = self._channel
        return channel._command, channel._path, channel._version

    def take_path(self, path: bytes) -> None:
        """Let the target have been this one; only while the headers are being read."""
        self._channel._path = path

    @property
    def keep_alive(self) -> bool:
        return bool(self._channel.persistent)

    @keep_alive.setter
    def keep_alive(self, value: bool) -> None:
        self._channel.persistent = value

    def body_begins(self, length: int | None) -> None:
        # The body has its own idle timer.  Twisted's comes back in requestDone.
        self._channel._savedTimeOut = self._channel.setTimeout(None)
        self._watches_chunks = length is None
        if self._watches_chunks:
            self._channel._respondToBadRequestAndDisconnect = self._body_is_bad
        # Not if it is unknown: a read full of tiny chunks takes long to parse.
        large = length is not None and length > SMALL_BODY_BYTES
        if large and hasattr(self._transport, "bufferSize"):
            self._own_read_bytes = self._transport.bufferSize
            self._transport.bufferSize = READ_BYTES

    def body_ended(self) -> Headers:
        """
        Let the connection be as it was before.

        :returns: the fields after a chunked body; none of another one.
        """
        # Forgotten, since it leads back here by way of the request.
        decoder, self._decoder = self._decoder, None
        self._restore_read_size()
        found = Headers()
        if self._watches_chunks:
            del self._channel._respondToBadRequestAndDisconnect
            for line in decoder._trailerHeaders:
                name, colon, value = bytes(line).partition(b":")
                if colon and _TOKEN.fullmatch(name):
                    found.addRawHeader(name, value.strip(b" \t"))
        return found

    def _restore_read_size(self) -> None:
        if self._own_read_bytes is not None:
            self._transport.bufferSize = self._own_read_bytes

    def _body_is_bad(self) -> None:
        """Let Twisted answer a chunk that is none, unless there is an answer."""
        if self.answering:
            # Closing at once could destroy it.  What comes is dropped until the
            # exchange closes in steps, as after any early answer.
            self._channel.dataReceived = lambda data: None
        else:
            self.refused = True
            refuse(self._channel)

    def pause(self) -> None:
        # Not channel.pauseProducing(), which says that the send buffer is full.
        if not self._transport.disconnecting:
            self._channel._networkProducer.pauseProducing()

    def resume(self) -> None:
        # Twisted resumes by itself when the send buffer has emptied.
        if not (self._channel._waitingForTransport or self._transport.disconnecting):
            self._channel._networkProducer.resumeProducing()

    def send_continue(self) -> None:
        self._channel._send100Continue()

    def half_close(self) -> None:
        halves = IHalfCloseableDescriptor.providedBy(self._transport)
        if self._channel.isSecure():
            # TLS sends its close alert and goes on reading until it gets the client's.
            self._channel.loseConnection()
        elif halves:
            self._transport.loseWriteConnection()

    def abort(self) -> None:
        self._transport.abortConnection()

    def lend(self, left_bytes: int, lender: ILender) -> SocketLoan | None:
        transport = self._transport
        if (
            self.answering
            or type(transport) not in PLAIN_TCP
            or transport.TLS  # begun on this very transport, by STARTTLS and the like
            or type(self._channel) is not HTTPChannel
            or getattr(self._decoder, "contentLength", None) != left_bytes
            or not IReactorFDSet.providedBy(transport.reactor)
        ):
            return None
        try:
            fd = os.dup(transport.fileno())
        except OSError:  # out of descriptors
            return None
        transport.stopReading()
        self._restore_read_size()  # for what is left after the loan
        # All that resumes reading ends there, that of Twisted itself too.
        transport.startReading = _stay
        return SocketLoan(transport.reactor, fd, left_bytes, lender, self._loan_over)

    def _loan_over(self, left_bytes: int) -> None:
        self._decoder.contentLength = left_bytes
        del self._transport.startReading

    def end_body(self) -> None:
        self._decoder.dataReceived(b"")

    def close_within(self, seconds: float) -> None:
        """Bound the time that closing may take."""
        self._channel.setTimeout(seconds)


def unsent_bytes(request: Any) -> int:
    """
    Tell how much of an answer HTTP/2 holds back in memory.

    It pauses a producer when the client's window is full, which may be 2 GiB wide, and
    not when the connection is.  HTTP/1.1 pauses in time: always 0.
    """
    channel = request.channel
    if channel is None or isinstance(channel, HTTPChannel):
        return 0
    queues = getattr(getattr(channel, "_conn", None), "_outboundStreamQueues", {})
    queued = queues.get(getattr(channel, "streamID", None), ())
    return sum(len(piece) for piece in queued if isinstance(piece, bytes))
