"""
The request class behind :mod:`tustwisted.web.streaming`.

This is the one module that touches private names of Twisted; :data:`PRIVATE_NAMES`
lists them, with the version that they were checked on.  A test pins each of them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attrs import frozen
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import implementer

from tustwisted.web.body import Body
from tustwisted.web.buffered import StreamedContent
from tustwisted.web.connection import PLAIN_TCP
from tustwisted.web.exchange import LINGER_S, Exchange, ILine
from tustwisted.web.framing import is_watched, watch_framing
from tustwisted.web.limits import HeaderLimits
from tustwisted.web.loan import ILender, SocketLoan
from tustwisted.web.target import adopt_host, origin_form
from tustwisted.web.wants import Wants, speaks_tus

READ_BYTES: Final = 262_144
"""Size of a read in a large body: beyond it, fewer system calls save no more CPU."""

SMALL_BODY_BYTES: Final = 65_536
"""A body of at most this fits one read of Twisted's own size."""

PRIVATE_NAMES: Final = {  # of Twisted 26.10
    # name: the method that sets or reads it, what it is for
    "_command": ("lineReceived", "the method, before the body has come"),
    "_path": ("lineReceived", "the URI, before the body has come"),
    "_version": ("lineReceived", "the version, before the body has come"),
    "_networkProducer": ("connectionMade", "pauses the socket alone"),
    "_waitingForTransport": ("pauseProducing", "the send buffer is full: no resuming"),
    "_savedTimeOut": (
        "requestDone",
        "the idle timeout that comes back after a request",
    ),
    "_send100Continue": ("allHeadersReceived", "writes the 100 response"),
    "_transferDecoder": ("rawDataReceived", "holds the trailer of a chunked body"),
    "_respondToBadRequestAndDisconnect": ("rawDataReceived", "refuses a bad body"),
    # of the request
    "queued": ("finish", "true: the answer ends, and the channel is not told yet"),
    "_cleanup": ("finish", "tells the channel that the request is done"),
    # of what decodes chunks
    "_trailerHeaders": ("_dataReceived_TRAILER", "the lines of the trailer"),
}

if TYPE_CHECKING:

    class _Base(Request):
        """The methods below as Twisted would annotate them."""

        def gotLength(self, length: int | None) -> None: ...
        def handleContentChunk(self, data: bytes) -> None: ...
        def requestReceived(
            self, command: bytes, path: bytes, version: bytes
        ) -> None: ...
        def write(self, data: bytes) -> None: ...
        def finish(self) -> None: ...
        def connectionLost(self, reason: Failure) -> None: ...
        def _cleanup(self) -> None: ...

else:
    _Base = object


_DECODER: type = getattr(http, "_ChunkedTransferDecoder", object)


def missing_names(
    channel: type = HTTPChannel,
    request: type = HTTPRequest,
    decoder: type = _DECODER,
) -> list[str]:
    """List those of :data:`PRIVATE_NAMES` that these classes do not use any more."""
    owners = {"finish": request, "_dataReceived_TRAILER": decoder}

    def used(owner: type, method: str, name: str) -> bool:
        code = getattr(getattr(owner, method, None), "__code__", None)
        return name in getattr(code, "co_names", ())

    return [
        name
        for name, (method, _) in PRIVATE_NAMES.items()
        if not used(owners.get(method, channel), method, name)
    ]


_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


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


@frozen
class Streaming:
    """What a site wants to stream, and how patiently."""

    wants: Wants = speaks_tus
    idle_timeout_s: float = 60.0
    """How long a body may be silent while its receiver wants more."""


def _stay() -> None:
    """Read nothing while somebody else does."""


def _refuse(channel: Any) -> None:
    """Let Twisted answer that a request is none, and close."""
    type(channel)._respondToBadRequestAndDisconnect(channel)


@implementer(ILine)
class _Line:
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
            _refuse(self._channel)

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
        self._restore_read_size()  # for what is left after the loan: a byte
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


