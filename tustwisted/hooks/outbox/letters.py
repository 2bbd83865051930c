"""
What the outbox writes down of an event: whom it is for, and tusd's JSON; pure.

Two lines, so that a file without the end of the second one is known to be torn.
"""

from __future__ import annotations

import json

from attrs import frozen

from tustwisted.hooks.wire import decode_event, encode_event
from tustwisted.protocol.events import Event

MAX_LETTER_BYTES = 8 * 1024 * 1024
"""A longer one is not read: metadata and headers have limits far below that."""


@frozen
class Letter:
    """An event, and who is to be told of it."""

    event: Event

    hooks: tuple[str, ...]
    """The names of those that want it."""

    reason: str = ""
    """Why it is a dead letter, one sentence; empty: it is none."""


def encode_letter(letter: Letter) -> bytes:
    """Write a letter."""
    head: dict[str, object] = {"Hooks": list(letter.hooks)}
    if letter.reason:
        head["Reason"] = letter.reason
    line = json.dumps(head, separators=(",", ":")).encode("ascii")
    return b"%b\n%b\n" % (line, encode_event(letter.event))


def decode_letter(content: bytes) -> Letter:
    """
    Read a letter.

    :raises ValueError: it is torn, or nobody can have written it; nothing else is ever
        raised, whatever the bytes.
    """
    head, _, rest = content.partition(b"\n")
    if not rest.endswith(b"\n"):
        raise ValueError("it is torn")
    try:
        fields = json.loads(head)
    except RecursionError:
        raise ValueError("it is too deep") from None
    if not isinstance(fields, dict):
        raise ValueError("its first line is no object")
    hooks, reason = fields.get("Hooks"), fields.get("Reason", "")
    if not isinstance(hooks, list) or not all(type(hook) is str for hook in hooks):
        raise ValueError("Hooks must be a list of names")
    if type(reason) is not str:
        raise ValueError("Reason must be a sentence")
    event = decode_event(rest[:-1])
    if not event.type.is_durable:
        raise ValueError("it is of no durable event")
    return Letter(event, tuple(hooks), reason)
