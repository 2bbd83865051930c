"""
The files under one upload directory, and how a record gets there.

The record is the commit point (DESIGN D3): written last, by rename, when an upload is
created, and unlinked first when one is removed.  Data without a record is an orphan for
the sweeper.  :mod:`~tustwisted.store.creation`, :mod:`~tustwisted.store.lookup` and
:mod:`~tustwisted.store.changes` work on a :class:`Shelf`; they block, change an upload
only for the holder of its lock, and read without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from tustwisted.store.durability import Durability
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.store.layout import Layout
from tustwisted.store.passage import Passage
from tustwisted.store.records import (
    MAX_RECORD_BYTES,
    Record,
    decode_record,
    encode_record,
)


@frozen(eq=False, repr=False)
class Shelf:
    """An upload directory, what is promised of it, and which machine this is."""

    layout: Layout
    files: IFiles
    durability: Durability
    host: Host
    file_mode: int
    """Of new files, before the umask."""

    dir_mode: int
    """Of new directories, before the umask."""

    seconds: Callable[[], float]
    """Tells the time, seconds since 1970."""

    trusts_locks: bool = True
    """A lock on a directory holds for all who see it: the file system is local."""

    random_bytes: Callable[[int], bytes] = os.urandom
    """Gives bytes that no two claims have in common."""

    passage: Passage | None = None
    """By which names are changed for a claim; ``None``: there are no claims (D6)."""

    def read(self, upload_id: str) -> Record:
        """
        Read a record.

        :raises UploadNotFound: it makes no sense.
        :raises OSError: it is not there, or cannot be read.
        """
        return self.read_from(self.layout.record(upload_id), upload_id)

    def read_removed(self, upload_id: str) -> Record:
        """Read the record of an upload that was being removed; as :meth:`read`."""
        return self.read_from(self.layout.removed(upload_id), upload_id)

    def read_from(self, path: str, upload_id: str) -> Record:
        """Read a record where it is known to lie; as :meth:`read`."""
        return decode_record(self.files.read(path, MAX_RECORD_BYTES + 1), upload_id)

    def put(self, record: Record, *, synced: bool) -> None:
        """
        Put a record in its place at one stroke.

        :param synced: its content is on the device before it has its name, so that
            no power loss leaves a torn one; the name itself is not synced.
        :raises InvalidMetadata: it is a new one, and too long; nothing was written.
        :raises OSError: the old record, if there was one, still holds.
        """
        upload_id = record.info.upload_id
        self.place(
            upload_id, self.layout.record(upload_id), encode_record(record), synced
        )

    def place(self, upload_id: str, path: str, content: bytes, synced: bool) -> None:
        """
        Put a small file beside an upload's data, whole or not at all.

        :param path: of the file; the holder of the upload's lock writes one at a time.
        :param synced: as for :meth:`put`.
        :raises LockLost: there is a newer claim, and what was there before still is.
        :raises OSError: what was there before still is.
        """
        passage = self.passage
        temporary = passage.small if passage else self.layout.temporary(upload_id)
        try:
            self.files.write(temporary, content, self.file_mode, synced)
            self.files.replace(temporary, path)
        except OSError as error:
            if passage:
                passage.require_file(temporary, error)
            with suppress(OSError):
                self.files.unlink(temporary)
            raise

    def take_away(self, path: str) -> None:
        """
        Unlink a file.

        :raises FileNotFoundError: it is not there.
        :raises LockLost: there is a newer claim; nothing was changed.
        """
        if self.passage:
            self.passage.take_away(path)
        else:
            self.files.unlink(path)

    def link(self, path: str, target: str) -> None:
        """
        Give a file another name.

        :raises FileExistsError: somebody has that.
        :raises LockLost: there is a newer claim; nothing was changed.
        """
        if self.passage:
            self.passage.link(path, target)
        else:
            self.files.link(path, target)

    def open_content(self, path: str) -> int:
        """
        Open a data file for writing; unless there is a claim, create it if need be.

        The claim is looked at after the file is open.  If it holds, whoever claims the
        upload next finds it, and gives the name to another file before he writes.

        :returns: the descriptor.
        :raises LockLost: there is a newer claim.
        """
        passage = self.passage
        if passage is None:
            return self.files.open(path, self.file_mode)
        try:
            fd = self.files.open_existing(path)
        except OSError as error:
            passage.require_after(error)
            raise
        try:
            passage.require()
        except BaseException:
            self.files.close(fd)
            raise
        return fd

    def make_directory(self, path: str) -> bool:
        """
        Make a directory, unless it is there; tell whether it was made.

        :raises OSError: the one above is not there, or the file system failed.
        """
        try:
            self.files.make_directory(path, self.dir_mode)
        except FileExistsError:
            return False
        return True

    def is_below(self, path: str, root: str) -> bool:
        """
        Tell whether a file is under a directory when all symlinks are followed.

        :param path: whose last segment is the file, and no symlink.
        :raises OSError: the file system does not tell.
        """
        found = f"{self.files.real(os.path.dirname(path))}/"
        return found.startswith(f"{self.files.real(root).rstrip('/')}/")

    def require_claim(self) -> None:
        """
        See that what was done until now was done by whoever may do it.

        :raises LockLost: there is a newer claim.
        :raises OSError: the file system does not tell.
        """
        if self.passage:
            self.passage.require()

    def directories(self, upload_id: str, path: str | None = None) -> list[str]:
        """
        List the directories in which names of an upload stand, innermost first.

        All up to the root: which of them an earlier process made, nobody remembers.

        :param path: of the data file, where a record may have put it elsewhere.
        """
        found = self.layout.directories(self.layout.record(upload_id))
        if path is not None:
            found += [
                directory
                for directory in self.layout.directories(path)
                if directory not in found
            ]
        return found