class StreamingMixin(_Base):
    """
    Gives a subclass of Twisted's Request its body as it arrives; comes first.

    :cvar streaming: what the site wants; None where streaming is not possible.
    :cvar header_limits: what the head of a request may be; None leaves it to Twisted.
    """

    streaming: ClassVar[Streaming | None] = Streaming()
    header_limits: ClassVar[HeaderLimits | None] = None

    body: Body | None = None
    """The body; None if the request is not streamed and ``content`` holds it."""

    _exchange: Exchange | None = None
    _line: _Line
    _expectation: bytes | None = None

    @property
    def expectation(self) -> bytes | None:
        """
        The value of ``Expect``, for every request.

        The 100 is sent by the body.  Values other than ``100-continue`` are left to the
        route, which should answer 417.
        """
        if self.body is not None:  # then it was taken out of the headers
            return self._expectation
        values = self.requestHeaders.getRawHeaders(b"Expect")
        return b", ".join(values) if values else None

    # -- what the channel calls --------------------------------------------------------

    def __init__(self, channel: HTTPChannel, *args: Any, **kwargs: Any) -> None:
        """Begin with the request line read, and no header yet."""
        if isinstance(channel, HTTPChannel) and not is_watched(channel):
            watch_framing(channel, _refuse)
            if self.header_limits is not None:
                self.header_limits.set_on(channel)
        super().__init__(channel, *args, **kwargs)

    def gotLength(self, length: int | None) -> None:
        """Begin: on HTTP/1.1 all headers are known here, and no body byte has come."""
        # On HTTP/2 they are not, and answering a stream early breaks the connection.
        if self.streaming is None or not isinstance(self.channel, HTTPChannel):
            return super().gotLength(length)
        line = _Line(self.channel)
        method, target, version = line.request_line
        path, host = origin_form(target)
        if not self.streaming.wants(method, path, self.requestHeaders):
            return super().gotLength(length)

        if host is not None:
            line.take_path(path)
            adopt_host(self.requestHeaders, host)
        owes_continue = self._take_expectation() and version == b"HTTP/1.1"
        self._line = line
        self._exchange = Exchange(
            line, self.channel.factory.reactor, self.streaming.idle_timeout_s
        )
        self.body = self._exchange.begin(length, owes_continue)
        if length == 0:
            line.body_ended()
            self._exchange.body_ended()
            return super().gotLength(length)
        return self._dispatch(line)

    def _take_expectation(self) -> bool:
        """Take the header away, or Twisted sends a 100 of its own; is it for one?"""
        expectation = self.expectation
        if expectation is None:
            return False
        self._expectation = expectation
        self.requestHeaders.removeHeader(b"Expect")
        return expectation.lower() == b"100-continue"

    def _dispatch(self, line: _Line) -> None:
        assert self.body is not None
        line.body_begins(self.body.length)
        # While a request is queued, its finish() leaves the channel alone.
        self.queued = True
        self.content = StreamedContent()
        super().requestReceived(*line.request_line)

    def handleContentChunk(self, data: bytes) -> None:
        if self.body is None:
            super().handleContentChunk(data)
        elif data:
            self.body.data_received(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Take note of the body's end; the route was called at its beginning."""
        if not self.queued or self._exchange is None:
            return super().requestReceived(command, path, version)
        answered = self.finished
        self.queued = False
        trailers = self._line.body_ended()
        if self.body is not None:
            self.body.trailers = trailers
        self._exchange.body_ended()
        if answered:
            self._let_go(self._line)
        return None

    def _let_go(self, line: _Line) -> None:
        self._cleanup()
        if not line.keep_alive:
            line.close_within(LINGER_S)

    def connectionLost(self, reason: Failure) -> None:
        """Tell the receiver, and then the route: Klein cancels it."""
        if self._exchange is not None:
            self._exchange.connection_lost(reason)
        super().connectionLost(reason)

    # -- what the route calls ----------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._exchange is not None and not (
            self.startedWriting or self._disconnected
        ):
            self._exchange.answer_begins(self.responseHeaders)
            self._line.answering = True
        if self._exchange is None or not self._line.refused:
            super().write(data)

    def finish(self) -> None:
        early = self.queued and not (self.finished or self._disconnected)
        super().finish()
        if self._exchange is not None and not early:
            self._exchange.answer_followed()
        # A receiver that is told of a lost connection may make the route answer before
        # connectionLost() has come to the request: that answer is lost, and no error.
        if early and self._exchange is not None and self._exchange.connected:
            notifications, self.notifications = self.notifications, []
            for deferred in notifications:
                deferred.callback(None)
            self._exchange.answer_ended()
