"""
An event as JSON: tusd's fields, one by one, and ours beside them.

Pure.  What one reads who is told of an event is also what the outbox keeps of it, so
nothing is lost on the way: an event comes back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve

from tustwisted.hooks.fields import (
    load_object,
    require,
    take,
    take_seconds,
    take_text,
)
from tustwisted.hooks.reply import decode_answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState

__all__ = ["decode_answer", "decode_event", "encode_event", "without_secrets"]

STORAGE_TYPE = "filestore"

SECRETS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers by which a client shows who it is, in lower case."""

_NO_UPLOAD = {
    "Size": 0,
    "SizeIsDeferred": False,
    "Offset": 0,
    "MetaData": {},
    "IsPartial": False,
    "IsFinal": False,
    "PartialUploads": None,
    "Storage": None,
}
"""What an access is about, for those who read it without asking whether it is there."""


def encode_event(event: Event) -> bytes:
    """Write an event as one line of ASCII, without its end."""
    fields = {
        "Type": event.type.value,
        "Event": {
            "Upload": (
                {**_NO_UPLOAD, "ID": event.upload_id or ""}
                if event.type is EventType.PRE_ACCESS
                else _encode_upload(event)
            ),
            "HTTPRequest": _encode_request(event.request),
            "ID": event.event_id,
            "Sequence": event.sequence,
            "UploadID": event.upload_id,
        },
    }
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def _encode_upload(event: Event) -> dict[str, object]:
    info = event.upload
    # tusd chooses the id after pre-create, and leaves it out there.
    is_created = event.type is not EventType.PRE_CREATE
    return {
        "ID": info.upload_id if is_created else "",
        "Size": info.length or 0,
        "SizeIsDeferred": info.length is None,
        "Offset": info.offset,
        "MetaData": {
            key: value.decode("utf-8", "replace")
            for key, value in info.metadata.pairs.items()
        },
        "IsPartial": info.is_partial,
        "IsFinal": info.is_final,
        "PartialUploads": list(info.partial_uploads) or None,
        "Storage": _encode_storage(info.storage),
        "ProposedID": None if is_created else info.upload_id,
        "MetadataHeader": info.metadata.header,
        "ConcatHeader": info.concat_header,
        "State": info.state.value,
        "Created": info.created_s,
        "Modified": info.modified_s,
        "Owner": info.owner,
        "MaxSize": info.max_size_bytes,
        "ExpireAfter": info.expire_after_s,
    }


def _encode_storage(storage: Storage | None) -> dict[str, str] | None:
    if storage is None:
        return None
    return {
        "Type": STORAGE_TYPE,
        "Path": storage.path,
        "InfoPath": storage.record_path,
        "PlacedPath": storage.placed_path,
    }


def _encode_request(request: RequestInfo | None) -> dict[str, object]:
    """Write a request; who reads it need not ask first whether there was one."""
    if request is None:
        return {"Method": "", "URI": "", "RemoteAddr": "", "Header": {}}
    return {
        "Method": request.method,
        "URI": request.uri,
        "RemoteAddr": request.remote_addr,
        "Header": {name: list(lines) for name, lines in request.headers.items()},
    }


def decode_event(content: bytes) -> Event:
    """
    Read what :func:`encode_event` wrote.

    :raises ValueError: nobody can have written this; nothing else is ever raised,
        whatever the bytes.
    """
    fields = load_object(content)
    event = take(fields, "Event", dict, {})
    upload = take(event, "Upload", dict, {})
    kind = EventType(fields.get("Type"))
    event_id = take_text(event, "ID")
    if not event_id:
        raise ValueError("ID must be there")
    return Event(
        kind,
        event_id,
        None if kind is EventType.PRE_ACCESS else _decode_upload(upload),
        _decode_request(take(event, "HTTPRequest", dict, {})),
        take_text(event, "UploadID") or None,
        take(event, "Sequence", int, 0) or None,
    )


def _decode_upload(fields: dict[str, Any]) -> UploadInfo:
    partial_uploads = take(fields, "PartialUploads", list, [])
    for partial in partial_uploads:
        require(partial, str, "PartialUploads")
    size = take(fields, "MaxSize", int, -1)
    length = take(fields, "Size", int, 0)
    return UploadInfo(
        take_text(fields, "ID") or take_text(fields, "ProposedID"),
        None if take(fields, "SizeIsDeferred", bool, False) else length,
        offset=take(fields, "Offset", int, 0),
        metadata=Metadata(take_text(fields, "MetadataHeader")),
        state=UploadState(fields.get("State")),
        created_s=take_seconds(fields, "Created") or 0.0,
        is_partial=take(fields, "IsPartial", bool, False),
        is_final=take(fields, "IsFinal", bool, False),
        partial_uploads=tuple(partial_uploads),
        concat_header=take_text(fields, "ConcatHeader"),
        owner=take_text(fields, "Owner") or None,
        max_size_bytes=None if size == -1 else size,
        expire_after_s=take_seconds(fields, "ExpireAfter"),
        storage=_decode_storage(take(fields, "Storage", dict, {})),
        modified_s=take_seconds(fields, "Modified") or 0.0,
    )


def _decode_storage(fields: dict[str, Any]) -> Storage | None:
    if not fields:
        return None
    return Storage(
        take_text(fields, "Path"),
        take_text(fields, "InfoPath"),
        take_text(fields, "PlacedPath"),
    )


def _decode_request(fields: dict[str, Any]) -> RequestInfo | None:
    method = take_text(fields, "Method")
    if not method:
        return None
    return RequestInfo(
        method,
        take_text(fields, "URI"),
        take_text(fields, "RemoteAddr"),
        _decode_headers(take(fields, "Header", dict, {})),
    )


def _decode_headers(fields: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    headers = {name: tuple(take(fields, name, list, [])) for name in fields}
    for name, lines in headers.items():
        for line in lines:
            require(line, str, name)
    return headers


def without_secrets(event: Event, keep: Collection[str]) -> Event:
    """
    Return an event without the headers by which a client shows who it is.

    :param keep: the names of those that stay all the same, in any case.
    """
    if event.request is None:
        return event
    dropped = SECRETS - {name.lower() for name in keep}
    kept = {
        name: lines
        for name, lines in event.request.headers.items()
        if name.lower() not in dropped
    }
    return evolve(event, request=evolve(event.request, headers=kept))
