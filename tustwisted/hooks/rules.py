"""Of what hooks hear, and how they are called: options are read with it."""

from __future__ import annotations

import re

from attrs import field, frozen

from tustwisted.hooks.retry import RetryRule
from tustwisted.protocol.events import EventType

TIMEOUT_S = 15.0
REPLY_LIMIT_BYTES = 5120
"""Both as in tusd."""

MAX_IN_FLIGHT = 64

MOST_AT_ONCE = 16
"""So many programs run at a time; further ones wait."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_NOT_FORWARDED = frozenset(
    {
        # of the connection (RFC 9110, section 7.6.1)
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # of the request's body
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        # ours
        "host",
        "idempotency-key",
        "tustwisted-signature",
        "user-agent",
    }
)


@frozen
class HttpRules:
    """How hooks are called by HTTP."""

    forward_headers: tuple[str, ...] = ()
    """Headers of the request that are sent on, in any case."""

    retry: RetryRule = field(factory=RetryRule)

    timeout_s: float = TIMEOUT_S
    """For one event: all attempts, the waits between them, and that for a free one."""

    reply_limit_bytes: int = REPLY_LIMIT_BYTES

    max_in_flight: int = MAX_IN_FLIGHT
    """
    So many calls to one URL are made at a time; others wait.

    Half of them, at most, tell of what has happened.
    """

    secret_file: str | None = None
    """What calls are signed with (:mod:`tustwisted.hooks.signature`)."""


def parse_forward_headers(text: str) -> tuple[str, ...]:
    """
    Read which headers are sent on: names with commas between them.

    :raises ValueError: one is none, or belongs to the connection, the body or to us.
    """
    names = tuple(name.strip(" ") for name in text.split(","))
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise ValueError("must be names of headers with commas between them")
        if name.lower() in _NOT_FORWARDED:
            raise ValueError(f"{name} is never sent on")
    return names


def parse_events(text: str) -> frozenset[EventType]:
    """
    Read which events are told of: their names with commas between them.

    :raises ValueError: one is none; the message names it.
    """
    return frozenset(_parse_event(name.strip(" ")) for name in text.split(","))


def _parse_event(name: str) -> EventType:
    try:
        return EventType(name)
    except ValueError:
        known = ", ".join(event.value for event in EventType)
        raise ValueError(
            f"there is no event {name or 'without a name'}: there are {known}"
        ) from None
