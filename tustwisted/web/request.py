"""
The request class behind :mod:`tustwisted.web.streaming`.

The private names of Twisted that this touches are listed in
:mod:`tustwisted.web.private`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from tustwisted.web.body import Body
from tustwisted.web.buffered import StreamedContent
from tustwisted.web.exchange import LINGER_S, Exchange
from tustwisted.web.framing import is_watched, watch_framing
from tustwisted.web.limits import HeaderLimits
from tustwisted.web.line import Line, refuse
from tustwisted.web.target import adopt_host, origin_form
from tustwisted.web.wants import Wants, speaks_tus

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


@frozen
class Streaming:
    """What a site wants to stream, and how patiently."""

    wants: Wants = speaks_tus
    idle_timeout_s: float = 60.0
    """How long a body may be silent while its receiver wants more."""


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
    _line: Line
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
            watch_framing(channel, refuse)
            if self.header_limits is not None:
                self.header_limits.set_on(channel)
        super().__init__(channel, *args, **kwargs)

    def gotLength(self, length: int | None) -> None:
        """Begin: on HTTP/1.1 all headers are known here, and no body byte has come."""
        # On HTTP/2 they are not, and answering a stream early breaks the connection.
        if self.streaming is None or not isinstance(self.channel, HTTPChannel):
            return super().gotLength(length)
        line = Line(self.channel)
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

    def _dispatch(self, line: Line) -> None:
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

    def _let_go(self, line: Line) -> None:
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
