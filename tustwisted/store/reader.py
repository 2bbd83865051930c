"""Reading a finished upload that is a file; needs no lock."""

from __future__ import annotations

import errno

from attrs import define
from zope.interface import implementer

from tustwisted.abilities import IHasDescriptor, IUploadReader
from tustwisted.errors import StorageFailed, UploadNotFinished, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.failures import NOTHING_THERE, storage_error, storage_errors
from tustwisted.store.ifiles import IFiles
from tustwisted.store.lookup import Seen, look_up
from tustwisted.store.shelf import Shelf


@implementer(IUploadReader, IHasDescriptor)
@define(eq=False, repr=False)
class FileReader:
    """Holds the data file open, so that it can be read after it was removed."""

    info: UploadInfo
    """See :attr:`tustwisted.abilities.IUploadReader.info`."""

    _files: IFiles
    _fd: int | None

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See :meth:`tustwisted.abilities.IUploadReader.read`."""
        fd = self.fileno()
        missing = min(size_bytes, self.info.offset - offset)
        pieces = []
        with storage_errors(self.info.upload_id):
            while missing > 0:
                piece = self._files.pread(fd, missing, offset)
                if not piece:  # a short download must not pass for a whole one
                    raise OSError(errno.EIO, "the file was cut off")
                pieces.append(piece)
                offset += len(piece)
                missing -= len(piece)
        return b"".join(pieces)

    def fileno(self) -> int:
        """See :meth:`tustwisted.abilities.IHasDescriptor.fileno`."""
        if self._fd is None:
            raise StorageFailed
        return self._fd

    def close(self) -> None:
        """Close the file; to free the blocks of a removed one may take seconds."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with storage_errors(self.info.upload_id):
                self._files.close(fd)


def open_reader(shelf: Shelf, upload_id: str) -> FileReader:
    """
    Open a finished upload.

    :raises UploadNotFound: no such upload, or it was removed in this moment.
    :raises UploadNotFinished: it is not finished.
    :raises StorageFailed: the file system would not let it be read.
    """
    seen = look_up(shelf, upload_id)
    if seen.state is not UploadState.FINISHED:
        raise UploadNotFinished
    return FileReader(seen.info, shelf.files, open_seen(shelf, seen))


def open_seen(shelf: Shelf, seen: Seen) -> int:
    """
    Open the data file of an upload that was looked up before.

    :returns: the descriptor.
    :raises UploadNotFound: it was removed since, or another one has its id.
    :raises StorageFailed: the file system would not let it be read.
    """
    upload_id = seen.upload_id
    try:
        fd = shelf.files.open_to_read(seen.path)
    except OSError as error:
        if error.errno in NOTHING_THERE:
            raise UploadNotFound from None
        raise storage_error(error, upload_id) from None
    try:
        _require_same(shelf, fd, seen)
    except BaseException:
        with storage_errors(upload_id):
            shelf.files.close(fd)
        raise
    return fd


def _require_same(shelf: Shelf, fd: int, seen: Seen) -> None:
    """Refuse the file of another upload that got the id after we looked."""
    with storage_errors(seen.upload_id):
        stat = shelf.files.stat_open(fd)
    modified_s = max(seen.record.info.created_s, stat.modified_s)
    if (stat.size, modified_s) != (seen.size, seen.modified_s):
        raise UploadNotFound
