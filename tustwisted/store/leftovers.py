"""
What is nobody's in an upload directory: judged by name, record and age.

It blocks, and takes nothing away that it has not looked at again.  Hidden files, files
of other names than ours, symlinks, sockets and the locks of tusd are never touched, and
an unreadable record is only told of (DESIGN D8).
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
from tustwisted.store import changes, lookup
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

_OUR_ID = re.compile(r"[0-9a-f]{32}")
"""What :func:`tustwisted.protocol.ids.new_id` makes."""

_OF_THE_FILE_SYSTEM = "lost+found"

_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


@define(eq=False)
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

    def look_at(self, path: str, is_directory: bool) -> Verdict:
        """Judge one name, other than that of a data file (see :meth:`orphan`)."""
        if is_directory:
            return self._directory(path)
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

        An id of an application's own might be the name of somebody's own file.
        """
        if not self.is_orphan(path):
            return None
        place = self._shelf.layout.content(path)
        is_known = place in self._elsewhere or len(self._elsewhere) >= MAX_ELSEWHERE
        stat = None if is_known else self._shelf.files.stat(place)
        if stat is None:
            return None
        if stat.size == 0 or _OUR_ID.fullmatch(path) is not None:
            return Leftover(path, path)
        return LeftAlone(path, "has no record, and not the kind of name that we make")

    # -- one kind of name each ---------------------------------------------------------

    def _record(self, upload_id: str, path: str) -> Verdict:
        try:
            seen = lookup.see(self._shelf, upload_id)
        except UploadNotFound:
            return self._useless_record(upload_id, path)
        except FileNotFoundError:
            return None  # removed meanwhile
        except OSError as error:
            return LeftAlone(path, f"cannot be read: {_plainly(error)}")
        if seen.path != self._shelf.layout.content(upload_id):
            self._note_elsewhere(seen.path)
        return seen.info

    def _useless_record(self, upload_id: str, path: str) -> Verdict:
        usual = self._shelf.layout.content(upload_id)
        try:
            record = self._shelf.read(upload_id)
        except FileNotFoundError:
            return None
        except UploadNotFound:
            return LeftAlone(path, "makes no sense")
        try:
            place = self._shelf.layout.find_content(upload_id, record.storage_path)
        except UploadNotFound:
            return LeftAlone(path, "names a data file out of the directory")
        if place != usual:  # the file may be on a disk that is not mounted now
            return LeftAlone(path, "names a data file that is missing")
        is_useless = not self._shelf.files.exists(usual) and self._is_old(path)
        return Leftover(upload_id, path) if is_useless else None

    def _note_elsewhere(self, place: str) -> None:
        if len(self._elsewhere) < MAX_ELSEWHERE:
            self._elsewhere.add(place)

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
        stat = self._shelf.files.stat(self._removed_content(upload_id))
        is_left = stat is None or stat.modified_s <= self._before_s
        return Leftover(upload_id, path) if is_left else None

    def _removed_content(self, upload_id: str) -> str:
        layout = self._shelf.layout
        with suppress(UploadNotFound):
            record = self._shelf.read_removed(upload_id)
            return layout.find_content(upload_id, record.storage_path)
        return layout.content(upload_id)

    def _directory(self, path: str) -> Verdict:
        if not is_upload_id(path) or os.path.basename(path) == _OF_THE_FILE_SYSTEM:
            return None
        is_left = self._is_old_directory(path) and not any(
            True for _ in self._shelf.files.scan(self._shelf.layout.content(path))
        )
        return Leftover(path, f"{path}/") if is_left else None

    def _is_old(self, path: str) -> bool:
        stat = self._shelf.files.stat(self._shelf.layout.content(path))
        return stat is not None and stat.modified_s <= self._before_s

    def _is_old_directory(self, path: str) -> bool:
        place = self._shelf.layout.content(path)
        return self._shelf.files.changed_s(place) <= self._before_s

    # -- clearing away -----------------------------------------------------------------

    def clear(self, leftover: Leftover) -> bool:
        """
        Take a leftover away, for the holder of its lock.

        :returns: whether it was still there, and one.
        :raises StorageFailed: the file system failed.
        """
        with storage_errors(leftover.upload_id):
            try:
                if self._look_again(leftover.name) != leftover:
                    return False
                self._take_away(leftover)
            except (FileNotFoundError, UploadNotFound):
                return False  # another process was faster
            except OSError as error:
                if error.errno in _NOT_EMPTY:
                    return False  # an upload has moved in
                raise
        return True

    def _look_again(self, name: str) -> Verdict:
        if is_upload_id(name):
            return self.orphan(name)
        return self.look_at(name.removesuffix("/"), name.endswith("/"))

    def _take_away(self, leftover: Leftover) -> None:
        name, upload_id = leftover.name, leftover.upload_id
        if name.endswith("/"):
            self._remove_directories(upload_id)
        elif name.endswith(RECORD_ENDING):
            changes.remove(self._shelf, upload_id)
        elif name.endswith(REMOVED_ENDING):
            self._end_removal(upload_id)
        else:
            self._shelf.files.unlink(self._shelf.layout.content(name))

    def _end_removal(self, upload_id: str) -> None:
        shelf = self._shelf
        if not shelf.files.exists(shelf.layout.record(upload_id)):
            with suppress(FileNotFoundError):
                shelf.files.unlink(self._removed_content(upload_id))
        shelf.files.unlink(shelf.layout.removed(upload_id))

    def _remove_directories(self, path: str) -> None:
        """Remove an empty directory, and those above that are empty and old too."""
        above = os.path.dirname(path)
        is_old = bool(above) and self._is_old_directory(above)  # its time changes now
        self._shelf.files.remove_directory(self._shelf.layout.content(path))
        if is_old:
            with suppress(OSError):
                self._remove_directories(above)


def _plainly(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
