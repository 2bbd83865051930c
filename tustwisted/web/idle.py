"""
A timer for silence that costs next to nothing per piece of data.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


def _nobody() -> None:
    """Be called by no timer."""


class IdleTimer:
    """
    Calls ``expired`` when it was running and not touched for ``limit_s``.

    Touching only notes the time.  A pending call that turns out to be early waits for
    the remainder, so there is one call per ``limit_s``, not one per piece.
    """

    def __init__(
        self, clock: IReactorTime, limit_s: float, expired: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._expired = expired
        self._running = False
        self._touched = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Run, with the whole limit ahead; harmless while it runs."""
        self._running = True
        self.touch()
        if self._call is None:
            self._call = self._clock.callLater(self._limit_s, self._check)

    def touch(self) -> None:
        """Something was heard."""
        self._touched = self._clock.seconds()

    def pause(self) -> None:
        """Stop running, cheaply: a call may stay pending, and then does nothing."""
        self._running = False

    def cancel(self) -> None:
        """Stop for good: leave nothing pending, and forget whom to call."""
        self._running = False
        self._expired = _nobody
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _check(self) -> None:
        self._call = None
        if not self._running:
            return
        left_s = self._touched + self._limit_s - self._clock.seconds()
        if left_s > 0:
            self._call = self._clock.callLater(left_s, self._check)
        else:
            # A reactor that is late runs its timers first: what came meanwhile is still
            # in the kernel, and one turn later it has been read.
            self._call = self._clock.callLater(0, self._expire, self._touched)

    def _expire(self, touched: float) -> None:
        self._call = None
        if self._running and self._touched == touched:
            self._running = False
            self._expired()
        else:
            self._check()
