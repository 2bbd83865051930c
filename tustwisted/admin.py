"""
``tustwisted``: commands for whoever runs the daemon, beside it or without it.

Each is a class of options with a ``run``, imported when it is asked for; a new one is a
line in :attr:`Options.subCommands`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from twisted.python import usage
from twisted.python.reflect import namedAny
from zope.interface import implementer

from tustwisted.command import Command, Group


def _later(name: str) -> Callable[[], usage.Options]:
    def make() -> usage.Options:
        options: usage.Options = namedAny(f"tustwisted.{name}")()
        return options

    return make


class Options(Group):
    """What ``tustwisted`` takes."""

    longdesc = "Look after a tustwisted server."
    subCommands = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "check-url",
            None,
            _later("checkurl.command.CheckUrlOptions"),
            "Explain how a server looks from here.",
        ],
        [
            "events",
            None,
            _later("eventcommands.EventsOptions"),
            "Events that wait to be told to hooks.",
        ],
    ]


def main() -> None:
    """
    Do what the words of the command line say.

    :raises SystemExit: it cannot be done, for which there is one sentence.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as for other commands in a pipe
    log = FilteringLogObserver(_write_log, [LogLevelFilterPredicate(LogLevel.warn)])
    globalLogBeginner.beginLoggingTo(
        [log], redirectStandardIO=False, discardBuffer=True
    )
    do(sys.argv[1:])


def do(words: Sequence[str]) -> None:
    """
    Do what some words say.

    :raises SystemExit: as :func:`main`.
    """
    command: usage.Options = Options()
    try:
        command.parseOptions(words)
        while not isinstance(command, Command):
            command = command.subOptions
        command.run()
    except (usage.UsageError, OSError) as error:
        raise SystemExit(f"tustwisted: {_told(error)}") from error


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or 'failed').lower()}"
    return str(error)


@implementer(ILogObserver)
def _write_log(event: LogEvent) -> None:
    sys.stderr.write(f"tustwisted: {formatEvent(event)}\n")


if __name__ == "__main__":
    main()
