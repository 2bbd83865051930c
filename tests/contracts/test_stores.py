"""Every store keeps the same contract."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk, StoreContract
from tustwisted.testing_abilities import (
    DefersLengthContract,
    OpensJudgedContract,
    VerifiesChunksContract,
)
from tustwisted.testing_concatenation import ConcatenationContract
from tustwisted.testing_reads import ReadContract
from tustwisted.testing_restarts import RestartContract

_P = ParamSpec("_P")
_T = TypeVar("_T")


@implementer(IDisk)
@define(eq=False)
class ThreadedDisk:
    """A disk whose every call is made in a thread."""

    _pool: ThreadPool = field(factory=lambda: ThreadPool(0, 4))

    def start(self) -> None:
        """Start the threads."""
        self._pool.start()

    def stop(self) -> None:
        """Join the threads."""
        self._pool.stop()

    async def quick(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call in a thread."""
        return await deferToThreadPool(
            IReactorFromThreads(reactor), self._pool, f, *args, **kwargs
        )

    write = sync = read = copy = quick


@implementer(IFiles)
class SmallFiles(OsFiles):
    """A disk with room for a few data bytes."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Write what still fits; fail when nothing does."""
        fitting = b"".join(buffers)[: self._room_bytes]
        if not fitting and any(buffers):
            raise OSError(errno.ENOSPC, "no space left")
        self._room_bytes -= len(fitting)
        return super().pwritev(fd, [fitting], offset)

    def copy_range(
        self,
        source: int,
        source_offset: int,
        target: int,
        target_offset: int,
        count: int,
    ) -> int:
        """Copy what still fits; fail when nothing does."""
        content = self.pread(source, count, source_offset)
        return self.pwritev(target, [content], target_offset)


class _EveryContract(
    StoreContract,
    ConcatenationContract,
    DefersLengthContract,
    ReadContract,
    VerifiesChunksContract,
):
    """What both stores of the package can do."""


class MemoryStoreTests(_EveryContract, TestCase):
    """The contract on MemoryStore."""

    async def make_store(self) -> MemoryStore:
        """Return an empty store."""
        return MemoryStore()

    async def make_full_store(self, room_bytes: int) -> MemoryStore:
        """Return a store with room for a few bytes."""
        return MemoryStore(capacity_bytes=room_bytes)

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Ask the store, which can tell."""
        assert isinstance(store, MemoryStore)
        return store.content(upload_id)

    async def test_several_uploads_share_the_capacity(self) -> None:
        """The capacity of a memory store is one for all of its uploads."""
        store = MemoryStore(capacity_bytes=4)
        self.assertEqual(store.room_bytes(), 4)
        self.assertIsNone(MemoryStore().room_bytes())


class _FileStoreContract(_EveryContract, OpensJudgedContract, RestartContract):
    durability = Durability.FINISH

    def make_disk(self) -> IDisk:
        """Return the disk to use."""
        return ImmediateDisk()

    async def make_store(self, files: IFiles | None = None) -> FileStore:
        """Return a store on an empty directory."""
        assert isinstance(self, TestCase)
        store = FileStore(
            self.mktemp(), self.make_disk(), self.durability, files=files or OsFiles()
        )
        await store.start()
        return store

    async def make_full_store(self, room_bytes: int) -> FileStore:
        """Return a store on a disk with room for a few bytes."""
        return await self.make_store(SmallFiles(room_bytes))

    async def make_again(self, store: IDataStore) -> FileStore:
        """Return a store on the same directory."""
        assert isinstance(store, FileStore)
        again = FileStore(store.directory, self.make_disk(), self.durability)
        await again.start()
        return again

    async def read(self, store: IDataStore, upload_id: str) -> bytes:
        """Read the data file."""
        assert isinstance(store, FileStore)
        with open(os.path.join(store.directory, upload_id), "rb") as file:
            return file.read()


class FileStoreFinishTests(_FileStoreContract, TestCase):
    """The contract on a FileStore that syncs what is finished."""


class FileStoreNoneTests(_FileStoreContract, TestCase):
    """The contract on a FileStore that never syncs."""

    durability = Durability.NONE


class FileStoreStrictTests(_FileStoreContract, TestCase):
    """The contract on a FileStore that syncs every offset."""

    durability = Durability.STRICT


class FileStoreInThreadsTests(_FileStoreContract, TestCase):
    """The contract on a FileStore with real threads."""

    def make_disk(self) -> IDisk:
        """Return a disk with threads, joined after the test."""
        assert isinstance(self, TestCase)
        disk = ThreadedDisk()
        disk.start()
        self.addCleanup(disk.stop)
        return disk


class DiskTests(TestCase):
    """The disks that stand in for the real one."""

    def test_provides_the_interface(self) -> None:
        """Both disks of the tests provide IDisk."""
        verifyObject(IDisk, ImmediateDisk())
        verifyObject(IDisk, ThreadedDisk())
