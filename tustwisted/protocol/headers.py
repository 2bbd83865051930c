"""
The single-valued headers of tus 1.0 (all but ``Upload-Metadata``).

Every parser takes the list of values that were sent, one for each header line, since
a header that must be there once is wrong when it is there twice (T-027).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tustwisted.errors import InvalidDeferLength, InvalidOffset, InvalidUploadLength

MAX_BYTES = 2**63 - 1
"""The largest offset or length: what a signed 64-bit file offset can hold."""

OFFSET_OCTET_STREAM = b"application/offset+octet-stream"

# int() also takes signs, underscores, blanks and Unicode digits: match first (T-026).
_NUMBER = re.compile(rb"[0-9]{1,19}")


def parse_offset(values: Sequence[bytes]) -> int:
    """
    Read ``Upload-Offset``.

    :returns: bytes from the start of the upload, 0 to :data:`MAX_BYTES`.
    :raises InvalidOffset: missing, repeated or not a decimal number in that range.

    Spec: tus 1.0.0, Upload-Offset; rows T-024 to T-027.
    """
    if not values:
        raise InvalidOffset("Upload-Offset", "is missing")
    return _number(values, "Upload-Offset", InvalidOffset)


def parse_length(values: Sequence[bytes]) -> int | None:
    """
    Read ``Upload-Length``.

    :returns: bytes of the whole upload, 0 to :data:`MAX_BYTES`; ``None`` when absent.
    :raises InvalidUploadLength: repeated or not a decimal number in that range.

    Spec: tus 1.0.0, Upload-Length; rows T-026, T-027, T-057.
    """
    if not values:
        return None
    return _number(values, "Upload-Length", InvalidUploadLength)


def parse_defer_length(values: Sequence[bytes]) -> bool:
    """
    Read ``Upload-Defer-Length``.

    :returns: whether the length will be told later.
    :raises InvalidDeferLength: repeated, or not exactly ``1``.

    Spec: tus 1.0.0, Upload-Defer-Length; rows T-027, T-097.
    """
    if len(values) > 1:
        raise InvalidDeferLength("Upload-Defer-Length", "must be sent once")
    if values and values[0] != b"1":
        raise InvalidDeferLength("Upload-Defer-Length", "must be 1")
    return bool(values)


def _number(
    values: Sequence[bytes],
    header: str,
    error: type[InvalidOffset] | type[InvalidUploadLength],
) -> int:
    if len(values) > 1:
        raise error(header, "must be sent once")
    if _NUMBER.fullmatch(values[0]) is None:
        raise error(header, "must be a decimal number of bytes, such as 0 or 1048576")
    number = int(values[0])
    if number > MAX_BYTES:
        raise error(header, f"must be at most {MAX_BYTES}")
    return number


def is_offset_octet_stream(values: Sequence[bytes]) -> bool:
    """
    Tell whether ``Content-Type`` says that the body is upload bytes.

    Case and parameters do not matter.  Spec: tus 1.0.0, PATCH; rows T-022, T-023.
    """
    if len(values) != 1:
        return False
    media_type = values[0].partition(b";")[0].strip(b" \t").lower()
    return media_type == OFFSET_OCTET_STREAM
