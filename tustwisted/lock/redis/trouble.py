"""What keeps us from a Redis, in words for whoever wrote its address."""

from __future__ import annotations

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    ConnectionRefusedError,
    DNSLookupError,
)

from tustwisted.lock.redis.leases import Refused, Unanswered, Unreachable
from tustwisted.lock.redis.url import RedisURL
from tustwisted.waiting import WaitedTooLong

TROUBLE = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    TLSError,
    VerificationError,
    Refused,
    Unanswered,
    Unreachable,
    WaitedTooLong,
    ValueError,  # of a host name that is none
)
"""What may go wrong with a connection before it is ready."""

_OF_NO_USE = ("READONLY", "NOAUTH", "MASTERDOWN", "LOADING")

_PASSING = ("LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN")

_REFUSALS = [
    ("WRONGPASS", "it does not know this user or password; correct them"),
    ("ERR invalid password", "it does not know this password; correct it"),
    ("NOAUTH", "it asks for a password; write user:password@ or :password@ before it"),
    (
        "ERR AUTH",
        "it has no password set, and one was given; give none, or set it there",
    ),
    ("ERR Client sent AUTH", "it has no password set, and one was given; give none"),
    (
        "NOPERM",
        "this user may not do what locks need; allow the keys and the channels "
        "tustwisted:* and eval, evalsha, get, set, append, pttl, pexpire, del, ping, "
        "select, publish, subscribe and info",
    ),
    ("READONLY", "it is a replica, which takes no writes; name the primary"),
    ("LOADING", "it is still loading its data; try again later"),
    ("ERR max number of clients", "it has too many clients; raise its maxclients"),
    ("DENIED", "it is in protected mode; set a password there"),
]


_DISTRUSTED = (
    "its certificate was not signed by anybody this machine trusts; let SSL_CERT_FILE "
    "name a file with the certificate of who did"
)
_CLOSED = "it closes the connection before it answers; see its log"
_FAILURES: list[tuple[type[Exception], str]] = [
    (TLSError, "it does not speak TLS; write redis:// instead of rediss://"),
    (VerificationError, "its certificate is for another host; name it as that does"),
    (DNSLookupError, "no such host is known; correct the host"),
    (ValueError, "this is not a name of a host; correct the host"),
    (ConnectionRefusedError, "nobody listens there; start it, or correct the address"),
    (ConnectError, "it cannot be connected to; start it, or correct the address"),
    (ConnectionClosed, _CLOSED),
]


def passes_by_itself(error: Exception) -> bool:
    """Whether a second attempt, with nothing changed, may succeed."""
    if isinstance(error, Refused):
        return str(error).startswith(_PASSING)
    return isinstance(error, (ConnectionClosed, Unanswered, Unreachable))


def is_of_no_use(error: Refused) -> bool:
    """Whether a connection refuses what another one, or a later one, may not."""
    return str(error).startswith(_OF_NO_USE)


def explain(error: Exception, url: RedisURL) -> str:
    """Say what is wrong and what to change, without a secret."""
    if isinstance(error, Refused):
        return _explain_refusal(str(error), url)
    if isinstance(error, TLSError) and "certificate verify failed" in str(error):
        return _DISTRUSTED
    if isinstance(error, ConnectionClosed) and not url.is_tls:
        return f"{_CLOSED}, or write rediss:// if it speaks TLS"
    for kind, problem in _FAILURES:
        if isinstance(error, kind):
            return problem
    hint = ", or write redis:// if it speaks no TLS" if url.is_tls else ""
    return f"it does not answer; see whether it is busy, and a Redis at all{hint}"


def _explain_refusal(text: str, url: RedisURL) -> str:
    for start, problem in _REFUSALS:
        if text.startswith(start):
            return problem
    if "DB index" in text or "invalid DB" in text:
        return f"it has no database {url.db}; choose another one"
    # No more of it: a server that knows no AUTH repeats what it was told.
    return f"it answers with an error, {text.partition(' ')[0]}; see its log"
