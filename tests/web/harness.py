"""
A client, a connection and receivers for tests of streaming, without sockets.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from tustwisted.interfaces import IBodyReceiver
from tustwisted.web.streaming import StreamingSite
from tustwisted.web.wants import everything


@implementer(IBodyReceiver)
class Recorder:
    """
    A receiver that notes what it is told.

    :ivar calls: the names of the calls, in order; ``write`` once for a run of them.
    :ivar on_write: called with itself after each write.
    """

    def __init__(self, on_write: Callable[[Recorder], None] | None = None) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.producer: Any = None
        self.reason: Failure | None = None
        self.at_end: Callable[[], None] = lambda: None
        self._on_write = on_write

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer
        self.calls.append("registerProducer")

    def unregisterProducer(self) -> None:
        self.calls.append("unregisterProducer")

    def write(self, data: bytes) -> None:
        self.data += data
        if self.calls[-1] != "write":
            self.calls.append("write")
        if self._on_write is not None:
            self._on_write(self)

    def body_ended(self) -> None:
        self.calls.append("body_ended")
        self.at_end()

    def body_lost(self, reason: Failure) -> None:
        self.calls.append("body_lost")
        self.reason = reason
        self.at_end()

    @property
    def verdict(self) -> str:
        """The last call."""
        return self.calls[-1] if self.calls else "nothing"


class Route(Resource):
    """
    Gives each request to a function, which answers when it likes.

    :ivar requests: all that came, in order.
    """

    isLeaf = True

    def __init__(
        self, function: Callable[[Any], object] = lambda request: None
    ) -> None:
        super().__init__()
        self.requests: list[Any] = []
        self._function = function

    def render(self, request: Any) -> int:
        self.requests.append(request)
        self._function(request)
        return NOT_DONE_YET


def answer(request: Any, code: int = 200, body: bytes = b"") -> None:
    """Answer a request with a body of known length."""
    request.setResponseCode(code)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


class Sink(Route):
    """
    Takes every body into a :class:`Recorder`, and answers with its size at its end.

    :ivar recorders: one for each request, in order.
    """

    def __init__(self) -> None:
        super().__init__(self._take)
        self.recorders: list[Recorder] = []

    def _take(self, request: Any) -> None:
        recorder = Recorder()
        recorder.at_end = lambda: self._answer(request, recorder)
        self.recorders.append(recorder)
        request.body.deliver_to(recorder)

    def _answer(self, request: Any, recorder: Recorder) -> None:
        if recorder.reason is None:
            answer(request, body=b"%d" % len(recorder.data))


@implementer(IHalfCloseableDescriptor)
class Wire(StringTransport):
    """A transport with a half close, that notes what is done to it."""

    bufferSize = 65536
    half_closed = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def unregisterProducer(self) -> None:
        self.producer = None  # as often as Twisted likes, like a real transport

    def readConnectionLost(self, reason: Failure) -> None:
        raise NotImplementedError

    def writeConnectionLost(self, reason: Failure) -> None:
        raise NotImplementedError


class H2Wire(Wire):
    """A transport over which HTTP/2 was agreed."""

    negotiatedProtocol = b"h2"


class Peer:
    """
    A client of a site, in memory.

    What it sends waits, as in a kernel, while the site does not read.

    :ivar wire: the site's end of the connection.
    """

    def __init__(self, site: Site, wire: StringTransport | None = None) -> None:
        self.wire: Any = wire or Wire()
        self._kernel: deque[bytes] = deque()
        self.protocol: Any = site.buildProtocol(None)
        self.protocol.makeConnection(self.wire)

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a segment of its own."""
        self._kernel.extend(pieces)
        self.run()

    def run(self) -> None:
        """Let the site read what it wants to."""
        while self._kernel and self.reading:
            self.protocol.dataReceived(self._kernel.popleft())

    @property
    def reading(self) -> bool:
        """The site reads."""
        return self.wire.producerState == "producing" and not self.wire.disconnecting

    @property
    def unread_bytes(self) -> int:
        """How much the site has not read."""
        return sum(map(len, self._kernel))

    def lose(self, reason: Exception | None = None) -> None:
        """End the connection; after what the site would still read."""
        self.run()
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))

    def received(self) -> bytes:
        """All that the site has written, but for the headers that are always there."""
        return re.sub(
            rb"(?:Date|Server|Content-Type): [^\r]*\r\n", b"", self.wire.value()
        )

    def statuses(self) -> list[int]:
        """The status codes of all responses so far, 100 included."""
        return [int(n) for n in re.findall(rb"HTTP/1\.[01] (\d+) ", self.wire.value())]


class Memory:
    """A site with one resource, a clock and one connection."""

    def __init__(self, resource: Resource, **kwargs: Any) -> None:
        self.clock = Clock()
        kwargs.setdefault("wants", everything)
        self.site = StreamingSite(resource, reactor=self.clock, **kwargs)
        self.peer = Peer(self.site)


def head(
    method: bytes = b"PATCH", *lines: bytes, version: bytes = b"HTTP/1.1"
) -> bytes:
    """The head of a request for ``/u`` with some header lines."""
    start = method + b" /u " + version
    return b"\r\n".join([start, b"Host: test", *lines, b"", b""])


def sized(body: bytes, *lines: bytes) -> bytes:
    """A PATCH with a Content-Length."""
    return head(b"PATCH", b"Content-Length: %d" % len(body), *lines) + body


def chunked(*chunks: bytes) -> bytes:
    """A PATCH in chunks."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (*chunks, b""))
    return head(b"PATCH", b"Transfer-Encoding: chunked") + coded
