"""
Giving an upload another data file, since somebody may still write to its old one (D6).

The new one holds the bytes that count and no more.  It takes the name at one stroke, so
that the upload is there all the time; who has the old one open writes to a file without
a name.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from attrs import define, evolve, field

from tustwisted.errors import TusError
from tustwisted.interfaces import IDisk
from tustwisted.protocol.upload import UploadState
from tustwisted.store.copying import STEP_BYTES, copy_some
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen
from tustwisted.store.passage import Passage
from tustwisted.store.placement import look_up_to_change
from tustwisted.store.shelf import Shelf

_CLOSED = -1


def must_replace(shelf: Shelf, seen: Seen) -> bool:
    """
    Tell whether an upload needs another data file before it is written to.

    One past receiving does not: whoever put that in its record wrote no more, and had
    replaced the file if anybody else might.  One without a file gets it in this way,
    since the name must not be made by whoever has lost the claim.
    """
    return (
        shelf.passage is not None
        and seen.state is UploadState.RECEIVING
        and (shelf.passage.is_contested or seen.size is None)
    )


async def end_contest(shelf: Shelf, disk: IDisk, upload_id: str) -> None:
    """
    See that nobody else may write to a data file that is to become final.

    :raises TusError: as :func:`replace`.
    """
    passage = shelf.passage
    if passage is None or not passage.is_contested:
        return
    seen = await disk.quick(look_up_to_change, shelf, upload_id)
    if seen.size is not None and must_replace(shelf, seen):
        replaced = await replace(shelf, disk, seen)
        await disk.quick(replaced.close)


async def replace(shelf: Shelf, disk: IDisk, seen: Seen) -> Replacement:
    """
    Replace the data file of an upload that is claimed.

    :param seen: how it was found under the claim.
    :returns: what now is at its place, open for writing.
    :raises LockLost: there is a newer claim; nothing was changed.
    :raises NoSpace: nothing was changed.
    :raises StorageFailed: the old file, or one with the same bytes, is at its place.
    """
    assert shelf.passage is not None
    copy = Replacement(shelf, shelf.passage, seen)
    try:
        await disk.copy(copy.begin)
        while not await disk.copy(copy.step):
            pass
        await disk.copy(copy.publish)
    except TusError:
        await disk.copy(copy.close)
        raise
    return copy


@define(eq=False, repr=False)
class Replacement:
    """
    One copy of a data file.

    Its methods block; they are called from any thread, but never from two at once.
    """

    _shelf: Shelf
    _passage: Passage
    seen: Seen
    """The upload: as it was found and, once the copy is at its place, as it is."""

    _source: int = field(init=False, default=_CLOSED)
    _target: int = field(init=False, default=_CLOSED)
    _copied_bytes: int = field(init=False, default=0)

    def begin(self) -> None:
        """
        Open both files.

        :raises LockLost: there is a newer claim.
        :raises NoSpace: or :class:`StorageFailed`.
        """
        files = self._shelf.files
        with storage_errors(self.seen.upload_id):
            path = self._passage.content
            try:
                # What an attempt before this one has left is not built upon.
                with suppress(FileNotFoundError):
                    files.unlink(path)
                self._target = files.create(path, self._shelf.file_mode)
                if self.seen.offset:
                    self._source = files.open_to_read(self.seen.path)
            except OSError as error:
                self._passage.require_after(error)
                raise

    def step(self) -> bool:
        """
        Copy some bytes.

        :returns: whether all are copied.
        :raises LockLost: there is a newer claim.
        :raises NoSpace: or :class:`StorageFailed`.
        """
        files, begin = self._shelf.files, self._copied_bytes
        end = min(self.seen.offset, begin + STEP_BYTES)
        with storage_errors(self.seen.upload_id):
            self._passage.require()
            while self._copied_bytes < end:
                at = self._copied_bytes
                copied = copy_some(
                    files, self._source, at, self._target, at, count=end - at
                )
                if not copied:
                    raise OSError(errno.EIO, "the file was cut off", self.seen.path)
                self._copied_bytes += copied
            if self._shelf.durability.syncs:
                files.write_out(self._target, begin, end - begin)
        return end == self.seen.offset

    def publish(self) -> None:
        """
        Put the copy at its place, as safe as what the record says of the old file.

        :raises LockLost: there is a newer claim; nothing was changed.
        :raises NoSpace: or :class:`StorageFailed`.
        """
        files, syncs = self._shelf.files, self._shelf.durability.syncs
        path, upload_id = self._passage.content, self.seen.upload_id
        with storage_errors(upload_id):
            if syncs:
                files.fdatasync(self._target)
            try:
                files.replace(path, self.seen.path)
            except OSError as error:
                self._passage.require_file(path, error)
                raise
            if syncs:
                # Before any record tells of bytes that the old file does not have.
                for directory in self._shelf.directories(upload_id, self.seen.path):
                    files.sync_directory(directory)
            self._passage.end_contest()
            self.seen = evolve(self.seen, size=self._copied_bytes)
            source, self._source = self._source, _CLOSED
            if source != _CLOSED:
                files.close(source)

    def detach(self) -> int:
        """Return the descriptor of the copy, which is the caller's from now on."""
        fd, self._target = self._target, _CLOSED
        return fd

    def close(self) -> None:
        """Let go of both files, and of a copy that is not at its place."""
        self._close_files()
        with suppress(OSError):
            self._shelf.files.unlink(self._passage.content)

    def _close_files(self) -> None:
        for fd in (self._source, self._target):
            if fd != _CLOSED:
                with suppress(OSError):
                    self._shelf.files.close(fd)
        self._source = self._target = _CLOSED

    def __del__(self) -> None:
        """Close what was opened in a thread for a caller that was cancelled."""
        self._close_files()
