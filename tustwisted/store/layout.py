"""
Where the files of an upload lie: tusd's layout (DESIGN D4).

Pure but for the working directory.  Every path that the store touches is made here, and
none of them is outside the upload directory (D11).
"""

from __future__ import annotations

import os
from zlib import crc32

from attrs import field, frozen
from attrs.converters import optional

from tustwisted.errors import UploadNotFound
from tustwisted.protocol.ids import is_upload_id

RECORD_ENDING = ".info"
TEMPORARY_ENDING = ".info.tmp"
UNVERIFIED_ENDING = ".unverified"
REMOVED_ENDING = ".removed"
CLAIMS = ".tustwisted.claims"
"""Where claims lie; no id begins with a dot, so that no walk comes here."""

_CLAIM_SLASH = ","
_CLAIM_TOKEN = "~"
"""No id has either of the two, so that the name of a claim can be read back."""

_MOST_BYTES = 255
"""Of a name: NAME_MAX of nearly all file systems."""

_MOST_PATH_BYTES = 4000
"""Of a path: PATH_MAX of Linux, less what is written behind the name of a record."""

_BESIDE_DATA = (
    RECORD_ENDING,
    ".tmp",
    ".lock",
    ".stop",
    UNVERIFIED_ENDING,
    REMOVED_ENDING,
)


def _absolute(directory: str) -> str:
    return os.path.abspath(directory)


