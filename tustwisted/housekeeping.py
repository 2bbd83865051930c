"""
What one process does for all that share the uploads (D10).

That is recovery, sweeps, and the delivery of events.

It is elected by a lock.  When it dies another one takes over, within seconds or, with
leases, after the lease.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import LocksUnavailable
from tustwisted.interfaces import ILock
from tustwisted.outcome import Outcome
from tustwisted.sweeper import Sweeper
from tustwisted.uploads.uploads import Uploads

if TYPE_CHECKING:
    from tustwisted.hooks.delivery import Delivery

log = Logger()

HOUSE = ".housekeeping"
"""
How the lock of whoever keeps house is called; no upload has an id that begins with a
dot.  Where one locker serves several directories each has a name of its own behind it.
"""

ELECTION_S = 5.0
"""How often the others try to get it, seconds, on average."""

HANDOVER_S = 1.0
"""
How long a process that stops waits for it, when something is due.

All workers stop at the same time.  What the others still cause, when the one that keeps
house has looked for the last time, the next one delivers.
"""

HANDOVER_POLL_S = 0.05
"""How often it tries to get it then."""


@define(eq=False, repr=False)
class Housekeeper:
    """
    Keeps house for some uploads, or waits until it is this process's turn.

    :param uploads: started before, and stopped after this.
    :param clock: measures the time between two tries.
    :param random: gives numbers from 0 to 1, so that not all try at the same time.
    :ivar house: tells these uploads from others that the locker has locks for; set
        before :meth:`start`.
    """

    _uploads: Uploads
    _clock: IReactorTime
    _random: Callable[[], float] = random.random
    house: str = field(init=False, default="")
    _sweeper: Sweeper = field(init=False)
    _recovery: Outcome[None] | None = field(init=False, default=None)
    _work: Deferred[None] | None = field(init=False, default=None)
    _is_elected: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._sweeper = Sweeper(self._uploads, self._clock)

    def start(self, recovers: bool = True) -> None:
        """
        Begin.

        :param recovers: finish what a crash left unfinished, whoever keeps house: this
            process takes the place of one that may have died.  Otherwise it is done
            when this process is elected.
        """
        self._deliver(is_elected=False)
        self._work = Deferred.fromCoroutine(self._run(recovers))
        self._work.addErrback(_log_unless_stopped)  # type: ignore[unused-awaitable]

    async def finish(self, limit_s: float) -> None:
        """
        Deliver what is due before a stop, or let whoever keeps house do it.

        :param limit_s: how long that may take, seconds.
        """
        delivery = self._uploads.delivery
        if delivery is None or self._work is None:
            return
        if self._is_elected or not delivery.is_shared:
            await delivery.finish(limit_s)
        else:
            await self._stand_in(delivery, limit_s)

    async def _stand_in(self, delivery: Delivery, limit_s: float) -> None:
        """Deliver in the place of one that has just stopped."""
        assert self._work is not None
        self._work.cancel()  # this is an election, too
        end_s = self._clock.seconds() + limit_s
        lock = await self._succeed(delivery, min(limit_s, HANDOVER_S))
        if lock is not None:
            try:
                delivery.start()
                await delivery.finish(end_s - self._clock.seconds())
            finally:
                lock.release()

    async def _succeed(self, delivery: Delivery, limit_s: float) -> ILock | None:
        """Wait for the lock while something is due; ``None``: others deliver that."""
        end_s = self._clock.seconds() + limit_s
        while await delivery.is_due():
            lock = await self._try()
            if lock is not None or self._clock.seconds() >= end_s:
                return lock
            await deferLater(self._clock, HANDOVER_POLL_S)
        return None

    def stop(self) -> None:
        """Begin nothing any more; harmless when not started."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            self._end_delivery(is_elected=False)

    def sweep_soon(self) -> None:
        """Sweep as after a start, if it is this process that sweeps."""
        if self._is_elected:
            self._sweeper.stop()
            self._sweeper.start()

    async def stopped(self) -> None:
        """Wait for the end of what cannot be stopped; the uploads have stopped."""
        if self._recovery is not None:
            await self._recovery.wait()

    async def _run(self, recovers: bool) -> None:
        if recovers:
            self._recover()
        while True:
            lock = await self._elect()
            self._is_elected = True
            self._deliver(is_elected=True)
            try:
                if not recovers:
                    self._recover()  # what the one before has left, if he died
                recovers = False
                await self._keep(lock)
            finally:
                self._is_elected = False
                self._end_delivery(is_elected=True)
                lock.release()

    def _deliver(self, is_elected: bool) -> None:
        """Begin to deliver, if that is for those who are elected, or for all."""
        delivery = self._uploads.delivery
        if delivery is not None and delivery.is_shared is is_elected:
            delivery.start()

    def _end_delivery(self, is_elected: bool) -> None:
        delivery = self._uploads.delivery
        if delivery is not None and delivery.is_shared is is_elected:
            delivery.stop()

    async def _elect(self) -> ILock:
        while True:
            lock = await self._try()
            if lock is not None:
                return lock
            await deferLater(self._clock, ELECTION_S * (0.5 + self._random()))

    async def _try(self) -> ILock | None:
        try:
            return await self._uploads.locker.try_acquire(HOUSE + self.house)
        except LocksUnavailable:
            return None

    async def _keep(self, lock: ILock) -> None:
        """Sweep until the lock is lost, or this is stopped."""
        self._sweeper.start()
        try:
            await lock.when_lost()
        finally:
            self._sweeper.stop()

    def _recover(self) -> None:
        """Begin to recover: hooks are asked then, and nothing else waits for them."""
        if self._recovery is None or self._recovery.is_settled:
            self._recovery = Outcome.of(self._recover_all())

    async def _recover_all(self) -> None:
        try:
            finished = await self._uploads.recover()
        except Exception:
            log.failure("looking for unfinished uploads failed")
            return
        if finished:
            log.info("{count} uploads finished after a crash", count=finished)


def _log_unless_stopped(failure: Failure) -> None:
    if not failure.check(CancelledError):
        log.failure("housekeeping has failed", failure)
