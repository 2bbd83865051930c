"""Processes in this one, each with connections of its own to a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.tcp_proxy import Proxy
from tests.valkey import Valkey
from tustwisted.lock.redis.connect import make_redis_locks
from tustwisted.lock.redis.locks import RedisLocks
from tustwisted.lock.redis.url import parse_redis_url

LIMIT_S = 10.0


async def passes(time_s: float) -> None:
    """Let time pass."""
    await deferLater(reactor, time_s)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    end = reactor.seconds() + LIMIT_S
    while not condition():
        if reactor.seconds() > end:
            raise AssertionError(f"{what}: not within {LIMIT_S:g} s")
        await passes(0.002)


class RealCase(TestCase):
    """A server, and what uses it; all of it ends with the test."""

    timeout = 30
    ttl_s = 1.0
    start_timeout_s = 1.2

    def serve(self, **options: Any) -> Valkey:
        """Start a server."""
        valkey = Valkey(self, **options)
        valkey.start()
        return valkey

    def proxy(self, valkey: Valkey, **options: Any) -> Proxy:
        """Start a proxy in front of a server."""
        proxy = Proxy(reactor, valkey.port, **options)
        proxy.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(proxy.stop()))
        return proxy

    def locks(self, url: str) -> RedisLocks:
        """Make the locks of one process."""
        parsed = parse_redis_url(url)
        locks = make_redis_locks(reactor, parsed, self.ttl_s, self.start_timeout_s)
        self.addCleanup(lambda: Deferred.fromCoroutine(locks.stop()))
        return locks

    async def process(self, url: str) -> tuple[RedisLocks, list[str]]:
        """Start the locks of one process; return them and the wishes it hears."""
        locks = self.locks(url)
        wishes: list[str] = []
        await locks.start(wishes.append)
        return locks, wishes