@frozen
class Layout:
    """
    The paths under one upload directory.

    All methods take a valid upload id, except :meth:`check`, which makes sure of that.
    """

    root: str = field(converter=_absolute)
    """The upload directory, made absolute."""

    finished: str | None = field(default=None, converter=optional(_absolute))
    """Where finished uploads get a name, beside the root; made absolute."""

    _prefix: str = field(init=False)

    @_prefix.default
    def _end_with_a_slash(self) -> str:
        return self.root.rstrip("/") + "/"

    def check(self, upload_id: str) -> None:
        """
        Let only upload ids pass.

        :raises UploadNotFound: it is none.
        """
        if not is_upload_id(upload_id):
            raise UploadNotFound

    def content(self, upload_id: str) -> str:
        """Where the bytes of a new upload go."""
        return f"{self._prefix}{upload_id}"

    def chosen(self, path: str) -> str:
        """
        Tell where the bytes of a new upload go for which a path was chosen.

        Looks at no file.

        :param path: under the root, absolute or relative to it.
        :raises ValueError: it leads out of the root, or to what the store keeps for
            itself; the message completes 'the path ...'.
        """
        if not path or path.endswith("/"):
            raise ValueError("names no file")
        if "\0" in path or not _is_path(path) or not _is_utf_8(path):
            raise ValueError("has characters that no name can have")
        found = os.path.normpath(f"{self._prefix}{path}" if path[0] != "/" else path)
        if not found.startswith(self._prefix) or found == self._prefix:
            raise ValueError("leads out of the upload directory")
        segments = found.removeprefix(self._prefix).split("/")
        _check_segments(segments)
        if any(segment.endswith(_BESIDE_DATA) for segment in segments):
            raise ValueError(
                "has a segment with an ending that the store keeps for itself, "
                f"such as {RECORD_ENDING}"
            )
        return _limited(found)

    def placed(self, name: str) -> str:
        """
        Tell where a finished upload gets a name.

        Looks at no file.

        :param name: relative to :attr:`finished`, which there is.
        :raises ValueError: it leads out of there, or is hidden, or no name.
        """
        assert self.finished is not None
        if "\0" in name or not _is_path(name) or not _is_utf_8(name):
            raise ValueError("has characters that no name can have")
        segments = name.split("/")
        if not all(segments):
            raise ValueError("has an empty segment")
        _check_segments(segments)
        return _limited(f"{self.finished.rstrip('/')}/{name}")

    def is_finished(self, path: str) -> bool:
        """Tell whether a path is one of those that :meth:`placed` gives."""
        finished = self.finished
        return finished is not None and path.startswith(f"{finished.rstrip('/')}/")

    def record(self, upload_id: str) -> str:
        """Where its record is."""
        return f"{self._prefix}{upload_id}{RECORD_ENDING}"

    def temporary(self, upload_id: str) -> str:
        """Where its record is written before it is renamed."""
        return f"{self._prefix}{upload_id}{TEMPORARY_ENDING}"

    def unverified(self, upload_id: str) -> str:
        """Where it stands how far a chunk in doubt begins (D3)."""
        return f"{self._prefix}{upload_id}{UNVERIFIED_ENDING}"

    def removed(self, upload_id: str) -> str:
        """Where its record goes when it is removed, until its bytes are gone."""
        return f"{self._prefix}{upload_id}{REMOVED_ENDING}"

    def probe(self) -> str:
        """Name a file that shows whether the directory can be written."""
        return f"{self._prefix}.tustwisted.tmp"

    def finished_probe(self) -> str:
        """Name a file that shows whether names can be given there."""
        return f"{(self.finished or '').rstrip('/')}/.tustwisted.tmp"

    def all_claims(self) -> str:
        """Where the claims of all uploads are (D6)."""
        return f"{self._prefix}{CLAIMS}"

    def claims(self, upload_id: str) -> str:
        """Where the claims of an upload are, beside those of a few others."""
        return f"{self.all_claims()}/{crc32(upload_id.encode()) % 256:02x}"

    def claim(self, upload_id: str, token: str) -> str:
        """Name a claim in there; with an empty token, how all of the upload begin."""
        return upload_id.replace("/", _CLAIM_SLASH) + _CLAIM_TOKEN + token

    def claimed_id(self, name: str) -> str:
        """Tell whose claim has a name."""
        return name.partition(_CLAIM_TOKEN)[0].replace(_CLAIM_SLASH, "/")

    def find_content(self, upload_id: str, storage_path: str | None) -> str:
        """
        Tell where the bytes of an upload lie that has a record.

        A path under the root, or where finished uploads are, is taken as it is.  Any
        other one that ends in the id is the usual place of a directory that was moved,
        or that tusd called by a name relative to where it was started.

        :param storage_path: ``Storage.Path`` of the record, absolute or relative.
        :raises UploadNotFound: it leads out of these.
        """
        usual = self.content(upload_id)
        if storage_path is None or storage_path == usual:
            return usual
        if not _is_path(storage_path):
            raise UploadNotFound
        path = os.path.abspath(storage_path)
        if self.is_finished(path):
            return path
        if path.startswith(self._prefix) and not path.endswith(_BESIDE_DATA):
            return path
        if path.endswith(f"/{upload_id}"):
            return usual
        raise UploadNotFound

    def directories(self, path: str) -> list[str]:
        """
        List the directories from that of a file up to the root that it is under.

        That is :attr:`root`, or :attr:`finished`.
        """
        directory = os.path.dirname(path)
        found = [directory]
        root = self.finished if self.is_finished(path) else self.root
        assert root is not None
        while len(directory) > len(root):
            directory = os.path.dirname(directory)
            found.append(directory)
        return found


def _check_segments(segments: list[str]) -> None:
    """
    Let only names pass that are not hidden, and not too long.

    :raises ValueError: one of them is.
    """
    for segment in segments:
        if segment.startswith("."):
            raise ValueError("has a segment that begins with a dot")
        if len(os.fsencode(segment)) > _MOST_BYTES:
            raise ValueError(f"has a segment longer than {_MOST_BYTES} bytes")


def _limited(path: str) -> str:
    if len(os.fsencode(path)) > _MOST_PATH_BYTES:
        raise ValueError("is too long")
    return path


def _is_utf_8(text: str) -> bool:
    """Tell whether hooks can be told of it, in JSON."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
