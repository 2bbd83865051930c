"""A writer of the file store takes bytes out of a pipe."""

from __future__ import annotations

import errno
import os

from zope.interface.verify import verifyObject

from tests.store.support import (
    FailCalls,
    Recorder,
    ShortWrites,
    StoreCase,
    intercepted,
    run,
)
from tustwisted.errors import NoSpace, StorageFailed, TusError
from tustwisted.lending import IDrainsPipes
from tustwisted.protocol.upload import UploadState
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.store.writer import MARK_SECONDS, WRITE_OUT_BYTES, FileWriter


class DrainTests(StoreCase):
    """What was in the pipe is in the file."""

    def setUp(self) -> None:
        """Make a pipe."""
        super().setUp()
        self.reader, self.filler = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, self.reader)
        self.addCleanup(os.close, self.filler)

    def open(self, files: IFiles | None = None, content: bytes = b"ab") -> FileWriter:
        """Open an upload that has some bytes."""
        self.store = self.make(files=files or OsFiles())
        self.begin(self.store, content, None)
        writer = run(self.store.open_writer("u", len(content)))
        self.addCleanup(writer.close)
        assert isinstance(writer, FileWriter)
        return writer

    def left(self) -> bytes:
        """Take what is left in the pipe."""
        try:
            return os.read(self.reader, 100)
        except BlockingIOError:
            return b""

    def test_provides_the_interface(self) -> None:
        """A writer of files drains pipes."""
        verifyObject(IDrainsPipes, self.open())

    def test_bytes_go_to_the_end(self) -> None:
        """They follow what is stored, and the offset moves; others stay."""
        writer = self.open()
        os.write(self.filler, b"cdefg")
        writer.drain(self.reader, 3)
        self.assertEqual(writer.offset, 5)
        writer.write([b"X"])
        self.assertEqual(self.content("u"), b"abcdeX")
        self.assertEqual(self.left(), b"fg")

    def test_written_out_early(self) -> None:
        """The device gets them while they come, so that the last sync is short."""
        calls: list[str] = []
        writer = self.open(intercepted(OsFiles(), Recorder(calls)))
        piece = bytes(64 * 1024)
        for _ in range(WRITE_OUT_BYTES // len(piece)):
            self.assertNotIn("write_out", calls)
            os.write(self.filler, piece)
            writer.drain(self.reader, len(piece))
        self.assertEqual(calls.count("write_out"), 1)

    def test_short_writes_go_on(self) -> None:
        """A file that takes little at a time gets everything."""
        writer = self.open(ShortWrites(2))
        os.write(self.filler, b"cdefg")
        writer.drain(self.reader, 5)
        self.assertEqual(self.content("u"), b"abcdefg")

    def test_failures(self) -> None:
        """An error is the writer's last word, and the rest stays in the pipe."""
        for error, told in ((errno.ENOSPC, NoSpace), (errno.EIO, StorageFailed)):
            self.directory = self.mktemp()
            writer = self.open(intercepted(OsFiles(), FailCalls("splice", error)))
            os.write(self.filler, b"c")
            self.assertRaises(told, writer.drain, self.reader, 1)
            self.assertEqual(writer.offset, 2)
            self.assertRaises(StorageFailed, writer.drain, self.reader, 1)
            self.assertEqual(self.left(), b"c")
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_full_in_the_middle(self) -> None:
        """What fitted counts."""
        writer = self.open(_Full(3))
        os.write(self.filler, b"cdefg")
        self.assertRaises(NoSpace, writer.drain, self.reader, 5)
        self.assertEqual((writer.offset, writer.settle()), (5, 5))
        self.assertEqual((self.content("u"), self.left()), (b"abcde", b"fg"))

    def test_file_that_takes_nothing(self) -> None:
        """That is an error, and no endless loop."""
        writer = self.open(ShortWrites(0), content=b"")
        os.write(self.filler, b"c")
        self.assertRaises(StorageFailed, writer.drain, self.reader, 1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_takes_no_bytes(self) -> None:
        """Neither does a writer that was closed, nor an upload past receiving."""
        os.write(self.filler, b"c")
        closed = self.open()
        closed.close()
        run(self.store.set_state("u", UploadState.FINISHING))
        past = run(self.store.open_writer("u", 2))
        self.addCleanup(past.close)
        assert isinstance(past, FileWriter)
        for writer in (closed, past):
            self.assertRaises(TusError, writer.drain, self.reader, 1)
        self.assertEqual(self.left(), b"c")

    def test_waits_for_no_device(self) -> None:
        """A sync that is due is left to the next write, which may be of no bytes."""
        writer = self.open()
        os.write(self.filler, b"cd")
        writer.drain(self.reader, 1)
        self.now_s += MARK_SECONDS
        writer.drain(self.reader, 1)
        self.assertTrue(writer.sync_due)
        self.assertLess(writer.synced_offset, 4)
        writer.write(())
        self.assertFalse(writer.sync_due)
        self.assertEqual(writer.synced_offset, 4)


class _Full(OsFiles):
    """A disk with room for a few bytes more."""

    def __init__(self, room: int) -> None:
        self._room = room

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """Write what fits."""
        if not self._room:
            raise OSError(errno.ENOSPC, "full")
        written = super().splice(pipe, fd, min(self._room, size_bytes), offset)
        self._room -= written
        return written
