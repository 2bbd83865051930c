"""
How finished uploads are named as files, out of what is known of them.

A template is the operator's, and what is put into it are words of clients.  So each
value becomes a part of one segment, whatever it says, and the whole is a name that
ext4, APFS and NTFS take (D11).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

from attrs import field, frozen

from tustwisted.protocol.upload import UploadInfo

FIELDS = ("id", "filename", "owner", "yyyy", "mm", "dd")
"""What may stand in braces."""

MAX_SEGMENT_BYTES = 200
"""Of a segment, in UTF-8; file systems take 255, of which a number needs some."""

MAX_NUMBER = 100
"""So many uploads get one name, numbered from 2; the id is in the name of the next."""

_MOST_BYTES = 250
"""Of a name with an id in it, which is up to 200 characters long by itself."""

_PIECE = re.compile(r"\{([^{}]*)\}|([^{}]+)")

_ODD = re.compile(
    '[/\\\\<>:"|?*'  # separators, and what Windows keeps for itself
    "\ufffd"  # what was no UTF-8
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # directions that deceive who reads
)

_UNFIT = frozenset({"Cc", "Cn", "Cs", "Zl", "Zp"})
"""Control characters, line ends, and what is no character (APFS refuses those)."""

_RESERVED = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\xb9\xb2\xb3]) *(?:\.|\Z)",
    re.IGNORECASE,
)
"""Devices of Windows, whatever their ending."""

_MOST_OWNER_BYTES = 150
"""Of an owner whose digest stands behind him in a segment."""

_MARKED = re.compile(r"~[0-9a-f]{16}\Z")

_EXTENSION = re.compile(r"(?<=.)(?:\.tar)?\.[A-Za-z0-9_-]{1,16}\Z", re.DOTALL)


@frozen
class FileNameTemplate:
    """
    A template for the names of finished uploads, such as ``{owner}/{filename}``.

    ``{id}`` is the upload's id, with ``-`` for ``/``; ``{filename}`` what the client
    calls it in its metadata (``filename``, or ``name``), or else the id; ``{owner}``
    who has created it, or ``_``, with a digest if that is no name as it is, so that no
    two owners share one; ``{yyyy}``, ``{mm}`` and ``{dd}`` the day in UTC.

    :raises ValueError: it is no template; the message says what it must be.
    """

    text: str
    """Segments joined by ``/``; the last one is the file."""

    _segments: tuple[tuple[tuple[str, str], ...], ...] = field(init=False, repr=False)
    """Of each segment its pieces: a field, or else text."""

    @_segments.default
    def _parse(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        if self.text.startswith("/"):
            raise ValueError("must be relative")
        return tuple(_parse_segment(segment) for segment in self.text.split("/"))

    def names(self, upload: UploadInfo, now_s: float) -> Iterator[str]:
        """
        Name an upload: as the template says, then numbered, at last with its id.

        :param now_s: when it was finished, seconds since 1970.
        :returns: relative paths; no segment is empty, hidden, or longer than 255 bytes.
        """
        values = _values(upload, now_s)
        *directories, name = (
            _segment("".join(values[key] if key else text for key, text in pieces))
            for pieces in self._segments
        )
        above = "".join(f"{directory}/" for directory in directories)
        yield above + name
        extension = _extension(name)
        stem = name.removesuffix(extension)
        for number in range(2, MAX_NUMBER + 1):
            yield f"{above}{stem} ({number}){extension}"
        ending = f"-{values['id']}{extension}"
        rest = _cut(stem, _MOST_BYTES - len(ending.encode()))
        yield above + _without_trailing(rest + ending)


@frozen
class Placing:
    """What becomes of the files of finished uploads."""

    template: FileNameTemplate

    moves: bool = False
    """They have only their new names then; else both (hard links)."""

    drops_records: bool = False
    """
    The upload is removed when its file was placed: its URL is gone.

    With it goes the first name, so there is nothing to be moved as well.
    """

    def __attrs_post_init__(self) -> None:
        """
        See that no file is lost: to remove an upload that was moved removes its file.

        :raises ValueError: it would be.
        """
        if self.moves and self.drops_records:
            raise ValueError("what is dropped must be linked, not moved")


def _parse_segment(segment: str) -> tuple[tuple[str, str], ...]:
    pieces: list[tuple[str, str]] = []
    end = 0
    for piece in _PIECE.finditer(segment):
        if piece.start() != end:
            break
        end = piece.end()
        name, text = piece.groups(default="")
        if piece[0].startswith("{") and name not in FIELDS:
            known = ", ".join(f"{{{known}}}" for known in FIELDS)
            raise ValueError(f"has an unknown field {{{name}}}: there are {known}")
        pieces.append((name, text))
    if end != len(segment):
        raise ValueError("has a brace that is not closed, or was not opened")
    if not segment:
        raise ValueError("must not have an empty segment")
    _check_text("".join(text or "x" for _, text in pieces))
    return tuple(pieces)


def _check_text(segment: str) -> None:
    """
    Let only text pass that a name may have as it is.

    :param segment: one, with a letter where each field is.
    """
    if segment.startswith("."):
        raise ValueError("must not have a segment that begins with a dot")
    if _segment(segment) != segment:
        raise ValueError(
            "must not have what some file system does not take: control characters, "
            'any of \\ < > : " | ? *, a dot or a blank at the end of a segment, names '
            f"of devices, or more than {MAX_SEGMENT_BYTES} bytes"
        )


def _values(upload: UploadInfo, now_s: float) -> dict[str, str]:
    day = datetime.fromtimestamp(now_s, UTC)
    upload_id = upload.upload_id.replace("/", "-")
    said = upload.metadata.value("filename") or upload.metadata.value("name")
    return {
        "id": upload_id,
        "filename": said.decode("utf-8", "replace") or upload_id,
        "owner": _owner(upload.owner),
        "yyyy": f"{day.year:04}",
        "mm": f"{day.month:02}",
        "dd": f"{day.day:02}",
    }


def _owner(owner: str | None) -> str:
    """
    Name an owner as nobody else is named.

    Who may choose what he is called must not get into the directory of another one.
    """
    if owner is None:
        return "_"
    if owner == _segment(owner) != "_" and _MARKED.search(owner) is None:
        return owner
    digest = sha256(owner.encode()).hexdigest()[:16]
    return f"{_cut(_segment(owner), _MOST_OWNER_BYTES)}~{digest}"


def _segment(text: str) -> str:
    """Make one segment of any text but an empty one."""
    text = _ODD.sub("_", unicodedata.normalize("NFC", text))
    text = "".join("_" if unicodedata.category(c) in _UNFIT else c for c in text)
    shown = text.lstrip(".")
    text = "_" * (len(text) - len(shown)) + shown
    if _RESERVED.match(text):
        text = f"_{text}"
    extension = _extension(text)
    stem = text.removesuffix(extension)
    return _without_trailing(_cut(stem, MAX_SEGMENT_BYTES - len(extension)) + extension)


def _extension(name: str) -> str:
    """Return the ending by which programs know a file, with its dot; ASCII."""
    found = _EXTENSION.search(name)
    return found[0] if found else ""


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore")


def _without_trailing(name: str) -> str:
    """Replace dots and blanks at the end, which Windows drops."""
    kept = name.rstrip(". ")
    return kept + "_" * (len(name) - len(kept))
