"""
``Range``: which bytes of an upload a download asks for.

One range is served; several at once, another unit than bytes, and what makes no sense
are ignored, as RFC 9110 allows, and the whole is sent (T-218).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from tustwisted.errors import UnsatisfiableRange

_HEADER = re.compile(rb"bytes=([0-9, \t-]+)", re.IGNORECASE)

_SPEC = re.compile(rb"([0-9]*)-([0-9]*)")

_MOST_DIGITS = 20
"""More than any length has: int() refuses numbers of thousands of digits."""


@frozen
class ByteRange:
    """Some bytes of an upload that follow each other: at least one, all there."""

    first: int
    """Where they begin, bytes from the start of the upload."""

    size_bytes: int

    def content_range(self, length: int) -> bytes:
        """
        Write ``Content-Range`` of a 206.

        :param length: of the whole upload, bytes.
        """
        last = self.first + self.size_bytes - 1
        return b"bytes %d-%d/%d" % (self.first, last, length)


def parse_range(values: Sequence[bytes], length: int) -> ByteRange | None:
    """
    Read ``Range``.

    :param values: the values sent, one for each header line.
    :param length: of the whole upload, bytes.
    :returns: ``None`` where the whole upload is to be sent.  That holds for an empty
        upload, too, of which no range can be told: some clients add the header to
        every request (T-207).
    :raises UnsatisfiableRange: all that is asked for lies past the end.

    Spec: RFC 9110, sections 14.1 and 14.2; rows T-217, T-218.
    """
    found = _only_spec(values)
    if found is None or not length:
        return None
    first, last = found
    if first is None:  # the last so many bytes
        size = min(last or 0, length)
        if not size:
            raise UnsatisfiableRange(length)
        return ByteRange(length - size, size)
    if first >= length:
        raise UnsatisfiableRange(length)
    end = length if last is None else min(last + 1, length)
    return ByteRange(first, end - first)


def _only_spec(values: Sequence[bytes]) -> tuple[int | None, int | None] | None:
    """Return first and last byte, as they were sent; ``None``: no single range."""
    header = _HEADER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if header is None:
        return None
    # A list may have empty elements (RFC 9110, section 5.6.1).
    specs = [spec for part in header[1].split(b",") if (spec := part.strip(b" \t"))]
    match = _SPEC.fullmatch(specs[0]) if len(specs) == 1 else None
    if match is None:
        return None
    first, last = _number(match[1]), _number(match[2])
    backwards = first is not None and last is not None and last < first
    return None if backwards or (first is None and last is None) else (first, last)


def _number(digits: bytes) -> int | None:
    if not digits:
        return None
    return int(digits.lstrip(b"0")[:_MOST_DIGITS] or b"0")
