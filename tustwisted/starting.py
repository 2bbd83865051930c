"""How the start of a service fails, so that ``twistd`` ends with one sentence."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import CannotStart

log = Logger()


class StartFailed(SystemExit, Exception):
    """
    Ends the process with one sentence and status 1.

    An Exception too, so that ``twistd`` tells its parent and removes its pid file.
    """


def fail_if_failed(
    service: Service, started: Deferred[None], failed: Callable[[], None] | None = None
) -> None:
    """
    Turn a start that fails at once into the sentence that ends the process.

    :param failed: called when it fails later, unless it is being stopped by then: an
        endpoint, or a store of somebody's own, may take its time.
    """
    failures: list[Failure] = []

    def fail(failure: Failure) -> None:
        is_stopping, service.running = not service.running, 0
        failures.append(failure)
        if is_late and not failure.check(CancelledError):
            log.critical("{problem}", problem=f"tustwisted: {failure.value}")
            if failed is not None and not is_stopping:
                failed()

    is_late = False
    started.addErrback(fail)  # type: ignore[unused-awaitable]
    is_late = True
    for failure in failures:
        if not isinstance(failure.value, CannotStart):
            failure.raiseException()
        raise StartFailed(f"tustwisted: {failure.value}") from failure.value


def when_served(
    service: Service, started: Deferred[None] | None, call: Callable[[], None]
) -> None:
    """
    Call something while a service runs, as soon as its start is over.

    :param started: that start, after :func:`fail_if_failed`; ``None``: there was none.
    """

    def served(_: None) -> None:
        if service.running:
            call()

    if started is not None:
        started.addCallback(served)  # type: ignore[unused-awaitable]
