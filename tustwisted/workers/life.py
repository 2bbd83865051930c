"""How long a worker lives: no longer than its supervisor, or than that wants it to."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
class Life:
    """
    Notices that the supervisor has died, or wants this worker to end.

    :param reactor: is stopped then.
    :param fd: a pipe to which nothing is ever written; not owned.
    """

    def __init__(self, reactor: Any, fd: int) -> None:
        self._reactor = reactor
        self._fd = fd

    def fileno(self) -> int:
        """Name the pipe."""
        return self._fd

    def logPrefix(self) -> str:
        """Name the pipe in logs."""
        return type(self).__name__

    def doRead(self) -> None:
        """Stop: nothing is ever written to the pipe, so this is its end."""
        self._reactor.removeReader(self)
        self._reactor.callLater(0, self._stop)

    def connectionLost(self, reason: Failure) -> None:
        """Stop, as some reactors tell the end of a pipe."""
        self.doRead()

    def _stop(self) -> None:
        # Service managers send SIGTERM to all processes of a service, so that may come
        # just before or just after; Twisted takes a second stop for an error.
        signal.signal(signal.SIGTERM, ignore)
        with suppress(ReactorNotRunning):
            self._reactor.stop()


def end_hard_with_supervisor(fd: int, limit_s: float) -> None:
    """
    End this process some time after the supervisor's end, although its reactor hangs.

    :param fd: as for :class:`Life`.
    :param limit_s: how long after.
    """

    def wait() -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll()
        time.sleep(limit_s)
        os._exit(1)

    threading.Thread(target=wait, name="life", daemon=True).start()


def ignore(number: int, frame: object) -> None:
    """Do nothing; unlike SIG_IGN, this is not passed on to processes that it starts."""
