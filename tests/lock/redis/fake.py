"""
A Redis of leases in memory, and networks to it that do what real ones do.

That it is like a real one is the affair of :mod:`tests.lock.redis.test_leases`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tustwisted.lock.redis.leases import (
    Answer,
    Freed,
    Granted,
    Held,
    ILeases,
    Lease,
    Message,
    NotYet,
    Unanswered,
    Unreachable,
    Wanted,
)
from tustwisted.waiting import WaitedTooLong, within

_T = TypeVar("_T")

REPLY_TIMEOUT_S = 1.0


@define
class _Key:
    token: bytes
    ends_at: float
    is_wanted: bool = False


@define(eq=False, repr=False)
class FakeRedis:
    """
    What the scripts do, in Python.

    :param clock: true time.
    :param rate: how fast this server's clock goes, compared with that.
    """

    clock: Clock
    rate: float = 1.0
    processes: list[FakeLeases] = field(factory=list)
    _run: int = 1
    _epoch: int | None = None
    _quarantine_ends_at: float = 0.0
    _locks: dict[str, _Key] = field(factory=dict)

    def flush(self) -> None:
        """Forget everything."""
        self._locks.clear()
        self._epoch, self._quarantine_ends_at = None, 0.0

    def restart(self) -> None:
        """Be another server, which knows nothing; connections end."""
        self.flush()
        self._run += 1
        for process in self.processes:
            process.cut()

    def mark_epoch(self, lease_s: float) -> None:
        """See :data:`tustwisted.lock.redis.scripts.MARK_EPOCH`."""
        if self._epoch != self._run:
            self._epoch = self._run
            self._quarantine_ends_at = self._now() + lease_s

    def acquire(
        self, upload_id: str, token: bytes, asks: bool, lease_s: float
    ) -> Answer:
        """See :data:`tustwisted.lock.redis.scripts.ACQUIRE`."""
        self.mark_epoch(lease_s)
        wait_s = self._quarantine_ends_at - self._now()
        if wait_s > 0:
            return NotYet(wait_s / self.rate)
        key = self._key(upload_id)
        if key is None:
            self._locks[upload_id] = _Key(token, self._now() + lease_s)
            return Granted()
        if key.token == token:
            key.ends_at = self._now() + lease_s
            return Granted()
        if asks:
            key.is_wanted = True
            self._publish(Wanted(key.token, upload_id))
        return Held()

    def renew(self, leases: Sequence[Lease], lease_s: float) -> list[bool]:
        """See :data:`tustwisted.lock.redis.scripts.RENEW`."""
        answers = []
        for upload_id, token in leases:
            key = self._key(upload_id)
            answers.append(key is not None and key.token == token)
            if key is not None and key.token == token:
                key.ends_at = self._now() + lease_s
        return answers

    def release(self, leases: Sequence[Lease]) -> None:
        """See :data:`tustwisted.lock.redis.scripts.RELEASE`."""
        for upload_id, token in leases:
            key = self._key(upload_id)
            if key is not None and key.token == token:
                del self._locks[upload_id]
                if key.is_wanted:
                    self._publish(Freed(upload_id))

    def _key(self, upload_id: str) -> _Key | None:
        key = self._locks.get(upload_id)
        if key is not None and key.ends_at <= self._now():
            del self._locks[upload_id]
            return None
        return key

    def _now(self) -> float:
        return self.clock.seconds() * self.rate

    def _publish(self, message: Message) -> None:
        for process in self.processes:
            process.published(message)


@implementer(ILeases)
@define(eq=False, repr=False)
class FakeLeases:
    """
    One process's way to a :class:`FakeRedis`.

    :param clock: runs this process's timers; the server's does unless there is one.

    :ivar is_cut: there is no connection.
    :ivar request_s: how long a request is on its way; ``None``: it gets lost.
    :ivar reply_s: how long a reply is; ``None``: it gets lost.
    :ivar message_s: how long a message is; ``None``: it gets lost.
    :ivar calls: the names of the calls that were made.
    """

    redis: FakeRedis
    clock: Clock | None = None
    is_cut: bool = False
    request_s: float | None = 0.0
    reply_s: float | None = 0.0
    message_s: float | None = 0.0
    calls: list[str] = field(factory=list)
    _is_started: bool = False
    _lease_s: float = 0.0
    _hear: Callable[[Message], None] = field(init=False)
    _unanswered: set[Deferred[None]] = field(init=False, factory=set)
    _is_frozen: bool = False
    _arrived: list[Callable[[], None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.redis.processes.append(self)

    async def start(self, lease_ms: int, hear: Callable[[Message], None]) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.start`."""
        self._lease_s, self._hear = lease_ms / 1000, hear
        self._is_started, self.is_cut = True, False
        self.redis.mark_epoch(self._lease_s)

    async def stop(self) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.stop`."""
        self.cut()
        self._is_started = False

    async def acquire(self, upload_id: str, token: bytes, asks: bool) -> Answer:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.acquire`."""
        lease_s = self._lease_s
        return await self._call(
            "acquire", lambda: self.redis.acquire(upload_id, token, asks, lease_s)
        )

    async def renew(self, leases: Sequence[Lease]) -> Sequence[bool]:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.renew`."""
        lease_s = self._lease_s
        return await self._call("renew", lambda: self.redis.renew(leases, lease_s))

    async def release(self, leases: Sequence[Lease]) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.release`."""
        return await self._call("release", lambda: self.redis.release(leases))

    async def ping(self) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.ping`."""
        await self._call("ping", lambda: None)

    # -- what happens to it ------------------------------------------------------------

    def cut(self) -> None:
        """End the connection: nobody knows what became of what was asked."""
        self.is_cut = True
        unanswered, self._unanswered = self._unanswered, set()
        for reply in unanswered:
            reply.errback(Unanswered())

    def mend(self) -> None:
        """Connect again, to a network without faults."""
        self.is_cut = False
        self.request_s = self.reply_s = self.message_s = 0.0
        self.redis.mark_epoch(self._lease_s)

    def freeze(self) -> None:
        """Take nothing in any more."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Take in what arrived meanwhile, and go on."""
        self._is_frozen = False
        arrived, self._arrived = self._arrived, []
        for f in arrived:
            f()

    @property
    def unanswered(self) -> int:
        """How many calls wait for a reply."""
        return len(self._unanswered)

    def published(self, message: Message) -> None:
        """Pass a message on, if it arrives."""

        def hear() -> None:
            self._hear(message)

        if self._is_started and not self.is_cut:
            self._later(self.message_s, lambda: self._take_in(hear))

    async def _call(self, name: str, f: Callable[[], _T]) -> _T:
        self.calls.append(name)
        if self.is_cut or not self._is_started:
            raise Unreachable
        results: list[_T] = []
        replied: Deferred[None] = Deferred(self._unanswered.discard)
        self._unanswered.add(replied)

        def reply() -> None:
            if replied in self._unanswered:
                self._unanswered.discard(replied)
                replied.callback(None)

        def request() -> None:
            results.append(f())
            self._later(self.reply_s, lambda: self._take_in(reply))

        self._later(self.request_s, request)
        try:
            await within(REPLY_TIMEOUT_S, replied, self.clock or self.redis.clock)
        except WaitedTooLong:
            raise Unanswered from None
        return results[0]

    def _take_in(self, f: Callable[[], None]) -> None:
        if self._is_frozen:
            self._arrived.append(f)
        else:
            f()

    def _later(self, delay_s: float | None, f: Callable[[], None]) -> None:
        if delay_s == 0:
            f()
        elif delay_s is not None:
            self.redis.clock.callLater(delay_s, f)
