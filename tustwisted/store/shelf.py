"""
The files under one upload directory, and how a record gets there.

The record is the commit point (DESIGN D3): written last, by rename, when an upload is
created, and unlinked first when one is removed.  Data without a record is an orphan for
the sweeper.  :mod:`~tustwisted.store.creation`, :mod:`~tustwisted.store.lookup` and
:mod:`~tustwisted.store.changes` work on a :class:`Shelf`; they block, change an upload
only for the holder of its lock, and read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from tustwisted.store.durability import Durability
from tustwisted.store.files import IFiles
from tustwisted.store.host import Host
from tustwisted.store.layout import Layout
from tustwisted.store.records import (
    MAX_RECORD_BYTES,
    Record,
    decode_record,
    encode_record,
)


@frozen
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

    def read(self, upload_id: str) -> Record:
        """
        Read a record.

        :raises UploadNotFound: it makes no sense.
        :raises OSError: it is not there, or cannot be read.
        """
        return self._read(self.layout.record(upload_id), upload_id)

    def read_removed(self, upload_id: str) -> Record:
        """Read the record of an upload that was being removed; as :meth:`read`."""
        return self._read(self.layout.removed(upload_id), upload_id)

    def _read(self, path: str, upload_id: str) -> Record:
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
        :raises OSError: what was there before still is.
        """
        temporary = self.layout.temporary(upload_id)
        try:
            self.files.write(temporary, content, self.file_mode, synced)
            self.files.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                self.files.unlink(temporary)
            raise

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
