"""
How a download is named and typed, out of what its uploader said.

Metadata are a client's words.  So a type that a browser would run is only offered to be
saved, and a name loses what could lead somewhere else or deceive who reads it (D11).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from tustwisted.protocol.metadata import Metadata

UNKNOWN_TYPE = "application/octet-stream"

INLINE_TYPES = frozenset(
    {
        "text/plain",
        *(f"image/{kind}" for kind in ("png", "jpeg", "gif", "bmp", "webp")),
        *(f"audio/{kind}" for kind in ("wave", "wav", "x-wav", "x-pn-wav")),
        *(f"audio/{kind}" for kind in ("webm", "ogg")),
        *(f"video/{kind}" for kind in ("mp4", "webm", "ogg")),
        "application/ogg",
    }
)
"""What a browser may show in place: nothing in it is run (T-211)."""

# Possessive throughout: nothing is tried twice.  A space between two semicolons might
# else belong to either, and a type with n of them would have 2**n readings.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*+"'
_MEDIA_TYPE = re.compile(
    rf"({_TOKEN}/{_TOKEN})(?: *+; *+(?:{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))?+)*+"
)

_MOST_OF_A_TYPE = 200
"""Characters of a media type with its parameters; a longer one is none."""

# Of RFC 8187, attr-char; quote() adds letters, digits and "_.-~".
_SAFE = "!#$&+^`|"

_NO_NAME = frozenset({"", ".", ".."})

_MOST_CHARACTERS = 200
"""Of a name: file systems take 255 bytes, and proxies a few KiB of headers."""

_MOST_LOOKED_AT = 400
"""Characters at either end of a longer name, of which some may have to go."""

_ENDING_CHARACTERS = 20

_DECEIVING = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})
"""Directions that make a name look as if it ended otherwise."""


def content_type(metadata: Metadata) -> str:
    """
    Tell the media type of an upload: its ``filetype``, if that is one.

    Spec: RFC 9110, section 8.3.1; rows T-209, T-210, T-212, T-216.
    """
    said = metadata.value("filetype").decode("latin-1").strip(" ")
    if len(said) > _MOST_OF_A_TYPE or not _MEDIA_TYPE.fullmatch(said):
        return UNKNOWN_TYPE
    return said


def content_disposition(metadata: Metadata) -> str:
    """
    Tell whether an upload may be shown in place, and its ``filename`` if it has one.

    :returns: the value of ``Content-Disposition``, printable ASCII.

    Spec: RFC 6266; RFC 8187; rows T-209 to T-215.
    """
    base = content_type(metadata).partition(";")[0].strip(" ").lower()
    disposition = "inline" if base in INLINE_TYPES else "attachment"
    name = file_name(metadata)
    if not name:
        return disposition
    shown = "".join(c if c.isascii() else "_" for c in name).replace('"', r"\"")
    disposition += f'; filename="{shown}"'
    if not name.isascii():
        disposition += f"; filename*=UTF-8''{quote(name, safe=_SAFE)}"
    return disposition


def file_name(metadata: Metadata) -> str:
    """
    Clean the ``filename`` of an upload.

    :returns: the last segment of a path, without control characters, at most 200
        characters of it; empty when nothing is left.
    """
    said = metadata.value("filename").decode("utf-8", "ignore")
    segment = re.split(r"[/\\]", said)[-1]
    if len(segment) > 2 * _MOST_LOOKED_AT:
        segment = segment[:_MOST_LOOKED_AT] + segment[-_MOST_LOOKED_AT:]
    if not (segment.isascii() and segment.isprintable()):
        segment = "".join(filter(_is_fit, segment))
    segment = segment.strip(" ")
    if segment in _NO_NAME:
        return ""
    if len(segment) <= _MOST_CHARACTERS:
        return segment
    stem, _, ending = segment.rpartition(".")
    if not stem or len(ending) > _ENDING_CHARACTERS:
        return segment[:_MOST_CHARACTERS]
    return f"{stem[: _MOST_CHARACTERS - len(ending) - 1]}.{ending}"


def _is_fit(character: str) -> bool:
    return (
        unicodedata.category(character) not in ("Cc", "Zl", "Zp")
        and unicodedata.bidirectional(character) not in _DECEIVING
    )
