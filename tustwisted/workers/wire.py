"""What a worker tells its supervisor: its log, and how its start went."""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
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
ALIVE: Final = "alive"
FAILED: Final = "failed "
EVENT: Final = "event "
PLAIN: Final = "plain "

MESSAGE: Final = "failure_message"
"""The field of an event that has the message of its failure."""

PATIENCE_S: Final = 1.0
"""How long a worker waits until a supervisor has read enough to take a line."""

TRUST_S: Final = 30.0
"""How long a supervisor must have been in time before a worker waits again."""

_ASIDE: Final = frozenset(("log_level", "log_logger", "log_source", "message"))
"""What is in most events, and is no simple value in one that is all the same simple."""

_SIMPLE: Final = frozenset((str, int, float, bool, type(None)))


def _is_writable(fd: int, wait_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(wait_s * 1000))


@implementer(ILogObserver)
class Wire:
    """
    The worker's end: what was told is in the pipe, so a death loses none of it.

    All threads may tell, and so may a signal handler or a destructor that interrupts
    one that is telling.

    A supervisor that does not read, or is slow, holds a worker up once, for
    :data:`PATIENCE_S`.  From then on it costs it its events, not its work, until it has
    taken all that came for :data:`TRUST_S`.

    :param fd: a pipe; not owned.
    :param seconds: a clock.
    :param wait: waits until the pipe takes more, for so many seconds; whether it does.
    """

    def __init__(
        self,
        fd: int,
        seconds: Callable[[], float] = time.monotonic,
        wait: Callable[[int, float], bool] = _is_writable,
    ) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._seconds = seconds
        self._wait = wait
        self._waits_from_s = -inf
        self._lock = threading.RLock()
        self._is_writing = False
        self._waiting: deque[str] = deque()
        self._rest = b""
        self._lost = 0

    def ready(self) -> None:
        """Tell that this worker serves."""
        self._tell(READY)

    def alive(self) -> None:
        """Tell that this worker's reactor runs."""
        self._tell(ALIVE)

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
        now_s = self._seconds()
        if self._rest and not self._flush(now_s):
            self._lost += 1
            return
        if self._lost:
            self._rest, self._lost = _line(EVENT + _losses(self._lost)), 0
        self._rest += _line(line)
        self._flush(now_s + PATIENCE_S if now_s >= self._waits_from_s else now_s)

    def _flush(self, end_s: float) -> bool:
        """Write what is left, until then; whether that is all."""
        try:
            while self._rest:
                try:
                    self._rest = self._rest[os.write(self._fd, self._rest) :]
                except BlockingIOError:
                    left_s = end_s - self._seconds()
                    if left_s <= 0 or not self._wait(self._fd, left_s):
                        self._waits_from_s = self._seconds() + TRUST_S
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
