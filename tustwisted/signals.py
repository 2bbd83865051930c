"""What the daemon does when a signal comes; an application's mount takes none."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

log = Logger()


@define(eq=False, repr=False)
class Signals:
    """
    Stops the daemon by SIGTERM or Ctrl-C, once, and tells of SIGHUP.

    ``twistd`` ends itself by the signal that its reactor was stopped with, as long as
    it is the reactor that takes it.  A SIGTERM that is taken here only stops the
    reactor, so the status is 0 when all went well.  Ctrl-C is handed on: a shell that
    runs a script must see that it was that.

    Nothing of this is undone when the daemon has stopped: until the process is gone a
    signal must not change how it ends.  While Python ends it would: it takes away all
    that is called at a signal, but lets be ignored what is.

    :param reload: called by the reactor when there was a SIGHUP.
    """

    _reactor: Any
    _reload: Callable[[], object]
    _is_stopping: bool = field(init=False, default=False)
    _interrupt: Any = field(init=False, default=None)

    def keep_reload(self) -> None:
        """Keep a SIGHUP that comes during the start, which it would end, until then."""
        signal.signal(signal.SIGHUP, self._hung_up)

    def take(self) -> None:
        """Take the signals, when the reactor has begun to run and has taken its own."""
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stops)
        self._reactor.addSystemEventTrigger("after", "shutdown", ignore_all)
        signal.signal(signal.SIGTERM, self._terminated)
        self._interrupt = signal.getsignal(signal.SIGINT)
        if callable(self._interrupt):  # else it is ignored, as in the background
            signal.signal(signal.SIGINT, self._interrupted)
        self.keep_reload()

    def _terminated(self, number: int, frame: object) -> None:
        if self._is_first():
            self._reactor.callFromThread(self._stop)

    def _interrupted(self, number: int, frame: object) -> None:
        if self._is_first():
            self._interrupt(number, frame)

    def _hung_up(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._reload_unless_stopping)

    def _is_first(self) -> bool:
        is_first = not self._is_stopping
        self._is_stopping = True
        return is_first

    def _stops(self) -> None:
        self._is_stopping = True

    def _stop(self) -> None:
        log.info("SIGTERM came: stopping")
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _reload_unless_stopping(self) -> None:
        if not self._is_stopping:
            self._reload()


def ignore_all() -> None:
    """Ignore them from now on; programs that are started then do so, too."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
