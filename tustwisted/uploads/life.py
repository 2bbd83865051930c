"""The start of the core, and its end in the right order (D12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from attrs import define
from twisted.internet.interfaces import IReactorTime

from tustwisted.hooks.asking import Hooks
from tustwisted.stopping import StopTimes
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.progress import Progress
from tustwisted.uploads.reading import Readings
from tustwisted.uploads.receiving import Receiving

if TYPE_CHECKING:
    from tustwisted.hooks.delivery import Delivery


class Part(Protocol):
    """What the uploads lean on, and start and stop themselves."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@define(eq=False, repr=False)
class Life:
    """
    Starts and stops the core.

    :param parts: what is started first, in this order, and stopped last.
    """

    _parts: Sequence[Part]
    _hooks: Hooks
    _ongoing: Ongoing
    _receiving: Receiving
    _readings: Readings
    _progress: Progress
    _delivery: Delivery | None
    _clock: IReactorTime
    _stop_times: StopTimes

    async def start(self) -> None:
        """See :meth:`tustwisted.uploads.uploads.Uploads.start`."""
        started: list[Part] = []
        for part in self._parts:
            try:
                await part.start()
            except BaseException:
                while started:
                    await started.pop().stop()
                raise
            started.append(part)
        self._ongoing.is_running = True

    async def settle(self) -> None:
        """See :meth:`tustwisted.uploads.uploads.Uploads.settle`."""
        self._ongoing.is_running = False
        self._receiving.end_waits()
        patience = self._clock.callLater(self._stop_times.hooks_s, self._hooks.cut_off)
        try:
            await self._ongoing.end()
        finally:
            if patience.active():
                patience.cancel()
        self._progress.end_all()  # at once: an answer may begin a removal
        await self._readings.end(self._stop_times.readers_s)

    async def stop(self) -> None:
        """See :meth:`tustwisted.uploads.uploads.Uploads.stop`."""
        await self.settle()
        if self._delivery is not None:
            self._delivery.stop()
            await self._delivery.stopped()
        for part in reversed(self._parts):
            await part.stop()
