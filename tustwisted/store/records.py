"""
The record of an upload, ``<id>.info``: tusd's JSON with fields of ours beside it.

Pure.  What tusd wrote is read, what we write tusd reads, and a field that neither knows
is kept when a record is written again (DESIGN D4).  A record that makes no sense is as
good as none: :class:`tustwisted.errors.UploadNotFound`.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from attrs import field, frozen

from tustwisted.errors import InvalidMetadata, UploadNotFound
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.host import Host

MAX_RECORD_BYTES = 1024 * 1024
"""A longer record is neither read nor written: only an application could make one."""

MAX_FIRST_RECORD_BYTES = MAX_RECORD_BYTES - 64 * 1024
"""
A new one leaves room for what later ones add: state, offset and machine, < 1 KiB, and
three paths, each of 4 KiB and, where it is escaped, three times as much.
"""

_REMEMBERED_RECORDS = 64
_REMEMBERED_BYTES = 4096
"""
What was made of the last short records: a PATCH reads the same one up to four times.
"""

STORAGE_TYPE = "filestore"

# What was read from JSON, or put together here, holds nothing that holds itself.
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)

_T = TypeVar("_T")


class _NonsenseError(ValueError):
    """A record that nobody can have written."""


@frozen
class Record:
    """What ``<id>.info`` says."""

    info: UploadInfo
    """The facts; its offset and state are only what the record alone can tell."""

    state: UploadState | None = UploadState.RECEIVING
    """``None`` in a record that tusd wrote: it knows no states."""

    storage_path: str | None = None
    """Where the bytes lie, as it is written there; ``None``: where they usually do."""

    durability: Durability | None = None
    """The promise under which it was last written; ``None``: by tusd."""

    host: Host = field(factory=Host)
    """The machine that last wrote it."""

    synced_offset: int = 0
    """Bytes from the start that are known to be on the device."""

    synced_at_s: float = 0.0
    """When that was found out, seconds since 1970."""

    record_path: str | None = None
    """Where it lies itself, to be told to others; ``None``: beside the bytes."""

    placed_path: str | None = None
    """
    Another name of the bytes, absolute, which they get when the upload is finished.

    It is noted before it is given, so that a second attempt gives no other one.
    """

    moved_from: str | None = None
    """Where the bytes lay before they moved to where they are, absolute."""

    fields: Mapping[str, object] = field(factory=dict, repr=False)
    """The JSON object as it was read, with all that we do not know."""

    @property
    def syncs(self) -> bool:
        """``synced_offset`` is kept up to date."""
        return self.durability is not None and self.durability.syncs

    def mark(self, synced_offset: int, now_s: float) -> Record:
        """Return the record after a sync."""
        return self.claimed(
            self.state, self.durability, self.host, synced_offset, now_s
        )

    def claimed(
        self,
        state: UploadState | None,
        durability: Durability | None,
        host: Host,
        synced_offset: int,
        synced_at_s: float,
    ) -> Record:
        """Return the record as whoever writes it next says it."""
        return Record(  # by name: see UploadInfo.as_stored()
            info=self.info,
            state=state,
            storage_path=self.storage_path,
            durability=durability,
            host=host,
            synced_offset=synced_offset,
            synced_at_s=synced_at_s,
            record_path=self.record_path,
            placed_path=self.placed_path,
            moved_from=self.moved_from,
            fields=self.fields,
        )


def encode_record(record: Record) -> bytes:
    """
    Write a record as JSON.

    :raises InvalidMetadata: it is the first of an upload, and too long to be kept.
    :raises OSError: (``EFBIG``) what others put into it is too long or too deep to be
        written again.
    """
    fields = dict(record.fields) or _first_fields(record)
    if record.state is not None:
        fields["State"] = record.state.value
    if record.durability is not None:
        fields["Durability"] = record.durability.value
    fields |= {
        "Size": record.info.length or 0,
        "SizeIsDeferred": record.info.length is None,
        "MachineID": record.host.machine_id,
        "BootID": record.host.boot_id,
        "SyncedOffset": record.synced_offset,
        "SyncedAt": record.synced_at_s,
    }
    if record.placed_path is not None:
        fields["PlacedPath"] = record.placed_path
    if record.moved_from is not None:
        storage = fields.get("Storage")
        fields["MovedFrom"] = record.moved_from
        fields["Storage"] = {
            **(storage if isinstance(storage, dict) else {}),
            "Path": record.storage_path,
        }
    try:
        content = _ENCODER.encode(fields).encode("ascii")
    except RecursionError:  # whoever read it had more of the stack left
        raise OSError(errno.EFBIG, "the record is too deep") from None
    if not record.fields and len(content) > MAX_FIRST_RECORD_BYTES:
        raise InvalidMetadata("Upload-Metadata", "is too long to be kept")
    if len(content) > MAX_RECORD_BYTES:  # the escapes of tusd's UTF-8 make it longer
        raise OSError(errno.EFBIG, "the record is too long")
    return content


def _first_fields(record: Record) -> dict[str, object]:
    """Say what does not change in the life of an upload."""
    info = record.info
    return {
        "ID": info.upload_id,
        "Offset": 0,  # tusd's own never moves either: the size of the data tells
        "MetaData": {
            key: value.decode("utf-8", "replace")
            for key, value in info.metadata.pairs.items()
        },
        "IsPartial": info.is_partial,
        "IsFinal": info.is_final,
        "PartialUploads": list(info.partial_uploads) or None,
        "ConcatHeader": info.concat_header,
        "Storage": {
            "Type": STORAGE_TYPE,
            "Path": record.storage_path,
            "InfoPath": record.record_path or f"{record.storage_path}.info",
        },
        "MetadataHeader": info.metadata.header,
        "Created": info.created_s,
    } | {
        name: value
        for name, value in (
            ("Owner", info.owner),
            ("MaxSize", info.max_size_bytes),
            ("ExpireAfter", info.expire_after_s),
        )
        if value is not None
    }


def decode_record(content: bytes, upload_id: str) -> Record:
    """
    Read a record.

    :param upload_id: the id that its file name tells.
    :raises UploadNotFound: it is empty, torn, too long or makes no sense; nothing else
        is ever raised, whatever the bytes.
    """
    if not content or len(content) > MAX_RECORD_BYTES:
        raise UploadNotFound
    if len(content) > _REMEMBERED_BYTES:
        return _decode(content, upload_id)
    return _decode_short(content, upload_id)


def _decode(content: bytes, upload_id: str) -> Record:
    try:
        return _read(json.loads(content), upload_id)
    except (ValueError, ArithmeticError, InvalidMetadata, RecursionError):
        # ValueError: not JSON, not UTF-8, a number of 5000 digits, or a validator of
        # UploadInfo.  ArithmeticError: one of 400 digits that is to be a float.
        # RecursionError: 100,000 brackets.
        raise UploadNotFound from None


_decode_short = lru_cache(_REMEMBERED_RECORDS)(_decode)


def may_await_finish(content: bytes) -> bool:
    """
    Tell from a record, without making sense of all of it, whether to look closer.

    A finished upload awaits nothing, nor does one that tusd wrote, which has no state:
    it ran its hooks when the last byte came.

    :param content: whatever was read.
    """
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(fields, dict):
        return False
    return fields.get("State") not in (None, "", UploadState.FINISHED.value)


def _read(fields: object, upload_id: str) -> Record:
    if not isinstance(fields, dict) or fields.get("ID") != upload_id:
        raise _NonsenseError
    state_name = _take(fields, "State", str, "")
    durability_name = _take(fields, "Durability", str, "")
    state = UploadState(state_name) if state_name else None
    return Record(
        _read_info(fields, upload_id, state or UploadState.RECEIVING),
        state,
        _read_storage_path(_take(fields, "Storage", dict, {})),
        Durability(durability_name) if durability_name else None,
        Host(_take(fields, "MachineID", str, ""), _take(fields, "BootID", str, "")),
        _in_range(_take(fields, "SyncedOffset", int, 0)),
        _seconds(fields, "SyncedAt"),
        placed_path=_take(fields, "PlacedPath", str, "") or None,
        moved_from=_take(fields, "MovedFrom", str, "") or None,
        fields=fields,
    )


def _read_info(
    fields: dict[str, Any], upload_id: str, state: UploadState
) -> UploadInfo:
    length = _in_range(_take(fields, "Size", int, 0))
    partial_uploads = _take(fields, "PartialUploads", list, [])
    if not all(type(partial) is str for partial in partial_uploads):
        raise _NonsenseError
    return UploadInfo(
        upload_id,
        None if _take(fields, "SizeIsDeferred", bool, False) else length,
        metadata=_read_metadata(fields),
        state=state,
        created_s=_seconds(fields, "Created"),
        modified_s=_seconds(fields, "Created"),
        is_partial=_take(fields, "IsPartial", bool, False),
        is_final=_take(fields, "IsFinal", bool, False),
        partial_uploads=tuple(partial_uploads),
        concat_header=_take_line(fields, "ConcatHeader"),
        owner=_take(fields, "Owner", str, "") or None,
        max_size_bytes=_read_max_size(fields),
        expire_after_s=_read_expire_after(fields),
    )


def _read_max_size(fields: dict[str, Any]) -> int | None:
    if fields.get("MaxSize") is None:
        return None
    return _in_range(_take(fields, "MaxSize", int, 0))


def _read_expire_after(fields: dict[str, Any]) -> float | None:
    expire_after_s = _seconds(fields, "ExpireAfter")
    if expire_after_s < 0:
        raise _NonsenseError
    return expire_after_s or None


def _take_line(fields: dict[str, Any], name: str) -> str:
    """Look up what is sent as a header: a line of printable ASCII."""
    header = _take(fields, name, str, "")
    if not (header.isascii() and header.isprintable()):
        raise _NonsenseError
    return header


def _read_metadata(fields: dict[str, Any]) -> Metadata:
    if "MetadataHeader" in fields:
        # Not decoded here: it is read for every request, and used by few of them.
        return Metadata(_take_line(fields, "MetadataHeader"))
    shown = _take(fields, "MetaData", dict, {})
    if not all(type(value) is str for value in shown.values()):
        raise _NonsenseError
    pairs: dict[str, bytes] = {}
    for key, value in shown.items():
        # tusd takes keys that no header of ours may hold: the record keeps those.
        with suppress(InvalidMetadata):
            pairs |= Metadata.from_pairs(
                {key: value.encode("utf-8", "surrogatepass")}
            ).pairs
    return Metadata.from_pairs(pairs)


def _read_storage_path(storage: dict[str, Any]) -> str | None:
    if _take(storage, "Type", str, STORAGE_TYPE) != STORAGE_TYPE:
        raise _NonsenseError
    return _take(storage, "Path", str, "") or None


def _take(fields: dict[str, Any], name: str, kind: type[_T], default: _T) -> _T:
    """Look a field up; absent and ``null`` are the default, as in Go."""
    value = fields.get(name)
    if value is None:
        return default
    if type(value) is not kind:  # exactly: True is an int to isinstance()
        raise _NonsenseError
    return value


def _in_range(number: int) -> int:
    if not 0 <= number <= MAX_BYTES:
        raise _NonsenseError
    return number


def _seconds(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name, 0.0)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _NonsenseError
    return float(value)
