"""
What is nobody's in an upload directory: judged by name, record and age.

It blocks, and takes nothing away that it has not looked at again.  Hidden files, files
of other names than ours, symlinks, sockets and the locks of tusd are never touched, and
an unreadable record is only told of (DESIGN D8).

The age of a file is the time since anything of it changed: a file that is restored from
a backup has its old time of modification at once, and its record only later.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress

from attrs import define, field

from tustwisted.abilities import LeftAlone, Leftover
from tustwisted.errors import UploadNotFound
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store import lookup, removal
from tustwisted.store.failures import storage_errors
from tustwisted.store.layout import (
    RECORD_ENDING,
    REMOVED_ENDING,
    TEMPORARY_ENDING,
    UNVERIFIED_ENDING,
)
from tustwisted.store.shelf import Shelf

Verdict = UploadInfo | Leftover | LeftAlone | None
"""What a name stands for; ``None``: a part of an upload, or not ours at all."""

MAX_ELSEWHERE = 10_000
"""With more uploads whose bytes have another name, any file may be such bytes."""

MAX_DIRECTORIES = 10_000
"""So many are remembered in one search; the empty ones of others stay."""

_OUR_ID = re.compile(r"[0-9a-f]{32}")
"""What :func:`tustwisted.protocol.ids.new_id` makes."""

_IN_USE = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
"""What a directory says that is not empty, or on which a disk is mounted."""


@define(eq=False, repr=False)
class Judge:
    """
    Judges the names on a shelf.

    :param before_s: what was changed later than this is too young to be a leftover,
        seconds since 1970.
    """

    _shelf: Shelf
    _before_s: float
    _elsewhere: set[str] = field(init=False, factory=set)
    """Files that records name as the place of their bytes, beside the usual ones."""

    _directories: set[str] = field(init=False, factory=set)
    """Where an upload or a leftover was seen, but for the root."""

    _misses_records: bool = field(init=False, default=False)
    """Some record could not be read, and any data file may be named in it."""

    def look_at(self, path: str) -> Verdict:
        """Judge the name of a file, other than a data file (see :meth:`orphan`)."""
        verdict = self._look_beside_data(path)
        if isinstance(verdict, UploadInfo | Leftover):
            self._note_directory(path)
        return verdict

    def _look_beside_data(self, path: str) -> Verdict:
        for ending, judge in (
            (RECORD_ENDING, self._record),
            (TEMPORARY_ENDING, self._temporary),
            (UNVERIFIED_ENDING, self._unverified),
            (REMOVED_ENDING, self._removed),
        ):
            if path.endswith(ending):
                upload_id = path.removesuffix(ending)
                return judge(upload_id, path) if is_upload_id(upload_id) else None
        return None

    def is_orphan(self, path: str) -> bool:
        """Tell whether a name is that of an old data file without a record."""
        layout = self._shelf.layout
        return (
            is_upload_id(path)
            and not self._shelf.files.exists(layout.record(path))
            and not self._shelf.files.exists(layout.removed(path))
            and self._is_old(path)
        )

    def orphan(self, path: str) -> Verdict:
        """
        Judge an orphan, when all records were read.

        An id of an application's own might be the name of somebody's own file, also of
        an empty one.
        """
        if not self.is_orphan(path):
            return None
        place = self._shelf.layout.content(path)
        is_known = place in self._elsewhere or len(self._elsewhere) >= MAX_ELSEWHERE
        if is_known or self._shelf.files.stat(place) is None:
            return None
        if _OUR_ID.fullmatch(path) is None:
            return LeftAlone(path, "has no record, and not the kind of name we make")
        if self._misses_records:
            return LeftAlone(path, "may belong to a record that could not be read")
        self._note_directory(path)
        return Leftover(path, path)

    def unread_directory(self, path: str, error: OSError) -> LeftAlone:
        """Note that the records in a directory, or some, could not be read."""
        self._misses_records = True
        return LeftAlone(f"{path or '.'}/", f"cannot be read: {_plainly(error)}")

    def directories(self) -> list[str]:
        """List where this search saw an upload or a leftover, inner ones first."""
        return sorted(self._directories, reverse=True)

    def emptied(self, path: str) -> Verdict:
        """
        Judge a directory, when what was seen in it was removed if it was to be.

        Nobody knows who made one that was empty before.
        """
        place = self._shelf.layout.content(path)
        is_left = path in self._directories and not any(
            True for _ in self._shelf.files.scan(place)
        )
        return Leftover(path, f"{path}/") if is_left else None

    # -- one kind of name each ---------------------------------------------------------

    def _record(self, upload_id: str, path: str) -> Verdict:
        try:
            return self._read_record(upload_id, path)
        except FileNotFoundError:
            return None  # removed meanwhile
        except OSError as error:
            self._misses_records = True
            return LeftAlone(path, f"cannot be read: {_plainly(error)}")
        except Exception:
            self._misses_records = True
            raise

    def _read_record(self, upload_id: str, path: str) -> Verdict:
        try:
            seen = lookup.see(self._shelf, upload_id)
        except UploadNotFound:
            return self._useless_record(upload_id, path)
        if seen.path != self._shelf.layout.content(upload_id):
            self._note_elsewhere(seen.path)
        return seen.info

    def _useless_record(self, upload_id: str, path: str) -> Verdict:
        usual = self._shelf.layout.content(upload_id)
        try:
            record = self._shelf.read(upload_id)
        except UploadNotFound:
            return LeftAlone(path, "makes no sense")
        try:
            place = self._shelf.layout.find_content(upload_id, record.storage_path)
        except UploadNotFound:
            return LeftAlone(path, "names a data file out of the directory")
        if self._was_placed(place):
            return Leftover(upload_id, path) if self._is_old(path) else None
        if place != usual:  # the file may be on a disk that is not mounted now
            self._note_elsewhere(place)
            return LeftAlone(path, "names a data file that is missing")
        is_useless = not self._shelf.files.exists(usual) and self._is_old(path)
        return Leftover(upload_id, path) if is_useless else None

    def _was_placed(self, place: str) -> bool:
        """Tell whether somebody has taken a finished upload from where it was moved."""
        layout = self._shelf.layout
        return (
            layout.finished is not None
            and layout.is_finished(place)
            and self._shelf.files.exists(layout.finished)
        )

    def _note_elsewhere(self, place: str) -> None:
        if self._shelf.layout.is_finished(place):
            return  # not among what is looked at
        if len(self._elsewhere) < MAX_ELSEWHERE:
            self._elsewhere.add(place)

    def _note_directory(self, path: str) -> None:
        directory = os.path.dirname(path)
        if directory and len(self._directories) < MAX_DIRECTORIES:
            self._directories.add(directory)

    def _temporary(self, upload_id: str, path: str) -> Verdict:
        return Leftover(upload_id, path) if self._is_old(path) else None

    def _unverified(self, upload_id: str, path: str) -> Verdict:
        has_record = self._shelf.files.exists(self._shelf.layout.record(upload_id))
        is_left = not has_record and self._is_old(path)
        return Leftover(upload_id, path) if is_left else None

    def _removed(self, upload_id: str, path: str) -> Verdict:
        """Judge a removal that did not end: a new upload may have the id by now."""
        if self._shelf.files.exists(self._shelf.layout.record(upload_id)):
            return Leftover(upload_id, path)
        place = self._removed_content(upload_id)
        is_left = self._shelf.files.stat(place) is None or self._is_old_at(place)
        return Leftover(upload_id, path) if is_left else None

    def _removed_content(self, upload_id: str) -> str:
        layout = self._shelf.layout
        with suppress(UploadNotFound):
            record = self._shelf.read_removed(upload_id)
            return layout.find_content(upload_id, record.storage_path)
        return layout.content(upload_id)

    def _is_old(self, path: str) -> bool:
        return self._is_old_at(self._shelf.layout.content(path))

    def _is_old_at(self, place: str) -> bool:
        files = self._shelf.files
        return (
            files.stat(place) is not None and files.changed_s(place) <= self._before_s
        )

    # -- clearing away -----------------------------------------------------------------

    def clear(self, leftover: Leftover, shelf: Shelf) -> bool:
        """
        Take a leftover away, for the holder of its lock.

        :param shelf: this one, by the way of his claim if there is one.
        :returns: whether it was still there, and one.
        :raises StorageFailed: the file system failed.
        """
        with storage_errors(leftover.upload_id):
            try:
                if self._look_again(leftover.name) != leftover:
                    return False
                self._take_away(leftover, shelf)
            except (FileNotFoundError, UploadNotFound):
                return False  # another process was faster
            except OSError as error:
                if error.errno in _IN_USE:
                    return False  # an upload has moved in
                raise
        return True

    def _look_again(self, name: str) -> Verdict:
        if is_upload_id(name):
            return self.orphan(name)
        if name.endswith("/"):
            return self.emptied(name.removesuffix("/"))
        return self.look_at(name)

    def _take_away(self, leftover: Leftover, shelf: Shelf) -> None:
        name, upload_id = leftover.name, leftover.upload_id
        if name.endswith("/"):
            self._remove_directories(upload_id)
        elif name.endswith(RECORD_ENDING):
            removal.remove(shelf, upload_id)
        elif name.endswith(REMOVED_ENDING):
            self._end_removal(upload_id, shelf)
        else:
            shelf.take_away(shelf.layout.content(name))

    def _end_removal(self, upload_id: str, shelf: Shelf) -> None:
        """Remove the bytes, unless an upload has the id by now, and then the note."""
        files, layout = self._shelf.files, self._shelf.layout
        place = self._removed_content(upload_id)
        # What is gone is not unlinked again: its name is free for a new upload.
        if not files.exists(layout.record(upload_id)) and files.exists(place):
            shelf.take_away(place)
        shelf.take_away(layout.removed(upload_id))

    def _remove_directories(self, path: str) -> None:
        """Remove an empty directory, and those above that are empty then."""
        self._shelf.files.remove_directory(self._shelf.layout.content(path))
        above = os.path.dirname(path)
        if above:
            with suppress(OSError):
                self._remove_directories(above)


def _plainly(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
