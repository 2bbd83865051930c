"""Processes in memory, each with locks in the same Redis of a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.lock.redis.fake import FakeLeases, FakeRedis
from tustwisted.lock.redis.locks import RedisLocks
from tustwisted.lock.redis.terms import TTL_S
from tustwisted.lock.shared import IProcessLock

STEP_S = 0.01

_numbers = itertools.count()


def next_token() -> bytes:
    """Return a token that nobody has."""
    return b"%032x" % next(_numbers)


@define(eq=False, repr=False)
class Process:
    """
    One that keeps its locks in a Redis; started when it is made.

    :param clock: runs its timers.
    :param now: measures its leases; the clock does unless there is another one.
    :param chance: what every jitter is.
    :param timers: runs the timeouts of its connection; the network's clock does unless
        there is another one.

    :ivar wishes: the ids it was asked to give back.
    """

    redis: FakeRedis
    clock: Clock
    ttl_s: float = TTL_S
    now: Callable[[], float] | None = None
    chance: float = 0.5
    timers: Clock | None = None
    wishes: list[str] = field(init=False, factory=list)
    leases: FakeLeases = field(init=False)
    locks: RedisLocks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.leases = FakeLeases(self.redis, self.timers)
        self.locks = RedisLocks(
            self.clock, self.leases, next_token, self._jitter, self.ttl_s, self.now
        )
        self.start()

    def start(self) -> None:
        """Start it again."""
        assert Deferred.fromCoroutine(self.locks.start(self.wishes.append)).called

    def stop(self) -> None:
        """Stop it."""
        assert Deferred.fromCoroutine(self.locks.stop()).called

    def _jitter(self) -> float:
        return self.chance


class LocksCase(SynchronousTestCase):
    """Two processes, and a Redis that has been there for long."""

    ttl_s = 10.0

    def setUp(self) -> None:
        """Start both."""
        self.clock, self.network = Clock(), Clock()
        self.redis = FakeRedis(self.network)
        self.first = Process(self.redis, self.clock, self.ttl_s)
        self.second = Process(self.redis, self.clock, self.ttl_s)
        self.pass_time(self.ttl_s)

    def tearDown(self) -> None:
        """Stop both; that ends every timer."""
        self.first.stop()
        self.second.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def take(
        self, process: Process, upload_id: str = "x", timeout_s: float = 20.0
    ) -> Deferred[IProcessLock]:
        """Begin to take an upload."""
        return process.locks.take(upload_id, timeout_s)

    def taken(self, process: Process, upload_id: str = "x") -> IProcessLock:
        """Take an upload that is free."""
        return self.successResultOf(self.take(process, upload_id))

    def begin_to_take(
        self, process: Process, upload_id: str = "x", timeout_s: float = 20.0
    ) -> None:
        """Begin to take an upload, whatever comes of it."""
        waiting = self.take(process, upload_id, timeout_s)
        waiting.addErrback(lambda _: None)  # type: ignore[unused-awaitable]

    def tried(self, process: Process, upload_id: str = "x") -> IProcessLock | None:
        """Try to take an upload."""
        tried: IProcessLock | None
        tried = self.successResultOf(process.locks.try_take(upload_id))
        return tried

    def pass_time(self, time_s: float) -> None:
        """Let time pass in small steps, and perhaps one more."""
        end = self.clock.seconds() + time_s
        while self.clock.seconds() < end:
            self.network.advance(STEP_S)
            self.clock.advance(STEP_S)
