"""
Keeps the uploads of this process from those of all others by leases in a Redis.

This part knows time: how long to wait, when to ask again, when a lock is lost.  Redis
it knows by :class:`tustwisted.lock.redis.leases.ILeases` only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import LocksUnavailable
from tustwisted.lock.redis.held import Held, RedisLock
from tustwisted.lock.redis.leases import FAILURES, Freed, ILeases, Message
from tustwisted.lock.redis.returns import Returns
from tustwisted.lock.redis.taking import Taking, Ways
from tustwisted.lock.redis.terms import TTL_S, Terms
from tustwisted.lock.shared import IProcessLock, IProcessLocks
from tustwisted.probes import IReachable
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

_T = TypeVar("_T")

STOP_S = 2.0
"""How long giving back all locks may take at the end."""


@implementer(IProcessLocks, IReachable)
@define(eq=False, repr=False)
class RedisLocks:
    """
    Locks for the uploads of several machines.

    :param ttl_s: how long a lease lasts; the same in all processes.
    :param token: gives a new token of :data:`~.leases.TOKEN_BYTES` hexadecimal digits,
        never the same twice and not to be guessed.
    :param jitter: gives numbers from 0 to 1 by chance, so that waiters do not ask at
        the same time.
    :param now: measures leases, see :class:`tustwisted.lock.redis.terms.Terms`; the
        clock does unless there is another one.
    """

    is_leasing = True

    _clock: IReactorTime
    _leases: ILeases
    _token: Callable[[], bytes]
    _jitter: Callable[[], float]
    _ttl_s: float = TTL_S
    _now: Callable[[], float] | None = None
    _wished: Callable[[str], None] = field(init=False)
    _terms: Terms = field(init=False)
    _returns: Returns = field(init=False)
    _held: Held = field(init=False)
    _takings: dict[str, Taking] = field(init=False, factory=dict)
    _is_started: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        now = self._now or self._clock.seconds
        self._terms = Terms(self._clock, now, self._ttl_s)
        self._returns = Returns(self._terms, self._leases)
        self._held = Held(self._terms, self._leases, self._returns.give_back)

    async def start(self, wished: Callable[[str], None]) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.start`."""
        self._wished = wished
        await self._leases.start(round(self._ttl_s * 1000), self._hear)
        self._returns.start()
        self._is_started = True

    async def stop(self) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.stop`."""
        self._is_started = False
        for taking in list(self._takings.values()):
            taking.stop()
        giving = self._returns.stop(self._held.stop())
        try:
            await within(STOP_S, giving, self._clock)
        except WaitedTooLong:
            log.info("some locks stay in Redis until their time is over")
        finally:
            await self._leases.stop()

    async def ping(self) -> None:
        """See :meth:`tustwisted.probes.IReachable.ping`."""
        try:
            await self._leases.ping()
        except FAILURES as error:
            raise LocksUnavailable from error

    def take(self, upload_id: str, timeout_s: float) -> Deferred[IProcessLock]:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.take`."""
        taking = self._new_taking(upload_id)
        work = Deferred.fromCoroutine(self._known(taking, taking.wait(timeout_s)))
        taken: Deferred[IProcessLock] = Deferred(lambda _: work.cancel())

        def grant(lock: RedisLock) -> None:
            taken.callback(lock)
            if taking.is_wanted and lock.is_held:
                self._tell(upload_id)  # before this nobody knew what to give back

        work.addCallbacks(grant, taken.errback)  # type: ignore[unused-awaitable]
        return taken

    async def try_take(self, upload_id: str) -> IProcessLock | None:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.try_take`."""
        taking = self._new_taking(upload_id)
        return await self._known(taking, taking.once())

    def _new_taking(self, upload_id: str) -> Taking:
        give_back, jitter = self._returns.give_back, self._jitter
        ways = Ways(self._terms, self._leases, self._held, give_back, jitter)
        return Taking(ways, upload_id, self._token())

    async def _known(self, taking: Taking, work: Coroutine[Any, Any, _T]) -> _T:
        """Let messages and ``stop`` reach a taking while it works."""
        if not self._is_started:
            taking.stop()
        self._takings[taking.upload_id] = taking
        try:
            return await work
        finally:
            if self._takings.get(taking.upload_id) is taking:
                del self._takings[taking.upload_id]

    def _hear(self, message: Message) -> None:
        taking = self._takings.get(message.upload_id)
        if isinstance(message, Freed):
            if taking is not None:
                taking.freed()
        elif self._held.get(message.upload_id, message.token) is not None:
            self._tell(message.upload_id)
        elif taking is not None and taking.token == message.token:
            taking.is_wanted = True

    def _tell(self, upload_id: str) -> None:
        try:
            self._wished(upload_id)
        except Exception:
            log.failure("a holder of a lock failed when it was asked for it")
