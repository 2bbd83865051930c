"""
How a final upload comes to be on a shelf: the bytes of others, then its record (D13).

The record is the commit point as in any creation, so that until the last byte is there
nobody can see the upload, and what a crash leaves is an orphan for the sweeper.  No
lock is taken: finished uploads do not change, and one that is removed while its bytes
are copied stays readable until they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from tustwisted.errors import (
    TusError,
    UploadInterrupted,
    UploadNotFinished,
    UploadNotFound,
)
from tustwisted.interfaces import IDisk
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.copying import STEP_BYTES, copy_some
from tustwisted.store.creation import Creation
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen, look_up
from tustwisted.store.reader import open_seen
from tustwisted.store.records import encode_record
from tustwisted.store.shelf import Shelf

_CLOSED = -1


async def concatenate(
    work: Concatenation, disk: IDisk, is_wanted: Callable[[], bool]
) -> None:
    """
    Do the work; see :class:`tustwisted.abilities.IConcatenates` for what it may raise.

    Each step is a job of its own, so that large copies share the threads fairly, with
    each other and with small ones.  Syncing is left to the same threads: it may take
    minutes, for which the syncs of others must not wait.
    """
    _require(is_wanted)
    await disk.copy(work.begin)
    try:
        is_whole = False
        while not is_whole:
            _require(is_wanted)
            is_whole = await disk.copy(work.step)
        _require(is_wanted)
        await disk.copy(work.commit)
    except TusError:
        await disk.copy(work.undo)
        raise


def _require(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise UploadInterrupted


@define(eq=False, repr=False)
class Concatenation:
    """
    One final upload in the making.

    Its methods block; they are called from any thread, but never from two at once.
    """

    _shelf: Shelf
    _info: UploadInfo
    """The upload to be; its length is that of its parts together."""

    _creation: Creation = field(init=False)
    _parts: deque[Seen] = field(init=False, factory=deque)
    """What is still to be copied."""

    _source: int = field(init=False, default=_CLOSED)
    """The first of these, once it is open."""

    _read_bytes: int = field(init=False, default=0)
    """How much of that is copied."""

    _target: int = field(init=False, default=_CLOSED)
    _written_bytes: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._creation = Creation(self._shelf, self._info)

    @property
    def path(self) -> str:
        """Of the data file."""
        return self._creation.path

    def begin(self) -> None:
        """
        See that all parts are finished, then create the data file.

        When this fails nothing remains; later the caller must :meth:`undo`.

        :raises UploadNotFound: a part is not there.
        :raises UploadNotFinished: one is not finished, or they have another length.
        :raises InvalidMetadata: the record is too long to be kept.
        :raises UploadExists: the id is taken.
        :raises NoSpace: or :class:`StorageFailed`.
        """
        encode_record(self._creation.record())  # a refusal after the copy comes late
        ids = self._info.partial_uploads
        seen = {part: look_up(self._shelf, part) for part in dict.fromkeys(ids)}
        if any(s.info.state is not UploadState.FINISHED for s in seen.values()):
            raise UploadNotFinished
        self._parts.extend(seen[part] for part in ids)
        if sum(part.info.offset for part in self._parts) != self._info.length:
            raise UploadNotFinished
        self._target = self._creation.open()

    def step(self) -> bool:
        """
        Copy some bytes, of as many parts as these have.

        :returns: whether all are copied.
        :raises UploadNotFound: a part was removed, or is shorter than it was.
        :raises NoSpace: or :class:`StorageFailed`.
        """
        begin = self._written_bytes
        with storage_errors(self._info.upload_id):
            while self._parts and self._written_bytes - begin < STEP_BYTES:
                self._copy_some(begin + STEP_BYTES - self._written_bytes)
            if self._shelf.durability.syncs:
                length = self._written_bytes - begin
                self._shelf.files.write_out(self._target, begin, length)
        return not self._parts

    def _copy_some(self, most_bytes: int) -> None:
        part = self._parts[0]
        if self._source == _CLOSED:
            self._source = open_seen(self._shelf, part)
            self._read_bytes = 0
        count = min(most_bytes, part.info.offset - self._read_bytes)
        if count:
            copied = copy_some(
                self._shelf.files,
                self._source,
                self._read_bytes,
                self._target,
                self._written_bytes,
                count=count,
            )
            if not copied:
                raise UploadNotFound  # somebody has cut it off
            self._read_bytes += copied
            self._written_bytes += copied
        if self._read_bytes == part.info.offset:
            self._parts.popleft()
            source, self._source = self._source, _CLOSED
            self._shelf.files.close(source)

    def commit(self) -> None:
        """
        Make the bytes as safe as promised, then write the record.

        Synced, bytes and names, even where an unfinished upload need not be: nobody
        could send again what a power loss would take from a final one.

        :raises NoSpace: or :class:`StorageFailed`; the upload is not there.
        """
        files, syncs = self._shelf.files, self._shelf.durability.syncs
        with storage_errors(self._info.upload_id):
            if syncs:
                files.fdatasync(self._target)
                upload_id, path = self._info.upload_id, self.path
                for directory in self._shelf.directories(upload_id, path):
                    files.sync_directory(directory)
            target, self._target = self._target, _CLOSED
            files.close(target)
        self._creation.commit(self._written_bytes if syncs else 0)

    def undo(self) -> None:
        """Take everything back, the record too, as far as that is possible."""
        for fd in (self._source, self._target):
            if fd != _CLOSED:
                with suppress(OSError):
                    self._shelf.files.close(fd)
        self._source = self._target = _CLOSED
        self._creation.undo()
