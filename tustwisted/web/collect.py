"""
A whole body as one ``bytes``, for bodies that are known to be small.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.interfaces import IBodyReceiver


class BodyTooLarge(Exception):
    """The body has more bytes than the caller of ``collect`` wants to hold."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"the body has more than {self.limit_bytes} bytes"


@implementer(IBodyReceiver)
class Collector:
    """
    Keeps a body in memory, up to a limit.

    :ivar done: fires with the body, or fails with :class:`BodyTooLarge` or the reason
        that ``body_lost`` was given.  Cancelling it stops the producer.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._pieces: list[bytes] = []
        self._producer: IProducer | None = None

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def write(self, data: bytes) -> None:
        self._size_bytes += len(data)
        if self._size_bytes > self._limit_bytes:
            self._stop()
            self.done.errback(BodyTooLarge(self._limit_bytes))
        else:
            self._pieces.append(data)

    def body_ended(self) -> None:
        self.done.callback(b"".join(self._pieces))

    def body_lost(self, reason: Failure) -> None:
        self.done.errback(reason)

    def _stop(self) -> None:
        self._pieces.clear()
        if self._producer is not None:
            self._producer.stopProducing()
