"""What a worker tells its supervisor: its log, and how its start went."""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections import deque
from typing import Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsJSON,
    formatEvent,
)
from zope.interface import implementer

READY: Final = "ready"
FAILED: Final = "failed "
EVENT: Final = "event "
PLAIN: Final = "plain "

MESSAGE: Final = "failure_message"
"""The field of an event that has the message of its failure."""

PATIENCE_MS: Final = 1000
"""How long a worker waits for a supervisor that does not read."""

_ASIDE: Final = frozenset(("log_level", "log_logger", "log_source", "message"))
"""What is in most events, and is no simple value in one that is all the same simple."""

_SIMPLE: Final = frozenset((str, int, float, bool, type(None)))


@implementer(ILogObserver)
class Wire:
    """
    The worker's end: what was told is in the pipe, so a death loses none of it.

    All threads may tell, and so may a signal handler or a destructor that interrupts
    one that is telling.

    A supervisor that does not read holds a worker up once, for :data:`PATIENCE_MS`;
    from then on it costs it its events, not its work.

    :param fd: a pipe; not owned.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._lock = threading.RLock()
        self._is_writing = False
        self._waiting: deque[str] = deque()
        self._rest = b""
        self._lost = 0

    def ready(self) -> None:
        """Tell that this worker serves."""
        self._tell(READY)

    def failed(self, sentence: str) -> None:
        """Tell why this worker cannot serve."""
        self._tell(FAILED + json.dumps(sentence))

    def __call__(self, event: LogEvent) -> None:
        """Tell a log event."""
        try:
            text = (
                PLAIN + _plainly(event) if _is_plain(event) else EVENT + _fully(event)
            )
        except Exception:  # any object may be in an event, and be no use in JSON
            names = ("log_time", "log_level", "log_namespace")
            kept = {name: event.get(name) for name in names}
            kept["log_format"], kept["text"] = "{text}", formatEvent(event)
            text = EVENT + eventAsJSON(kept)
        self._tell(text)

    def _tell(self, line: str) -> None:
        self._waiting.append(line)
        with self._lock:
            # What interrupts the inner loop, on its own thread, leaves its line to it;
            # the outer one looks again, so that none stays that came at its end.
            while self._waiting and not self._is_writing:
                self._is_writing = True
                try:
                    while self._waiting:
                        self._write(self._waiting.popleft())
                finally:
                    self._is_writing = False

    def _write(self, line: str) -> None:
        if self._rest and not self._flush(0):
            self._lost += 1
            return
        if self._lost:
            self._rest, self._lost = _line(EVENT + _losses(self._lost)), 0
        self._rest += _line(line)
        self._flush(PATIENCE_MS)

    def _flush(self, patience_ms: int) -> bool:
        """Write what is left; whether that is all."""
        try:
            while self._rest:
                try:
                    self._rest = self._rest[os.write(self._fd, self._rest) :]
                except BlockingIOError:
                    if not _writable(self._fd, patience_ms):
                        return False
        except OSError:
            self._rest = b""  # the supervisor is dead: this process ends soon, too
        return True


def _line(text: str) -> bytes:
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _is_plain(event: LogEvent) -> bool:
    """
    Whether an event has simple values only.

    Nearly all have, and one comes with every request: ``eventAsJSON`` takes longer, and
    longer again to be read, since it keeps each value as a text as well.
    """
    return all(type(event[name]) in _SIMPLE for name in event if name not in _ASIDE)


def _plainly(event: LogEvent) -> str:
    kept = {k: v for k, v in event.items() if k not in ("log_logger", "log_source")}
    level = kept.pop("log_level", None)
    return json.dumps([None if level is None else level.name, kept])


def _fully(event: LogEvent) -> str:
    failure = event.get("log_failure")
    if failure is not None:  # JSON keeps its frames, but no exception
        event = {**event, MESSAGE: failure.getErrorMessage()}
    return eventAsJSON(event)


def _losses(lost: int) -> str:
    return eventAsJSON(
        {
            "log_time": time.time(),
            "log_level": LogLevel.warn,
            "log_namespace": __name__,
            "log_format": "{lost} events before this one were lost: nobody took them",
            "lost": lost,
        }
    )


def _writable(fd: int, wait_ms: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(wait_ms))
