"""The store of the documentation keeps the contract of every store."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sqlite_store import SqliteStore, make_store
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import TestCase

from tustwisted.disk import Disk
from tustwisted.errors import (
    DirectoryInUse,
    NoSpace,
    StorageFailed,
    StoreUnusable,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.testing import ImmediateDisk, StoreContract
from tustwisted.testing_abilities import DefersLengthContract
from tustwisted.testing_restarts import RestartContract


def small_storage(room_bytes: int) -> Callable[[int, memoryview, int], int]:
    """Return a ``pwrite`` that knows how full a storage is."""
    room = room_bytes

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "no space left")
        written = os.pwrite(fd, data[:room], offset)
        room -= written
        return written

    return pwrite


# -- the contract
class SqliteStoreTests(StoreContract, RestartContract, DefersLengthContract, TestCase):
    """The contracts, with every call made in place."""

    def make_disk(self) -> IDisk:
        """Return the disk to use."""
        return ImmediateDisk()

    async def start(self, store: SqliteStore) -> SqliteStore:
        """Start a store that is stopped after the test."""
        await store.start()
        self.addCleanup(store.stop)
        return store

    async def make_store(self) -> SqliteStore:
        """Return a store on an empty directory."""
        return await self.start(SqliteStore(self.mktemp(), self.make_disk()))

    async def make_full_store(self, room_bytes: int) -> SqliteStore:
        """Return a store with room for a few bytes."""
        pwrite = small_storage(room_bytes)
        return await self.start(
            SqliteStore(self.mktemp(), self.make_disk(), pwrite=pwrite)
        )

    async def make_again(self, store: IDataStore) -> SqliteStore:
        """Return a store where another one was."""
        assert isinstance(store, SqliteStore)
        return await self.start(SqliteStore(store.directory, self.make_disk()))

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Read the file, which is not there before the first writer."""
        assert isinstance(store, SqliteStore)
        path = store._find(upload_id)[1]
        return path.read_bytes() if path.exists() else b""


class SqliteStoreInThreadsTests(SqliteStoreTests):
    """The same with the threads of the daemon."""

    def make_disk(self) -> IDisk:
        """Return a disk with threads, joined after the test."""
        disk = Disk(IReactorFromThreads(reactor))
        disk.start()
        self.addCleanup(disk.stop)
        return disk


# -- the contract ends
class OwnPromisesTests(TestCase):
    """What this store promises beyond the contract."""

    def setUp(self) -> None:
        """Choose a directory."""
        self.directory = self.mktemp()

    async def start(self, fsync: Callable[[int], None] = os.fsync) -> SqliteStore:
        """Start a store that is stopped after the test."""
        store = SqliteStore(self.directory, ImmediateDisk(), fsync=fsync)
        await store.start()
        self.addCleanup(store.stop)
        return store

    async def upload(self, store: SqliteStore) -> None:
        """Store the three bytes of an upload that has no more."""
        await store.create(UploadInfo("u", 3))
        writer = await store.open_writer("u", 0)
        writer.write([b"abc"])
        writer.close()

    def test_dies_at_each_line(self) -> None:
        """Killed before whichever line, it keeps every promise (T-020)."""
        program = Path(__file__).with_name("dies_at_each_line.py")
        done = subprocess.run(
            [sys.executable, program, self.directory],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreater(int(done.stdout), 200)

    def test_making_it_opens_nothing(self) -> None:
        """The factory touches no directory: the daemon has not forked yet (D12)."""
        make_store(self.directory, ImmediateDisk())
        self.assertFalse(os.path.exists(self.directory))

    async def test_second_store_on_a_directory_is_refused(self) -> None:
        """Two never share a directory, and the second one touches nothing (T-240)."""
        await self.start()
        second = SqliteStore(self.directory, ImmediateDisk())
        with self.assertRaises(DirectoryInUse):
            await second.start()
        await second.stop()  # which is harmless

    async def test_what_is_no_database_is_named(self) -> None:
        """A file that is no database ends the start with a sentence, and is kept."""
        os.mkdir(self.directory)
        path = Path(self.directory, "records.sqlite3")
        path.write_text("nonsense" * 1000)
        for _ in range(2):  # nothing stays taken
            with self.assertRaises(StoreUnusable) as caught:
                await SqliteStore(self.directory, ImmediateDisk()).start()
            self.assertIn("not a database", str(caught.exception))
        self.assertEqual(path.read_text(), "nonsense" * 1000)

    async def test_directory_that_cannot_be_made_is_named(self) -> None:
        """A file in the way ends the start with a sentence."""
        Path(self.directory).write_text("")
        with self.assertRaises(StoreUnusable) as caught:
            await SqliteStore(self.directory, ImmediateDisk()).start()
        self.assertIn("not a directory", str(caught.exception))

    async def test_full_database(self) -> None:
        """A record for which there is no room is no upload."""
        store = await self.start()
        pages = store._changing.read("PRAGMA page_count")[0][0]
        store._changing.change(f"PRAGMA max_page_count = {pages}")
        created = 0
        with self.assertRaises(NoSpace):
            for created in range(1000):
                await store.create(UploadInfo(f"u{created}", 3))
        self.assertGreater(created, 1)
        self.assertEqual((await store.info(f"u{created - 1}")).offset, 0)
        with self.assertRaises(UploadNotFound):
            await store.info(f"u{created}")

    async def test_finished_is_synced_first(self) -> None:
        """Bytes and the name of their file are synced before the state is set."""
        synced: list[str] = []

        def fsync(fd: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))
            synced.append(path.parent.name if path.is_file() else path.name)

        store = await self.start(fsync)
        await self.upload(store)
        synced.clear()
        await store.set_state("u", UploadState.FINISHED)
        # The file, which lies in bytes/, and then bytes/ itself.
        self.assertEqual(synced, ["bytes", "bytes"])

    async def test_failed_sync(self) -> None:
        """What could not be synced has to come again before it can be finished."""
        fails = False

        def fsync(fd: int) -> None:
            if fails:
                raise OSError(errno.EIO, "input/output error")

        store = await self.start(fsync)
        await self.upload(store)
        fails = True
        with self.assertRaises(StorageFailed):
            await store.set_state("u", UploadState.FINISHED)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        fails = False
        info = await store.info("u")
        self.assertEqual((info.offset, info.state), (0, UploadState.RECEIVING))

    async def test_bytes_that_were_taken_away(self) -> None:
        """A finished upload without its bytes is none, but can be removed."""
        store = await self.start()
        await self.upload(store)
        await store.set_state("u", UploadState.FINISHED)
        store._find("u")[1].unlink()
        with self.assertRaises(UploadNotFound):
            await store.info("u")
        await store.remove("u")
        await self.upload(store)

    async def test_after_a_stop(self) -> None:
        """A call that comes too late is refused, and the log says why."""
        store = await self.start()
        await store.stop()
        with self.assertRaises(StorageFailed):
            await store.info("u")
        self.assertEqual(len(self.flushLoggedErrors()), 1)
