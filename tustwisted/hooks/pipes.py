"""The ends of pipes that lead to a program, for the reactor to read and write."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any

from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

READ_BYTES = 64 * 1024
"""What is read at once; no less than a pipe holds, unless somebody has changed that."""

_LAST_READS = 16
"""1 MiB, the most a pipe may hold; who writes on and on is not listened to."""


class _End:
    """
    One end of a pipe.

    :param reactor: provides ``IReactorFDSet``.
    :param file: owned from now on.
    """

    def __init__(self, reactor: Any, file: IO[bytes]) -> None:
        os.set_blocking(file.fileno(), False)
        self._reactor = reactor
        self._file = file

    def fileno(self) -> int:
        """Name the descriptor; -1 when it is closed."""
        return -1 if self._file.closed else self._file.fileno()

    def logPrefix(self) -> str:
        """Name this in logs."""
        return type(self).__name__

    def connectionLost(self, reason: Failure) -> None:
        """Close it, since there is nobody at the other end."""
        self.close()

    def close(self) -> None:
        """Close it; harmless when done twice."""
        if not self._file.closed:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._file.close()


@implementer(IReadDescriptor)
class Reader(_End):
    """
    Reads.

    :param came: called with what comes.
    """

    def __init__(
        self, reactor: Any, file: IO[bytes], came: Callable[[bytes], None]
    ) -> None:
        super().__init__(reactor, file)
        self._came = came
        reactor.addReader(self)

    def doRead(self) -> None:
        """Take what is there."""
        content = self._file.read(READ_BYTES)
        if content == b"":
            self.close()
        elif content is not None:  # as it is when there is nothing now
            self._came(content)

    def finish(self) -> None:
        """Take what is there, and close: others may hold the other end for ever."""
        for _ in range(_LAST_READS):
            content = b"" if self._file.closed else self._file.read(READ_BYTES)
            if not content:
                break
            self._came(content)
        self.close()


@implementer(IWriteDescriptor)
class Writer(_End):
    """
    Writes, and closes.

    :param content: what is written.
    """

    def __init__(self, reactor: Any, file: IO[bytes], content: bytes) -> None:
        super().__init__(reactor, file)
        self._left = memoryview(content)
        reactor.addWriter(self)

    def doWrite(self) -> None:
        """Write what there is room for."""
        try:
            written = self._file.write(self._left)
        except BrokenPipeError:
            self.close()
            return
        self._left = self._left[written or 0 :]
        if not self._left:
            self.close()
