"""What the process of a daemon asks of its system, and how it ends when it must."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.interfaces import IReactorCore


def end_hard_after(limit_s: float, goes_on: bool = False) -> Callable[[], None]:
    """
    End the process although a thread hangs on a disk that never answers (D12).

    However it ends, its status is 1, unless this is taken back.

    :param goes_on: the process has more to do than what stops here.  Else its time goes
        on when this is taken back: the reactor still joins its threads, in which a hook
        may hang, or a name that is looked up.
    :returns: what takes it back.
    """

    timer = threading.Timer(limit_s, os._exit, [1])
    timer.daemon = True
    timer.start()

    def fail() -> None:  # not what a failed start has registered
        _exit_failed()

    atexit.register(fail)

    def take_back() -> None:
        if goes_on:
            timer.cancel()
        atexit.unregister(fail)

    return take_back


def end_failed(reactor: IReactorCore) -> None:
    """
    End the process with status 1, when whoever runs the reactor has cleaned up.

    ``twistd`` knows no status for what fails after the reactor has begun to run.
    """
    atexit.register(_exit_failed)
    reactor.stop()


@contextmanager
def collecting_later() -> Iterator[None]:
    """
    Keep the collector of cycles away from what imports modules.

    They make a hundred thousand objects that all stay, which it would look at over and
    over: a fifteenth of a start.  Afterwards it works as before, and takes all that is
    there for old.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _let_all_be_old()
            gc.enable()


def _let_all_be_old() -> None:
    """
    Spare the collector its first look at what is there.

    Both calls only link lists to one another: what was thawed is in the oldest
    generation.
    """
    if gc.get_freeze_count() == 0:  # else an application has frozen what is its own
        gc.freeze()
        gc.unfreeze()


def spare_what_is_there() -> None:
    """
    Let the collector of cycles pass by all that is there when the start is over.

    That is a hundred thousand objects, of modules most of them, which live as long as
    the process: to look at them again and again costs each small upload a seventh of
    its time.  What comes afterwards is collected as ever; to collect once before would
    find next to nothing, and take 60 ms.
    """
    gc.freeze()


def _exit_failed() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
