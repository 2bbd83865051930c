"""Delivers what the outbox keeps, to each hook for itself (DESIGN D10)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tustwisted.errors import TusError
from tustwisted.hooks.carrier import Carrier
from tustwisted.hooks.interfaces import IMail, IOutbox
from tustwisted.hooks.settings import GIVE_UP_AFTER_S
from tustwisted.interfaces import IHook
from tustwisted.outcome import Outcome
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

AT_ONCE = 64
"""So many uploads are told of at the same time, to each hook."""

CUT_OFF_S = 2.0
"""
How long is waited for what is being told when this process is to tell nothing any more.

It is told again, if it must be.
"""


@define(eq=False, repr=False)
class Delivery:
    """
    Tells hooks their events: those of one upload in order, one after the other.

    Only one process of those that share an outbox does that at a time.  Where two do,
    for a moment, an event may be told twice.

    :param outbox: provides :class:`~.interfaces.IMail` too; started before and stopped
        after this.
    :param hooks: started before and stopped after this.
    :param clock: measures the time between tries.
    :param give_up_after_s: an event that was due for so long, and still fails, is a
        dead letter.
    :param at_once: how many uploads each hook is told of at the same time.
    :param random: gives numbers from 0 to 1.
    :param now: tells the time, seconds since 1970.
    """

    _outbox: IOutbox
    _hooks: Sequence[IHook]
    _clock: IReactorTime
    _give_up_after_s: float = GIVE_UP_AFTER_S
    _at_once: int = AT_ONCE
    _random: Callable[[], float] = random.random
    _now: Callable[[], float] = time.time
    _mail: IMail = field(init=False)
    _starting: Deferred[None] | None = field(init=False, default=None)
    _carriers: list[Carrier] = field(init=False, factory=list)
    _ending: Outcome[None] | None = field(init=False, default=None)
    _strangers: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self._mail = IMail(self._outbox)

    @property
    def is_shared(self) -> bool:
        """One process delivers for all; else each does what it has caused."""
        return self._outbox.is_shared

    def start(self) -> None:
        """Begin, when what a stop before this has left has ended."""
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(  # type: ignore[unused-awaitable]
            lambda f: f.trap(CancelledError) and None
        )

    async def _start(self) -> None:
        if self._ending is not None:
            await self._ending.wait()
        self._carriers = [
            Carrier(
                self._mail,
                hook,
                self._clock,
                self._now,
                self._give_up_after_s,
                self._at_once,
                self._random,
            )
            for hook in self._hooks
        ]
        for carrier in self._carriers:
            carrier.start()
        await self._tell_strangers()

    async def _tell_strangers(self) -> None:
        """Log, once, for whom something is kept that nobody delivers."""
        try:
            found = set(await self._mail.hooks())
        except TusError:
            return
        strange = found - {hook.name for hook in self._hooks} - self._strangers
        self._strangers |= strange
        for name in sorted(strange):
            log.warn(
                "the outbox keeps events for hook {hook}, which is not configured any "
                "more",
                hook=name,
            )

    async def is_due(self) -> bool:
        """Tell whether anything waits for one of the hooks, as far as can be told."""
        try:
            return not {hook.name for hook in self._hooks}.isdisjoint(
                await self._mail.hooks()
            )
        except TusError:
            return False

    async def finish(self, limit_s: float) -> None:
        """
        Tell all that is due, for so long, then stop; harmless when not started.

        What the limit leaves untold is still due.
        """
        carriers = list(self._carriers)
        for carrier in carriers:
            carrier.finish()
        with suppress(WaitedTooLong):
            await within(limit_s, _all_finished(carriers), self._clock)
        for carrier in carriers:
            if carrier.left:
                log.warn(
                    "the stop came before events of {count} uploads could be told to "
                    "hook {hook}",
                    count=carrier.left,
                    hook=carrier.hook_name,
                )
        self.stop()
        for carrier in carriers:
            carrier.cut_off()
        await self.stopped()

    def stop(self) -> None:
        """Begin to tell nothing any more; harmless when not started."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        starting.cancel()
        carriers, self._carriers = self._carriers, []
        for carrier in carriers:
            carrier.stop()
        if carriers:
            self._ending = Outcome.of(self._end(carriers))

    async def _end(self, carriers: Sequence[Carrier]) -> None:
        try:
            await within(CUT_OFF_S, _all_stopped(carriers), self._clock)
        except WaitedTooLong:
            for carrier in carriers:
                carrier.cut_off()
            await _all_stopped(carriers)

    async def stopped(self) -> None:
        """Wait for what was being told, for :data:`CUT_OFF_S` at the most."""
        if self._ending is not None:
            await self._ending.wait()


async def _all_finished(carriers: Sequence[Carrier]) -> None:
    for carrier in carriers:
        await carrier.finished()


async def _all_stopped(carriers: Sequence[Carrier]) -> None:
    for carrier in carriers:
        await carrier.stopped()
