"""What the wiring calls, once the reactor is chosen."""

from __future__ import annotations

import random
import secrets
import time
from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

from tustwisted.lock.redis.leases import TOKEN_BYTES
from tustwisted.lock.redis.locks import RedisLocks
from tustwisted.lock.redis.server import START_TIMEOUT_S, RedisLeases
from tustwisted.lock.redis.terms import TTL_S
from tustwisted.lock.redis.url import RedisURL


def make_redis_locks(
    reactor: Any,
    url: RedisURL,
    ttl_s: float = TTL_S,
    start_timeout_s: float = START_TIMEOUT_S,
) -> RedisLocks:
    """
    Make the locks of one process; nothing is connected before they are started.

    :param reactor: what runs this process, TCP, Unix sockets and names included.
    :param ttl_s: how long a lease lasts; the same in all processes.
    :param start_timeout_s: how long the start may take.
    """
    leases = RedisLeases(
        reactor,
        url,
        redis_endpoint(reactor, url),
        random.random,
        start_timeout_s=start_timeout_s,
    )
    return RedisLocks(
        reactor, leases, new_token, random.random, ttl_s, _awake_or_asleep
    )


def redis_endpoint(reactor: Any, url: RedisURL) -> IStreamClientEndpoint:
    """
    Return what connects to a Redis; TLS accepts whom the machine trusts, nobody else.

    OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR tell whom that is.
    """
    if url.path:
        return UNIXClientEndpoint(reactor, url.path)
    endpoint = HostnameEndpoint(reactor, url.host, url.port)
    if not url.is_tls:
        return endpoint
    return wrapClientTLS(optionsForClientTLS(url.host), endpoint)


def new_token() -> bytes:
    """Return a token for one taking."""
    return secrets.token_hex(TOKEN_BYTES // 2).encode()


def _awake_or_asleep() -> float:
    """
    Tell the time since the machine was started, what it slept included.

    The reactor's own is the wall clock, which may be set back.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
