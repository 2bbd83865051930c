"""
What the events of uploads are called in an outbox; pure.

A name tells the upload, which of its lives (an id may be used again after a removal),
and what has happened in it.  So the names of one upload stand side by side when they
are sorted, in the order in which their events are told, and no two events share one.
"""

from __future__ import annotations

import re

from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.upload import UploadInfo

_SLASH = ","
_SEPARATOR = "~"
"""No id has either of the two, so that a name can be read back."""

_TYPES = {
    EventType.POST_CREATE: 1,
    EventType.POST_FINISH: 2,
    EventType.POST_TERMINATE: 3,
    EventType.POST_EXPIRE: 4,
}
"""Each comes once in a life at the most, and in this order."""

_LIFE_DIGITS = 17
"""Of microseconds since 1970: enough until the year 5138."""

_NAME = re.compile(rf"[^~/.][^~/]*~[0-9]{{{_LIFE_DIGITS}}}~[1-{len(_TYPES)}]")
_PREPARED = re.compile(rf"([^~/.][^~/]*)~[1-{len(_TYPES)}]")


def due_name(event: Event) -> str:
    """Name a durable event while it waits for its delivery; at most 220 characters."""
    return f"{_life_of(event.upload)}{_TYPES[event.type]}"


def due_names(upload: UploadInfo) -> list[str]:
    """Name all that may wait of the life of an upload, in order."""
    return [f"{_life_of(upload)}{number}" for number in _TYPES.values()]


def prepared_name(event: Event) -> str:
    """
    Name a durable event while it is prepared.

    The life is not in there: an upload has one at a time, and what was prepared in the
    one before is settled before the next one begins.
    """
    return f"{upload_key(event.upload.upload_id)}{_TYPES[event.type]}"


def prepared_names(upload_id: str) -> list[str]:
    """Name all that may be prepared of an upload, in order."""
    return [f"{upload_key(upload_id)}{number}" for number in _TYPES.values()]


def prepared_id(name: str) -> str | None:
    """Tell of which upload something is prepared; ``None``: it is no such name."""
    match = _PREPARED.fullmatch(name)
    upload_id = match[1].replace(_SLASH, "/") if match else ""
    return upload_id if is_upload_id(upload_id) else None


def is_due_name(name: str) -> bool:
    """Tell whether :func:`due_name` may have made a name."""
    return _NAME.fullmatch(name) is not None


def upload_key(upload_id: str) -> str:
    """Tell how the names of an upload begin, and no others."""
    return upload_id.replace("/", _SLASH) + _SEPARATOR


def key_of(name: str) -> str:
    """Tell how all names of the same upload begin; of other names, anything."""
    return name[: name.find(_SEPARATOR) + 1]


def id_of(name: str) -> str:
    """Tell of which upload a name is."""
    return name[: name.index(_SEPARATOR)].replace(_SLASH, "/")


def _life_of(upload: UploadInfo) -> str:
    """Tell how the names of one life begin; odd times of strange records fit too."""
    microseconds = round(max(0.0, min(upload.created_s, 9e10)) * 1_000_000)
    life = f"{microseconds:0{_LIFE_DIGITS}d}"
    return f"{upload_key(upload.upload_id)}{life}{_SEPARATOR}"
