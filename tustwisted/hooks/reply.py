"""
What a hook replies in JSON: tusd's fields, and ours beside them.

Pure.  Nothing is believed: a reply that cannot be meant is a :class:`ValueError` whose
text is a sentence, and nothing of it is used.
"""

from __future__ import annotations

import json
from typing import Any

from tustwisted.errors import InvalidMetadata
from tustwisted.hooks.fields import (
    load_object,
    take,
    take_seconds,
    take_text,
    take_texts,
)
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.metadata import Metadata

_REJECTS = {
    EventType.PRE_ACCESS: "RejectAccess",
    EventType.PRE_CREATE: "RejectUpload",
    EventType.PRE_FINISH: "RejectUpload",
    EventType.PRE_TERMINATE: "RejectTermination",
}

_NAMES = {
    name.lower(): name
    for name in (
        *_REJECTS.values(),
        *("HTTPResponse", "StatusCode", "Header", "Body", "StopUpload"),
        *("ChangeFileInfo", "ID", "MetaData", "Storage", "Path"),
        *("MaxSize", "ExpireAfter", "Owner"),
    )
}


def decode_answer(content: bytes, type: EventType) -> Answer:
    """
    Read a reply.

    Absent, ``null``, empty and zero mean that nothing is said; unknown fields are not
    looked at, and case does not matter in the names of the known ones: all as in Go,
    which tusd's users have their replies read by.

    :param content: empty: it says nothing.
    :param type: of the event that is replied to.
    :raises ValueError: no JSON, a wrong type, or a value that could not be used.
    """
    if content.strip() in (b"", b"{}"):  # what most replies are
        return Answer()
    reply = _spelled(load_object(content))
    if b"\\u" in content or not content.isascii():
        _require_unicode(reply)
    changes = _spelled(take(reply, "ChangeFileInfo", dict, {}))
    rejects = _REJECTS.get(type)
    owner = take_text(reply if type is EventType.PRE_ACCESS else changes, "Owner")
    return Answer(
        response=_decode_response(_spelled(take(reply, "HTTPResponse", dict, {}))),
        reject=rejects is not None and take(reply, rejects, bool, False),
        stop=take(reply, "StopUpload", bool, False),
        upload_id=take_text(changes, "ID") or None,
        metadata=_decode_metadata(changes),
        storage_path=_decode_storage_path(changes),
        max_size_bytes=_decode_max_size(changes),
        expire_after_s=take_seconds(changes, "ExpireAfter") or None,
        owner=owner or None,
    )


def _spelled(fields: dict[str, Any]) -> dict[str, Any]:
    """Spell the known names as they are documented."""
    return {_NAMES.get(name.lower(), name): value for name, value in fields.items()}


def _require_unicode(reply: object) -> None:
    try:
        json.dumps(reply, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        raise ValueError("it has half a character of UTF-16") from None


def _decode_response(fields: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(
        take(fields, "StatusCode", int, 0) or None,
        take_texts(fields, "Header") or {},
        take_text(fields, "Body"),
    )


def _decode_metadata(changes: dict[str, Any]) -> Metadata | None:
    """Read what takes the place of all that the client said; ``{}`` is nothing."""
    pairs = take_texts(changes, "MetaData")
    if pairs is None:
        return None
    try:
        return Metadata.from_pairs({k: v.encode("utf-8") for k, v in pairs.items()})
    except InvalidMetadata as error:
        raise ValueError(f"MetaData {error.problem}") from None


def _decode_storage_path(changes: dict[str, Any]) -> str | None:
    return _spelled(take_texts(changes, "Storage") or {}).get("Path") or None


def _decode_max_size(changes: dict[str, Any]) -> int | None:
    size_bytes = take(changes, "MaxSize", int, 0)
    if not 0 <= size_bytes <= MAX_BYTES:
        raise ValueError("MaxSize must be a number of bytes")
    return size_bytes or None
