"""
The log as JSON, an object a line, for what collects logs.

``twistd -n --logger=tustwisted.logs.json_lines tus`` writes it to standard output.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from math import isfinite
from typing import BinaryIO, Final

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

MAX_BYTES: Final = 16_384
"""Of a line with its end: what is longer many collectors cut."""

_FEWEST = 32
"""Characters of a text that is not cut any more."""

_OTHER_NAMES = frozenset(
    (
        *("time", "level", "namespace", "message", "failure"),  # our own
        *("system", "format", "isError", "why", "logLevel", "printed"),  # Twisted's old
    )
)


def json_lines() -> ILogObserver:
    """
    Make what writes the log to standard output; for ``twistd --logger``.

    That takes the place of ``--logfile``.  A ``twistd`` that goes to the background
    closes its standard output, so it belongs to ``twistd -n``.
    """
    # As it is now: beginLoggingTo puts something in its place that logs.
    return JSONLines(sys.stdout.buffer)


@implementer(ILogObserver)
@frozen
class JSONLines:
    """
    Writes each event as a line.

    :param file: takes them; flushed after each.
    """

    _file: BinaryIO

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        self._file.write(as_line(event))
        self._file.flush()


def as_line(event: LogEvent) -> bytes:
    """
    Tell an event in a line of at most :data:`MAX_BYTES`.

    It has when, how bad, where from and what; then the facts that the event came with,
    as far as they are plain; and the traceback of a failure.  What is too long is cut.
    """
    level = event.get("log_level", LogLevel.info)
    told: dict[str, object] = {
        "time": _time(event),
        "level": getattr(level, "name", str(level)),
        "namespace": event.get("log_namespace", "-"),
        "message": formatEvent(event),
    }
    for name, value in event.items():
        if (
            not name.startswith("log_")
            and name not in _OTHER_NAMES
            and _is_plain(value)
        ):
            told[name] = value
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        told["failure"] = failure.getTraceback()
    return _within_limit(told)


def _time(event: LogEvent) -> str:
    when = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)  # JSON has no others
    return value is None or isinstance(value, str | int)


def _within_limit(told: dict[str, object]) -> bytes:
    """Halve the longest text until the line is short enough."""
    while len(line := _line(told)) > MAX_BYTES:
        texts = {name: text for name, text in told.items() if isinstance(text, str)}
        name = max(texts, key=lambda each: len(texts[each]))
        if len(texts[name]) <= _FEWEST:  # there are thousands of facts
            told = dict(list(told.items())[:4])
        # A traceback says most at its end, all else at its beginning.
        half = len(texts[name]) // 2
        is_end = name == "failure"
        told[name] = texts[name][-half:] if is_end else texts[name][:half]
        told["cut"] = True
    return line


def _line(told: dict[str, object]) -> bytes:
    text = json.dumps(told, ensure_ascii=False)
    # Half a surrogate is no character; escaped as Python does it, it is JSON still.
    return f"{text}\n".encode("utf-8", "backslashreplace")
