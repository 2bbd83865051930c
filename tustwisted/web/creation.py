"""What a creation request asks for."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from tustwisted.errors import (
    AmbiguousUploadLength,
    ExtensionDisabled,
    InvalidUploadLength,
)
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.headers import (
    is_offset_octet_stream,
    parse_defer_length,
    parse_length,
)
from tustwisted.protocol.metadata import Metadata, parse_metadata
from tustwisted.web.values import Sent


@frozen
class Creation:
    """A new upload, as its client wants it."""

    length: int | None
    """Bytes of the whole upload; ``None``: they are told later."""

    metadata: Metadata

    is_partial: bool
    """It is meant to be concatenated with others."""

    brings_bytes: bool
    """The body holds the upload's first bytes; otherwise it means nothing (T-062)."""


def read_creation(
    sent: Sent, offered: Collection[Extension], is_partial: bool
) -> Creation:
    """
    Read the headers of a creation request, of any upload but a final one.

    :param offered: the extensions that the client may use.
    :raises TusError: they are wrong, or need an extension that is not offered.

    Spec: tus 1.0.0, Creation and Creation With Upload; rows T-055 to T-081, T-092,
    T-096 to T-098.
    """
    length = _read_length(sent, offered)
    has_bytes = is_offset_octet_stream(sent.get(b"Content-Type", ()))
    return Creation(
        length,
        parse_metadata(sent.get(b"Upload-Metadata", ())),
        is_partial,
        Extension.CREATION_WITH_UPLOAD in offered and has_bytes,
    )


def _read_length(sent: Sent, offered: Collection[Extension]) -> int | None:
    length = parse_length(sent.get(b"Upload-Length", ()))
    if parse_defer_length(sent.get(b"Upload-Defer-Length", ())):
        if length is not None:
            raise AmbiguousUploadLength
        if Extension.CREATION_DEFER_LENGTH not in offered:
            raise ExtensionDisabled(Extension.CREATION_DEFER_LENGTH.value)
        return None
    if length is None:
        raise InvalidUploadLength("Upload-Length", "is missing")
    return length
