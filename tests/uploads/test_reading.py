"""Reading finished uploads, without HTTP."""

from __future__ import annotations

import os
import socket
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import run
from tests.web.readers import ReadingDisk, WatchedStore, WriteOnly
from tustwisted.errors import (
    ExtensionDisabled,
    ServerShutdown,
    StorageFailed,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadState
from tustwisted.stopping import StopTimes
from tustwisted.store.file import FileStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.reading import Reading
from tustwisted.uploads.uploads import Uploads


class ReadingCase(SynchronousTestCase):
    """Has uploads, one of them finished."""

    def setUp(self) -> None:
        self.start(WatchedStore(), ImmediateDisk())

    def start(self, store: WatchedStore, disk: IDisk) -> None:
        """Make uploads, and one of five bytes."""
        self.clock = Clock()
        self.store = store
        self.uploads = Uploads(store, MemoryLocker(self.clock), disk, self.clock)
        self.successResultOf(Deferred.fromCoroutine(self.uploads.start()))
        created = self.uploads.create(5, Metadata(), "u")
        self.successResultOf(created)
        self.successResultOf(Deferred.fromCoroutine(self._fill()))

    async def _fill(self) -> None:
        writer = await self.store.open_writer("u", 0)
        writer.write([b"abcde"])
        writer.close()
        await self.store.set_state("u", UploadState.FINISHED)

    def open(self, upload_id: str = "u") -> Deferred[Reading]:
        """Begin to open."""
        return Deferred.fromCoroutine(self.uploads.open(upload_id))

    def read(self, reading: Reading, offset: int, size: int) -> Deferred[bytes]:
        """Begin to read."""
        return Deferred.fromCoroutine(reading.read(offset, size))


class OpenTests(ReadingCase):
    """What can be opened."""

    def test_finished(self) -> None:
        """A finished upload is read in any order, until it is closed."""
        reading = self.successResultOf(self.open())
        self.assertEqual(reading.info.upload_id, "u")
        for offset, size, expected in ((3, 5, b"de"), (0, 2, b"ab"), (5, 1, b"")):
            found = self.successResultOf(self.read(reading, offset, size))
            self.assertEqual(found, expected)
        self.assertEqual(self.store.open_readers, 1)
        reading.close()
        reading.close()
        self.assertEqual(self.store.open_readers, 0)
        self.failureResultOf(self.read(reading, 0, 1), ServerShutdown)

    def test_others(self) -> None:
        """What is not finished, is not there or is no id, is not found (T-206)."""
        self.successResultOf(self.uploads.create(5, Metadata(), "begun"))
        for upload_id in ("begun", "unknown", "../u", ""):
            self.failureResultOf(self.open(upload_id), UploadNotFound)
        for state in (UploadState.FINISHING, UploadState.FINISH_FAILED):
            done = Deferred.fromCoroutine(self.store.set_state("u", state))
            self.successResultOf(done)
            self.failureResultOf(self.open(), UploadNotFound)

    def test_no_lock(self) -> None:
        """Who holds the lock is not asked for it (T-237)."""
        self.successResultOf(self.uploads.locker.acquire("u", self.fail, 1))
        self.successResultOf(self.open()).close()

    def test_store_that_cannot(self) -> None:
        """A store without the ability is said to have none."""
        uploads = Uploads(
            cast(IDataStore, WriteOnly(self.store)),
            MemoryLocker(self.clock),
            ImmediateDisk(),
            self.clock,
        )
        self.assertTrue(self.uploads.can_read)
        self.assertFalse(uploads.can_read)
        self.successResultOf(Deferred.fromCoroutine(uploads.start()))
        opened = Deferred.fromCoroutine(uploads.open("u"))
        self.failureResultOf(opened, ExtensionDisabled)

    def test_cancelled(self) -> None:
        """When nobody waits any more, what was opened is closed (T-221)."""
        self.store.opening = Deferred()
        opening = self.open()
        opening.cancel()
        self.failureResultOf(opening, CancelledError)
        self.store.opening.callback(None)
        self.assertEqual(len(self.store.readers), 1)
        self.assertEqual(self.store.open_readers, 0)

    def test_cancelled_in_vain(self) -> None:
        """Neither does an error that comes too late disturb anybody (T-221)."""
        self.store.opening = Deferred()
        opening = self.open()
        opening.cancel()
        self.failureResultOf(opening, CancelledError)
        self.store.opening.errback(StorageFailed())
        self.assertEqual(self.flushLoggedErrors(), [])


class JobTests(ReadingCase):
    """Reads that take their time."""

    def setUp(self) -> None:
        self.disk = ReadingDisk()
        self.start(WatchedStore(), self.disk)
        self.reading = self.successResultOf(self.open())

    def test_close_waits(self) -> None:
        """An upload that is being read is closed after that, never meanwhile."""
        found = self.read(self.reading, 0, 5)
        self.reading.close()
        self.disk.do_one()
        self.assertEqual(self.successResultOf(found), b"abcde")
        self.disk.do_all()
        self.assertEqual(self.store.open_readers, 0)

    def test_cancelled(self) -> None:
        """So it is when who reads has been cancelled."""
        found = self.read(self.reading, 0, 5)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.reading.close()
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.do_all()
        self.assertEqual(self.store.open_readers, 0)

    def test_goes_on_after_a_cancellation(self) -> None:
        """When that read has ended, the next one may begin."""
        found = self.read(self.reading, 0, 5)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.disk.do_all()
        found = self.read(self.reading, 1, 2)
        self.disk.do_all()
        self.assertEqual(self.successResultOf(found), b"bc")

    def test_nothing_is_kept(self) -> None:
        """What was read is not kept: it may be much."""
        for _ in range(2):
            found = self.read(self.reading, 0, 5)
            self.disk.do_one()
            self.assertEqual(self.successResultOf(found), b"abcde")
            self.assertIsNone(self.reading._job)


class FileTests(SynchronousTestCase):
    """Uploads that are files, of which the kernel knows what is in memory."""

    def setUp(self) -> None:
        """Open an upload of a million bytes, on a disk that waits for the test."""
        self.directory = self.mktemp()
        clock, self.disk = Clock(), ReadingDisk()
        store = FileStore(self.directory, ImmediateDisk())
        self.uploads = Uploads(store, MemoryLocker(clock), self.disk, clock)
        run(self.uploads.start())
        self.successResultOf(self.uploads.create(1_000_000, Metadata(), "u"))
        self.path = os.path.join(self.directory, "u")
        with open(self.path, "wb") as file:
            file.write(bytes(500_000) + b"x" * 500_000)
        run(store.set_state("u", UploadState.FINISHED))
        self.reading = run(self.uploads.open("u"))
        self.addCleanup(self.disk.do_all)
        self.addCleanup(self.reading.close)
        self.near, self.far = socket.socketpair()
        for end in (self.near, self.far):
            self.addCleanup(end.close)
        self.near.setblocking(False)

    def send(self, offset: int, size: int) -> int:
        """Send some bytes."""
        return self.reading.send(offset, size, self.near.fileno())

    def test_what_is_at_hand_is_read_at_once(self) -> None:
        """No thread is asked for what is in memory, up to the upload's end."""
        with open(self.path, "ab") as file:
            file.write(b"surplus")
        reading = Deferred.fromCoroutine(self.reading.read(999_998, 10))
        tells = self.reading.is_at_hand(999_998, 2)
        self.assertEqual(len(self.disk.waiting), not tells)
        self.disk.do_all()
        self.assertEqual(self.successResultOf(reading), b"xx")

    def test_fetched_in_a_thread(self) -> None:
        """The disk is waited for in a thread, and the close waits for that."""
        fetching = Deferred.fromCoroutine(self.reading.fetch(0, 500_000, 1_000_000))
        self.reading.close()
        fetching.cancel()
        self.failureResultOf(fetching, CancelledError)
        self.assertNoResult(self.reading.when_closed())
        self.disk.do_all()
        self.successResultOf(self.reading.when_closed())

    def test_sent(self) -> None:
        """What is sent are the upload's bytes."""
        self.assertTrue(self.reading.can_send)
        self.assertEqual(self.send(499_999, 3), 3)
        self.assertEqual(self.far.recv(10), b"\0xx")

    def test_cut_off(self) -> None:
        """A file that somebody has cut off fails, in either way."""
        os.truncate(self.path, 10)
        fetching = Deferred.fromCoroutine(self.reading.fetch(0, 100, 100))
        self.disk.do_all()
        self.failureResultOf(fetching, StorageFailed)
        self.assertRaises(StorageFailed, self.send, 10, 1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)

    def test_closed(self) -> None:
        """What is closed is closed at once, and its descriptor used no more."""
        self.reading.close()
        self.successResultOf(self.reading.when_closed())
        self.assertRaises(ServerShutdown, self.send, 0, 1)
        self.assertRaises(ServerShutdown, self.reading.is_at_hand, 0, 1)
        fetching = Deferred.fromCoroutine(self.reading.fetch(0, 1, 1))
        self.failureResultOf(fetching, ServerShutdown)

    def test_closed_after_its_removal(self) -> None:
        """The file of a removed upload is closed in a thread: that frees its blocks."""
        os.unlink(self.path)
        self.reading.close()
        self.assertNoResult(self.reading.when_closed())
        self.disk.do_one()
        self.successResultOf(self.reading.when_closed())


class StopTests(ReadingCase):
    """The uploads stop while somebody reads."""

    def stop(self) -> Deferred[None]:
        """Begin to stop."""
        return Deferred.fromCoroutine(self.uploads.stop())

    def test_waits(self) -> None:
        """Who reads has a moment to come to his end (T-241)."""
        readings = [self.successResultOf(self.open()) for _ in range(2)]
        stopped = self.stop()
        for reading in readings:
            self.assertNoResult(stopped)
            self.successResultOf(self.read(reading, 0, 5))
            reading.close()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_for_ever(self) -> None:
        """Then he is refused, and the upload is closed (T-241)."""
        reading = self.successResultOf(self.open())
        stopped = self.stop()
        self.clock.advance(StopTimes().readers_s)
        self.successResultOf(stopped)
        self.assertEqual(self.store.open_readers, 0)
        self.failureResultOf(self.read(reading, 0, 5), ServerShutdown)
        reading.close()

    def test_refused(self) -> None:
        """Nothing is opened when the uploads do not run, and nothing stays open."""
        self.store.opening = Deferred()
        late = self.open()
        stopped = self.stop()
        self.failureResultOf(self.open(), ServerShutdown)
        self.assertNoResult(stopped)  # the store is in use
        self.store.opening.callback(None)
        self.successResultOf(stopped)
        self.failureResultOf(late, ServerShutdown)
        self.assertEqual(self.store.open_readers, 0)

    def test_can_be_started_again(self) -> None:
        """Uploads that were stopped and started are read as before."""
        self.successResultOf(self.stop())
        self.successResultOf(Deferred.fromCoroutine(self.uploads.start()))
        self.successResultOf(self.open()).close()
