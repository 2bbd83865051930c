"""
Adding bytes to one data file, and noting how much of it is on the device.

Everything in here blocks, and is called from any thread but never from two at once.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.errors import LockLost, StorageFailed
from tustwisted.lending import IDrainsPipes
from tustwisted.store.durability import Durability
from tustwisted.store.failures import storage_error
from tustwisted.store.ifiles import IFiles

log = Logger()

MARK_BYTES = 256 * 1024 * 1024
"""So much may be lost when the power fails during a long upload (D3)."""

MARK_SECONDS = 30.0
"""Or what arrives in this time, seconds; also counted over many short PATCHes (D3)."""

WRITE_OUT_BYTES = 8 * 1024 * 1024
"""How much is gathered before the kernel is asked to write it out (D8: 8-32 MiB)."""

_MAX_BUFFERS = 1024
"""IOV_MAX of Linux: more buffers in one call are an error (EINVAL)."""

_TINY_BYTES = 512
"""Buffers below this on average are joined: to copy one costs less than to pass it."""

_CLOSED = -1


@implementer(IDrainsPipes)
@define(eq=False, repr=False)
class FileWriter:
    """
    Writes at explicit offsets; nothing of one upload is ever written twice at a time.

    :meth:`write` first syncs what was written before it when that is due, so that a
    crash of the machine costs at most :data:`MARK_BYTES` or :data:`MARK_SECONDS` of a
    long upload.
    """

    _files: IFiles
    _upload_id: str
    _fd: int
    offset: int
    """Where the next byte goes, bytes from the start; all before it are in the file."""

    synced_offset: int
    """How much is known to be on the device and noted in the record, bytes."""

    synced_at_s: float
    """When that was noted, seconds since 1970."""

    _durability: Durability
    _seconds: Callable[[], float]
    """Tells the time, seconds since 1970."""

    _mark: Callable[[int, float], None]
    """Notes a synced offset, and when, in the record, as safely as promised."""

    _require_claim: Callable[[], None] = lambda: None
    """Sees that nobody has claimed the upload since; raises LockLost or an OSError."""

    _usable: bool = True
    """No error yet, and the upload still takes bytes."""

    marks: bool = True
    """What is written may be called safe; not so what is in doubt."""

    _written_out: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start the early write-out where this writer starts."""
        self._written_out = self.offset

    @property
    def sync_due(self) -> bool:
        """
        See :attr:`tustwisted.interfaces.IUploadWriter.sync_due`.

        Under ``strict`` that is so whenever there are unsynced bytes: the next call
        may be ``settle``, which then waits; ``write`` waits only when a mark is due.
        """
        if not self.marks:
            return False
        strict = self._durability is Durability.STRICT
        return (strict and self.offset > self.synced_offset) or self._mark_due()

    def _mark_due(self) -> bool:
        waiting = self.offset - self.synced_offset
        if not (self.marks and self._durability.syncs) or waiting <= 0:
            return False
        elapsed_s = self._seconds() - self.synced_at_s
        # A clock that was set back says nothing: sync rather than wait for it.
        return waiting >= MARK_BYTES or not 0 <= elapsed_s < MARK_SECONDS

    def write(self, buffers: Sequence[bytes]) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.write`."""
        self.require_usable()
        if self._mark_due():
            self._sync()
        try:
            self._write_all(buffers)
        except OSError as error:
            self._usable = False
            raise storage_error(error, self._upload_id) from None
        self._write_out()

    def drain(self, pipe: int, size_bytes: int) -> None:
        """See :meth:`tustwisted.lending.IDrainsPipes.drain`."""
        self.require_usable()
        end = self.offset + size_bytes
        try:
            while self.offset < end:
                rest = end - self.offset
                moved = self._files.splice(pipe, self._fd, rest, self.offset)
                if not moved:
                    raise OSError(errno.EIO, "the file takes no bytes")
                self.offset += moved
        except OSError as error:
            self._usable = False
            raise storage_error(error, self._upload_id) from None
        self._write_out()

    def _write_out(self) -> None:
        """Have the kernel begin to bring to the device what has been gathered."""
        length = self.offset - self._written_out
        if self._durability.syncs and length >= WRITE_OUT_BYTES:
            self._files.write_out(self._fd, self._written_out, length)
            self._written_out = self.offset

    def require_usable(self) -> None:
        """
        Refuse to go on after an error, or when the upload takes no bytes.

        :raises StorageFailed: it is so.
        """
        if not self._usable:
            raise StorageFailed

    def _write_all(self, buffers: Sequence[bytes]) -> None:
        for start in range(0, len(buffers), _MAX_BUFFERS):
            rest = _joined_if_tiny(buffers[start : start + _MAX_BUFFERS])
            while rest:
                written = self._files.pwritev(self._fd, rest, self.offset)
                self.offset += written
                rest = _after(rest, written)
                if rest and not written:
                    raise OSError(errno.EIO, "the file takes no bytes")

    def settle(self) -> int:
        """See :meth:`tustwisted.interfaces.IUploadWriter.settle`."""
        if self.sync_due:
            self._sync()
        self.require_claim()
        return self.offset

    def require_claim(self) -> None:
        """
        See that what was written until now is in the upload.

        :raises LockLost: somebody has claimed the upload since.
        :raises StorageFailed: the file system does not tell.
        """
        try:
            self._require_claim()
        except LockLost:
            self._usable = False
            raise
        except OSError as error:
            raise storage_error(error, self._upload_id) from None

    def _sync(self) -> None:
        try:
            self._files.fdatasync(self._fd)
        except OSError as error:
            self._distrust()
            raise storage_error(error, self._upload_id) from None
        now_s = self._seconds()
        try:
            self._mark(self.offset, now_s)
        except Exception:
            self._usable = False
            raise
        self.synced_offset = self.offset
        self.synced_at_s = now_s

    def _distrust(self) -> None:
        """
        Give up the bytes that could not be synced.

        After a failed sync the kernel takes the pages for clean: the next sync would
        succeed without them.  So they have to be sent again.

        :raises LockLost: they are for somebody else to judge.
        """
        self._usable = False
        with suppress(StorageFailed):
            self.require_claim()
        try:
            self._files.truncate(self._fd, self.synced_offset)
        except OSError:
            log.failure("cannot cut off unsynced bytes", upload_id=self._upload_id)
        else:
            self.offset = self.synced_offset

    def fileno(self) -> int:
        """Return the descriptor of the data file; -1 once it is closed."""
        return self._fd

    def close(self) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.close`."""
        fd, self._fd, self._usable = self._fd, _CLOSED, False
        if fd == _CLOSED:
            return
        try:
            self._files.close(fd)
        except OSError as error:
            log.failure(
                "closing upload {upload_id} failed",
                Failure(error),
                upload_id=self._upload_id,
            )

    def __del__(self) -> None:
        """Close what was opened in a thread for a caller that was cancelled."""
        self.close()


def _joined_if_tiny(buffers: Sequence[bytes]) -> Sequence[bytes | memoryview]:
    if sum(map(len, buffers)) < _TINY_BYTES * len(buffers):
        return [b"".join(buffers)]
    return buffers


def _after(
    buffers: Sequence[bytes | memoryview], written: int
) -> list[bytes | memoryview]:
    """Return what a short write left over of some buffers."""
    for index, buffer in enumerate(buffers):
        if written < len(buffer):
            return [memoryview(buffer)[written:], *buffers[index + 1 :]]
        written -= len(buffer)
    return []
