"""Reading files: what lies on the disk, and what the disk does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, cast

from attrs import define
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.store.support import FailCalls, intercepted, run
from tustwisted.abilities import IHasDescriptor, IUploadReader
from tustwisted.errors import StorageFailed, UploadNotFinished, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk

CONTENT = bytes(range(256)) * 100


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


@define
class InPieces:
    """A disk that reads not more than 100 bytes at once."""

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, in part."""
        found = call()
        return found[:100] if name == "pread" else found


class ReaderTests(SynchronousTestCase):
    """A finished upload in a directory."""

    def setUp(self) -> None:
        """Store an upload."""
        self.directory = self.mktemp()
        self.path = os.path.join(self.directory, "u")
        store = self.store()
        self.put(store, "u", CONTENT)

    def store(self, files: IFiles | None = None) -> FileStore:
        """Open the directory."""
        store = FileStore(self.directory, ImmediateDisk(), files=files or OsFiles())
        run(store.start())
        return store

    def put(self, store: FileStore, upload_id: str, content: bytes) -> None:
        """Store a finished upload."""
        run(store.create(UploadInfo(upload_id, len(content))))
        writer = run(store.open_writer(upload_id, 0))
        writer.write([content])
        writer.settle()
        writer.close()
        run(store.set_state(upload_id, UploadState.FINISHED))

    def open(self, store: FileStore) -> IUploadReader:
        """Open the upload for the time of the test."""
        reader = run(store.open_reader("u"))
        self.addCleanup(reader.close)
        return reader

    def assert_not_opened(
        self, kind: type[Exception], store: FileStore | None = None
    ) -> None:
        """It is refused, and nothing stays open."""
        store = store or self.store()
        before = descriptors()
        self.assertRaises(kind, run, store.open_reader("u"))
        self.assertEqual(descriptors(), before)

    def test_short_reads(self) -> None:
        """A file system that gives less than asked for is asked again."""
        reader = self.open(self.store(intercepted(OsFiles(), InPieces())))
        self.assertEqual(reader.read(5, 20_000), CONTENT[5:20_005])

    def test_descriptor(self) -> None:
        """A reader holds one descriptor, and none when it is closed (T-221)."""
        before = descriptors()
        reader = self.open(self.store())
        self.assertEqual(descriptors(), before + 1)
        fd = cast(IHasDescriptor, reader).fileno()
        self.assertEqual(os.pread(fd, 10, 0), CONTENT[:10])
        reader.close()
        reader.close()
        self.assertEqual(descriptors(), before)
        self.assertRaises(StorageFailed, cast(IHasDescriptor, reader).fileno)

    def test_provides_the_ability(self) -> None:
        """The store's readers are files."""
        verifyObject(IHasDescriptor, self.open(self.store()))

    def test_read_error(self) -> None:
        """An error of the disk is logged, and said to be one."""
        reader = self.open(self.store(intercepted(OsFiles(), FailCalls("pread"))))
        self.assertRaises(StorageFailed, reader.read, 0, 10)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_file_that_was_cut_off(self) -> None:
        """A file that somebody cut off after it was opened is an error, no end."""
        reader = self.open(self.store())
        os.truncate(self.path, 100)
        self.assertEqual(reader.read(0, 100), CONTENT[:100])
        self.assertRaises(StorageFailed, reader.read, 0, 200)
        self.assertRaises(StorageFailed, reader.read, 100, 1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)

    def test_file_that_is_too_short(self) -> None:
        """One that was cut off before is not finished any more (T-206)."""
        os.truncate(self.path, 100)
        self.assert_not_opened(UploadNotFinished)

    def test_surplus(self) -> None:
        """What lies past the upload's length is not read."""
        with open(self.path, "ab") as file:
            file.write(b"surplus")
        reader = self.open(self.store())
        self.assertEqual(reader.read(len(CONTENT) - 2, 100), CONTENT[-2:])

    def test_upload_of_tusd(self) -> None:
        """One that tusd stored, which knows no states, is read when it is whole."""
        with open(f"{self.path}.info", "wb") as file:
            file.write(b'{"ID":"u","Size":%d}' % len(CONTENT))
        self.assertEqual(self.open(self.store()).read(0, 99_999), CONTENT)

    def test_nothing_there(self) -> None:
        """Without its file, or with something else there, it is not found (T-269)."""
        elsewhere = self.mktemp()
        os.rename(self.path, elsewhere)
        self.assert_not_opened(UploadNotFound)
        os.symlink(os.path.abspath(elsewhere), self.path)
        self.assert_not_opened(UploadNotFound)
        os.unlink(self.path)
        os.mkfifo(self.path)
        self.assert_not_opened(UploadNotFound)
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assert_not_opened(UploadNotFound)

    def replace_while_opening(self, replace: Callable[[], None]) -> FileStore:
        """Have a store in which something happens right before a file is opened."""

        def intercept(name: str, _: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "open_to_read":
                replace()
            return call()

        return self.store(intercepted(OsFiles(), intercept))

    def test_symlink_in_between(self) -> None:
        """A symlink that appears after we looked is not followed (T-269)."""
        elsewhere = self.mktemp()

        def replace() -> None:
            os.rename(self.path, elsewhere)
            os.symlink(os.path.abspath(elsewhere), self.path)

        store = self.replace_while_opening(replace)
        self.assert_not_opened(UploadNotFound, store)

    def test_fifo_in_between(self) -> None:
        """A FIFO that appears holds nobody (T-269)."""

        def replace() -> None:
            os.unlink(self.path)
            os.mkfifo(self.path)

        store = self.replace_while_opening(replace)
        self.assert_not_opened(StorageFailed, store)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_removed_in_between(self) -> None:
        """An upload that is removed in this moment is not found (T-208)."""
        store = self.replace_while_opening(lambda: run(store.remove("u")))
        self.assert_not_opened(UploadNotFound, store)

    def test_used_again_in_between(self) -> None:
        """Nor are the bytes of another upload taken for those of the first."""

        def replace() -> None:
            run(store.remove("u"))
            self.put(store, "u", CONTENT[::-1])
            os.utime(self.path, (1, 1))  # were the clock too coarse, all would be equal

        store = self.replace_while_opening(replace)
        self.assert_not_opened(UploadNotFound, store)

    def test_no_permission(self) -> None:
        """A file that may not be read is an error, and no 404."""
        files = intercepted(OsFiles(), FailCalls("open_to_read", errno.EACCES))
        self.assert_not_opened(StorageFailed, self.store(files))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
