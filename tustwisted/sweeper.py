"""When uploads are swept: soon after the start, and then from time to time."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tustwisted.abilities import ISweeps
from tustwisted.errors import ServerShutdown
from tustwisted.uploads.uploads import Uploads

log = Logger()

FIRST_SWEEP_S = 30.0
"""After the start at the latest: a process may never live for a whole interval."""

REST = 10
"""Times as long as a sweep took the next one waits: a million records take minutes."""


@define(eq=False, repr=False)
class Sweeper:
    """
    Sweeps some uploads while they run, one sweep at a time.

    :param uploads: started before, and stopped after this; their stop waits for a sweep
        that is going on, and the sweep ends at its next step.
    :param clock: measures the time in between.
    """

    _uploads: Uploads
    _clock: IReactorTime
    _is_running: bool = field(init=False, default=False)
    _is_sweeping: bool = field(init=False, default=False)
    _next: IDelayedCall | None = field(init=False, default=None)

    def start(self) -> None:
        """Sweep from now on, if the store can be swept; harmless when started."""
        if self._is_running or not ISweeps.providedBy(self._uploads.store):
            return
        self._is_running = True
        if not self._is_sweeping:  # else the next one comes after that
            self._sweep_in(min(FIRST_SWEEP_S, self._interval_s))

    def stop(self) -> None:
        """Begin no sweep any more; harmless when not started."""
        self._is_running = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    @property
    def _interval_s(self) -> float:
        return self._uploads.expiration.sweep_interval_s

    def _sweep_in(self, seconds: float) -> None:
        self._next = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._next = None
        sweeping = Deferred.fromCoroutine(self._sweep())
        sweeping.addErrback(lambda f: log.failure("a sweep failed", f))  # type: ignore[unused-awaitable]

    async def _sweep(self) -> None:
        began = self._clock.seconds()
        self._is_sweeping = True
        try:
            swept = await self._uploads.sweep()
            self._uploads.observer.swept(True, self._clock.seconds() - began)
            log.info(
                "swept in {seconds:.1f} s: {swept.looked_at} uploads looked at, "
                "{swept.expired} expired, {swept.locked} skipped as locked, "
                "{swept.failed} failed, {swept.cleared} leftovers cleared, "
                "{swept.left_alone} left alone",
                seconds=self._clock.seconds() - began,
                swept=swept,
            )
        except ServerShutdown:
            pass
        except Exception:
            self._uploads.observer.swept(False, self._clock.seconds() - began)
            raise
        finally:
            self._is_sweeping = False
            took_s = self._clock.seconds() - began
            if self._is_running:
                self._sweep_in(max(self._interval_s, REST * took_s))
