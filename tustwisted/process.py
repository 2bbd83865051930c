"""What the process of a daemon asks of its system, and how it ends when it must."""

from __future__ import annotations

import atexit
import os
import resource
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.interfaces import IReactorCore

HARD_END_S = 10.0
"""How long a stop may take before the process is ended hard (T-241)."""


def allow_many_descriptors() -> None:
    """
    Take all descriptors that the system grants.

    The usual 1024 are a limit for programs that use ``select``; a download has two.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end_hard_after(limit_s: float) -> Callable[[], None]:
    """
    End the process although a thread hangs on a disk that never answers (D12).

    :returns: what keeps it from that.
    """
    timer = threading.Timer(limit_s, os._exit, [1])
    timer.daemon = True
    timer.start()
    return timer.cancel


def end_failed(reactor: IReactorCore) -> None:
    """
    End the process with status 1, when whoever runs the reactor has cleaned up.

    ``twistd`` knows no status for what fails after the reactor has begun to run.
    """
    atexit.register(_exit_failed)
    reactor.stop()


def _exit_failed() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
