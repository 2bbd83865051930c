"""The supervisor's end of what its workers tell: :mod:`tustwisted.workers.wire`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import (
    LogEvent,
    Logger,
    LogLevel,
    eventFromJSON,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.workers.wire import ALIVE, EVENT, FAILED, MESSAGE, PLAIN, READY

MOST_BYTES: Final = 2**20
"""A line that is longer comes in pieces."""

_PIECE_BYTES: Final = 65536

log = Logger()


class Hearing:
    """
    What one worker tells, line by line.

    :param number: of the worker.
    :param ready: called when it serves.
    :param failed: called with the sentence that says why it cannot.
    :param alive: called when it gives a sign of life.
    """

    def __init__(
        self,
        number: int,
        ready: Callable[[], None],
        failed: Callable[[str], None],
        alive: Callable[[], None],
    ) -> None:
        self._number = number
        self._ready = ready
        self._failed = failed
        self._alive = alive

    def told(self, line: str) -> None:
        """Do what a line of its wire says; one that says nothing is logged."""
        if line in (READY, ALIVE):
            (self._ready if line == READY else self._alive)()
            return
        try:
            if line.startswith(FAILED):
                self._failed(json.loads(line.removeprefix(FAILED)))
            else:
                globalLogPublisher(named(_event(line), self._number))
        except Exception:  # the last line of one that was killed in the middle
            self.said(line)

    def said(self, line: str) -> None:
        """Log a line of its standard output or error."""
        globalLogPublisher(
            named(
                {
                    "log_time": time.time(),
                    "log_level": LogLevel.warn,
                    "log_namespace": "stderr",
                    "log_format": "{text}",
                    "text": line,
                },
                self._number,
            )
        )


def _event(line: str) -> LogEvent:
    if not line.startswith(PLAIN):
        return eventFromJSON(line.removeprefix(EVENT))
    level, event = json.loads(line.removeprefix(PLAIN))
    if level is not None:
        event["log_level"] = LogLevel.lookupByName(level)
    return event  # type: ignore[no-any-return]


def named(event: LogEvent, number: int) -> LogEvent:
    """
    Say in an event which worker it comes from.

    It does so where every observer of Twisted looks for a name, and as ``worker``.
    """
    system = event.get("log_system")
    if system is None:
        level = event.get("log_level")
        name = "-" if level is None else level.name
        system = f"{event.get('log_namespace', '-')}#{name}"
    event["log_system"] = event["system"] = f"worker {number} {system}"
    event["worker"] = number
    message = event.pop(MESSAGE, None)
    for key in ("log_failure", "failure"):
        if message is not None and isinstance(event.get(key), Failure):
            _give_exception(event[key], message)
    # What JSON could not keep says less than nothing.
    event.pop("log_logger", None)
    event.pop("log_source", None)
    return event


def _give_exception(failure: Failure, message: str) -> None:
    told = failure.type
    assert told is not None
    kind = type(told.__name__, (Exception,), {"__module__": told.__module__})
    failure.type, failure.value = kind, kind(message)


class Lines:
    """
    Cuts what comes into lines.

    :param tell: called with each.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = b""

    def came(self, data: bytes) -> None:
        """Take what came."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._tell(line.decode("utf-8", "backslashreplace"))

    def ended(self) -> None:
        """Take what is left as a line."""
        if self._rest:
            self.came(b"\n")


@implementer(IReadDescriptor)
class PipeReader:
    """
    Reads a pipe, by the reactor or before it runs.

    :param reactor: provides ``IReactorFDSet``.
    :param fd: the end that is read; owned from now on.
    :param lines: takes what comes.
    """

    def __init__(self, reactor: Any, fd: int, lines: Lines) -> None:
        os.set_blocking(fd, False)
        self._reactor = reactor
        self._fd = fd
        self._lines = lines
        self._reactor.addReader(self)

    def fileno(self) -> int:
        """Name the pipe; -1 when it has ended."""
        return self._fd

    def logPrefix(self) -> str:
        """Name the reader in logs."""
        return type(self).__name__

    def doRead(self) -> None:
        """Take what is there."""
        try:
            data = os.read(self._fd, _PIECE_BYTES)
        except BlockingIOError:
            return
        if data:
            self._lines.came(data)
        else:
            self.close()

    def connectionLost(self, reason: Failure) -> None:
        """Take what is left."""
        self.finish()

    def finish(self) -> None:
        """
        Take what is there, and close.

        That comes when the worker has ended: a process that it started may hold the
        other end for ever.
        """
        for data in self._left():
            self._lines.came(data)
        self.close()

    def _left(self) -> Iterator[bytes]:
        while self._fd >= 0:
            try:
                data = os.read(self._fd, _PIECE_BYTES)
            except OSError:
                return
            if not data:
                return
            yield data

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
            self._lines.ended()
