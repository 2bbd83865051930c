"""
Bodies for routes that stream, also where the site does not.

On a plain Site, and on HTTP/2, Twisted has put the whole body into ``request.content``
before the route is called.  A :class:`BufferedBody` gives it the same interface.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from tustwisted.interfaces import IBodyReceiver
from tustwisted.web.collect import BodyTooLarge, Collector
from tustwisted.web.interfaces import IBody
from tustwisted.web.receivers import tell

PIECE_BYTES: Final = 262_144
"""How much is read from the buffer in one turn of the reactor."""


class StreamedContent:
    """
    Stands in for the ``content`` of a request whose body is in other hands.

    A route that expects a file there fails loudly, and does not see an empty body.
    """

    closed = False

    def tell(self) -> int:
        """Tell Twisted that there is no form to parse."""
        return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def close(self) -> None:
        """Do nothing: the body belongs to its receiver."""

    def read(self, *args: object) -> NoReturn:
        raise RuntimeError(
            "the body is streamed: use request.body.deliver_to(receiver)"
        )

    readline = readlines = __iter__ = read


@implementer(IBody)
class BufferedBody:
    """
    A body that has come already.

    Its receiver takes the buffer over from the request: it is read to its end also when
    the client leaves meanwhile.  ``body_lost`` only comes if the buffer was gone before
    there was a receiver, or cannot be read.
    """

    complete = True
    trailers = Headers()
    """Twisted has thrown them away."""

    def __init__(self, request: Any) -> None:
        """
        :param request: one of Twisted's that a Site has begun to process.
        """
        self._request = request
        self._reactor: IReactorTime = request.site.reactor
        self._receiver: IBodyReceiver | None = None
        self._content: Any = None
        self._paused = False
        self._call: IDelayedCall | None = None
        self.length = self.received = self._left_bytes = _size_bytes(request.content)

    # -- for the route -----------------------------------------------------------------

    def deliver_to(self, receiver: IBodyReceiver) -> None:
        if self._receiver is not None:
            raise RuntimeError("this body was given to a receiver before")
        self._receiver = receiver
        content = self._request.content
        if content is None or content.closed:
            receiver.registerProducer(self, True)
            self._conclude(receiver.body_lost, Failure(ConnectionLost()))
            return
        self._content = content
        self._request.content = StreamedContent()
        receiver.registerProducer(self, True)
        self._turn()

    def collect(self, limit_bytes: int) -> Deferred[bytes]:
        if self.length > limit_bytes:
            return fail(BodyTooLarge(limit_bytes))
        collector = Collector(limit_bytes)
        self.deliver_to(collector)
        return collector.done

    # -- for the receiver --------------------------------------------------------------

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._turn_later()

    def stopProducing(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    # -- inside ------------------------------------------------------------------------

    def _turn_later(self) -> None:
        if self._content is not None and self._call is None:
            self._call = self._reactor.callLater(0, self._turn)

    def _turn(self) -> None:
        """Deliver one piece, and the end in the same turn if it was the last."""
        self._call = None
        if self._paused or self._content is None:
            return
        assert self._receiver is not None
        if self._left_bytes:
            try:
                piece = self._content.read(PIECE_BYTES)
            except OSError:
                self._conclude(self._receiver.body_lost, Failure())
                return
            self._left_bytes -= len(piece)
            if not tell(self._receiver.write, piece):
                self.stopProducing()
        if self._left_bytes:
            self._turn_later()
        elif self._content is not None and not self._paused:
            self._conclude(self._receiver.body_ended)

    def _conclude(self, verdict: Any, *args: Failure) -> None:
        assert self._receiver is not None
        self.stopProducing()
        tell(self._receiver.unregisterProducer)
        tell(verdict, *args)


def _size_bytes(content: Any) -> int:
    if content is None or content.closed:
        return 0
    size: int = content.seek(0, 2)
    content.seek(0)
    return size
