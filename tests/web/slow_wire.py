"""A client in memory that takes its answer when the test says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.web.harness import Wire


class SlowWire(Wire):
    """
    A transport that holds what it cannot send, and pauses as Twisted's own do.

    :ivar held: what was written and has not been taken.
    :ivar most_held: how much that ever was, bytes.
    :ivar aborted: the connection was cut off.
    """

    aborted = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = b""
        self.most_held = 0
        self._paused = False

    def write(self, data: bytes) -> None:
        self.held += data
        self.most_held = max(self.most_held, len(self.held))
        if len(self.held) > self.bufferSize and self.producer is not None:
            self._paused = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def resumeProducing(self) -> None:
        if not self.disconnecting:  # a real transport does not mind
            super().resumeProducing()

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def take(self) -> None:
        """Let the client take what is held."""
        held, self.held = self.held, b""
        super().write(held)
        if self._paused:
            self._paused = False
            if self.producer is not None:
                self.producer.resumeProducing()

    def take_all(self) -> None:
        """Let it take everything that there is."""
        while self.held:
            self.take()
