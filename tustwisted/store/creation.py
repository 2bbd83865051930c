"""How an upload comes to be on a shelf, whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress

from attrs import define, field
from twisted.logger import Logger

from tustwisted.errors import LockLost, StorageFailed, TusError, UploadExists
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.failures import storage_error, storage_errors
from tustwisted.store.records import Record
from tustwisted.store.shelf import Shelf

log = Logger()

_ATTEMPTS = 3
"""A failing creation beside this one may take its empty directories away again."""


@define(eq=False, repr=False)
class Creation:
    """
    The beginning of one upload; blocks.

    The data file is created exclusively: that, and nothing else, decides between two
    creations of one id, in whichever processes.  So what a crash left of an earlier
    creation keeps its id taken until the sweeper clears it away: to build on such an
    orphan is not safe while its creator may still be about to commit.

    A data file that has a path of its own does not take the id.  There the temporary
    file of the record is created first, and exclusively as well.
    """

    _shelf: Shelf
    _info: UploadInfo
    path: str = field(init=False)
    """Of the data file."""

    _made: list[str] = field(factory=list, init=False)
    """Directories that were made for it, outermost first."""

    def __attrs_post_init__(self) -> None:
        """
        Find out where the bytes go.

        :raises ValueError: not where they are wished.
        """
        storage, layout = self._info.storage, self._shelf.layout
        self.path = (
            layout.content(self._info.upload_id)
            if storage is None
            else layout.chosen(storage.path)
        )

    @property
    def _has_own_path(self) -> bool:
        return self.path != self._shelf.layout.content(self._info.upload_id)

    def run(self) -> None:
        """
        Create the data file and then the record.

        :raises UploadExists: the id is taken, or a part of its path is.
        :raises InvalidMetadata: it is too long to be kept; nothing remains.
        :raises NoSpace: and nothing remains.
        :raises StorageFailed: and nothing remains.
        """
        fd = self.open()
        try:
            with storage_errors(self._info.upload_id):
                self._shelf.files.close(fd)
                self._put_record()
        except TusError:
            self.undo()
            raise

    def open(self) -> int:
        """
        Create the data file, and take the id.

        :returns: its descriptor; from here on it is for the caller to :meth:`undo`.
        :raises UploadExists: the id is taken, or a part of its path is.
        :raises NoSpace: and nothing remains.
        :raises StorageFailed: and nothing remains.
        """
        shelf, upload_id = self._shelf, self._info.upload_id
        try:
            # A record may stand without data, when the power failed.
            if shelf.files.exists(shelf.layout.record(upload_id)):
                raise UploadExists(upload_id)
            return self._open_there() if self._has_own_path else self._create(self.path)
        except (FileExistsError, NotADirectoryError):
            self._remove_directories()
            raise UploadExists(upload_id) from None
        except OSError as error:
            self._remove_directories()
            raise storage_error(error, upload_id) from None

    def _open_there(self) -> int:
        """Create a data file that has a path of its own."""
        shelf, upload_id = self._shelf, self._info.upload_id
        if not shelf.is_below(self.path, shelf.layout.root):
            log.error(
                "{path} was chosen for upload {upload_id}, and a symlink leads from "
                "there out of the upload directory",
                path=self.path,
                upload_id=upload_id,
            )
            raise StorageFailed
        taking = shelf.layout.temporary(upload_id)
        shelf.files.close(self._create(taking))
        try:
            usual = (shelf.layout.record(upload_id), shelf.layout.content(upload_id))
            if any(map(shelf.files.exists, usual)):
                raise FileExistsError(errno.EEXIST, "the id is taken", taking)
            return self._create(self.path)
        except OSError:
            with suppress(OSError):
                shelf.files.unlink(taking)
            raise

    def commit(self, synced_offset: int = 0) -> None:
        """
        Put the record in its place: from then on the upload is there.

        :param synced_offset: how much of the data file is on the device, bytes.
        :raises InvalidMetadata: it is too long to be kept.
        :raises NoSpace: or :class:`StorageFailed`; it is not there.
        """
        with storage_errors(self._info.upload_id):
            self._put_record(synced_offset)

    def _put_record(self, synced_offset: int = 0) -> None:
        strict = self._shelf.durability is Durability.STRICT
        self._shelf.put(self.record(synced_offset), synced=strict)

    def undo(self) -> None:
        """Take everything back, as far as that is possible."""
        layout, upload_id = self._shelf.layout, self._info.upload_id
        paths = [layout.record(upload_id), self.path]
        if self._has_own_path:
            paths.append(layout.temporary(upload_id))
        for path in paths:
            with suppress(OSError, LockLost):
                self._shelf.take_away(path)
        self._remove_directories()

    def record(self, synced_offset: int = 0) -> Record:
        """Return the record that :meth:`commit` writes."""
        return Record(
            self._info,
            self._info.state,
            self.path,
            self._shelf.durability,
            self._shelf.host,
            synced_offset,
            self._shelf.seconds(),
            self._shelf.layout.record(self._info.upload_id),
        )

    def _create(self, path: str) -> int:
        shelf = self._shelf
        for _ in range(_ATTEMPTS):
            try:
                return shelf.files.create(path, shelf.file_mode)
            except FileNotFoundError:
                # Without the root: if that is gone its disk is, and nothing is made
                # instead.
                needed = shelf.layout.directories(path)[:-1]
                if not needed:
                    raise
                self._make_directories(reversed(needed))
        return shelf.files.create(path, shelf.file_mode)

    def _make_directories(self, needed: Iterable[str]) -> None:
        for directory in needed:
            if self._shelf.make_directory(directory):
                self._made.append(directory)

    def _remove_directories(self) -> None:
        for directory in reversed(self._made):
            with suppress(OSError):  # another upload has moved in
                self._shelf.files.remove_directory(directory)
