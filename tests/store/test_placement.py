"""Uploads to whose files no rename leads from a claim."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

from attrs import define
from twisted.logger import LogLevel, capturedLogs

from tests.store.support import StoreCase, append, intercepted, run
from tustwisted.abilities import IClaim
from tustwisted.errors import LockLost, StorageFailed, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles

_ELSEWHERE = "/dev/shm"
ID = "project/x"


@define
class MountBelow:
    """Makes one directory of a store a mount of its own."""

    directory: str

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Refuse to rename across its edge."""
        if name == "replace" and self._is_below(args[0]) != self._is_below(args[1]):
            raise OSError(errno.EXDEV, "injected")
        if name == "can_rename" and call():
            return self._is_below(args[0]) == self._is_below(args[1])
        return call()

    def _is_below(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self.directory}/")


class PlacementCase(StoreCase):
    """Tests with an upload in a directory below the store."""

    def setUp(self) -> None:
        """Let nobody die."""
        super().setUp()
        self.directory = os.path.abspath(self.directory)
        self.alive: list[IClaim] = []

    def claim(self, store: FileStore) -> FileStore:
        """Claim the upload, as a process that lives as long as the test."""
        claim = run(store.claim(ID))
        self.alive.append(claim)
        assert isinstance(claim.store, FileStore)
        return claim.store

    def begin_mounted(self) -> FileStore:
        """Make a store that lies on two file systems, and an upload with some bytes."""
        store = self.make(files=self.mount())
        run(store.create(UploadInfo(ID, 10)))
        self.assertEqual(append(store, ID, b"abc"), 3)
        return store

    def mount(self) -> IFiles:
        """Let the directory of the upload be a mount."""
        os.makedirs(self.path("project"))
        return intercepted(OsFiles(), MountBelow(self.path("project")))

    def refuses(self, work: Callable[[], Any]) -> str:
        """See that something is refused with one line in the log; return that."""
        with capturedLogs() as events:
            self.assertRaises(StorageFailed, work)
        (event,) = [e for e in events if e["log_level"] >= LogLevel.warn]
        return f"{event['claim']} {event['directory']}"


class OtherFileSystemTests(PlacementCase):
    """The directory of an upload is on another file system, as far as files tell."""

    def test_no_byte_is_taken(self) -> None:
        """Who opens it by the way of a claim is refused, and the log tells where."""
        store = self.begin_mounted()
        for _ in range(2):  # the second claim is contested
            view = self.claim(store)
            line = self.refuses(lambda: run(view.open_writer(ID, 3)))  # noqa: B023
            self.assertIn(f"{self.directory}/.tustwisted.claims/", line)
            self.assertTrue(line.endswith(f" {self.path('project')}"))
            self.refuses(lambda: run(view.open_chunk(ID, 3)))  # noqa: B023
        self.assertEqual(self.content(ID), b"abc")

    def test_nor_another_change(self) -> None:
        """Nor is its state changed, nor its length."""
        store = self.begin_mounted()
        for _ in range(2):
            view = self.claim(store)
            self.refuses(lambda: run(view.set_state(ID, UploadState.FINISHED)))  # noqa: B023
            self.refuses(lambda: run(view.set_length(ID, 12)))  # noqa: B023
        self.assertEqual(run(store.info(ID)).length, 10)

    def test_it_can_be_removed(self) -> None:
        """It is removed, by whoever has the claim, and nothing is left of it."""
        store = self.begin_mounted()
        run(self.claim(store).remove(ID))
        self.assertRaises(UploadNotFound, run, store.info(ID))
        self.assertEqual(os.listdir(self.path("project")), [])

    def test_not_by_who_has_lost_it(self) -> None:
        """Who has lost his claim removes nothing."""
        store = self.begin_mounted()
        view = self.claim(store)
        self.claim(store)
        self.assertRaises(LockLost, run, view.remove(ID))
        self.assertEqual(append(store, ID, b"def"), 6)

    def test_where_the_bytes_are(self) -> None:
        """It is the same where only the data file is there: tusd may have put it so."""
        store = self.make(files=self.mount())
        self.put("project/data", b"abc")
        path = self.path("project/data")
        record = f'{{"ID": "u", "Size": 10, "Storage": {{"Path": "{path}"}}}}'
        self.put("u.info", record.encode())
        claim = run(store.claim("u"))
        self.refuses(lambda: run(claim.store.open_writer("u", 3)))
        run(claim.store.remove("u"))
        self.assertEqual(os.listdir(self.path("project")), [])

    def test_without_claims(self) -> None:
        """A store that nobody claims anything in does not mind."""
        store = self.begin_mounted()
        self.assertEqual(append(store, ID, b"defghij"), 10)
        run(store.set_state(ID, UploadState.FINISHED))
        run(store.remove(ID))

    def test_a_directory_that_is_gone(self) -> None:
        """Where there is no directory of the data file, it is made."""
        store = self.begin_mounted()
        path = self.path("gone/data")
        record = f'{{"ID": "u", "State": "receiving", "Storage": {{"Path": "{path}"}}}}'
        self.put("u.info", record.encode())
        claim = run(store.claim("u"))
        assert isinstance(claim.store, FileStore)
        self.assertEqual(append(claim.store, "u", b"abc"), 3)
        self.assertEqual(self.content("gone/data"), b"abc")


class SymlinkTests(OtherFileSystemTests):
    """The directory of an upload is a symlink to a real other file system."""

    def mount(self) -> IFiles:
        """Put the symlink there."""
        if not os.path.isdir(_ELSEWHERE):
            raise SkipTest(f"needs {_ELSEWHERE}")
        other = tempfile.mkdtemp(dir=_ELSEWHERE)
        self.addCleanup(shutil.rmtree, other)
        os.makedirs(self.directory)
        if os.stat(other).st_dev == os.stat(self.directory).st_dev:
            raise SkipTest(f"the tests run on {_ELSEWHERE}")
        os.symlink(other, self.path("project"))
        return OsFiles()


class SameFileSystemTests(PlacementCase):
    """The directory of an upload is elsewhere, and renames lead there."""

    def test_a_symlink(self) -> None:
        """A symlink on the same file system is as good as a directory."""
        os.makedirs(self.directory)
        os.mkdir(f"{self.directory}.other")
        os.symlink(f"{self.directory}.other", self.path("project"))
        store = self.make()
        run(store.create(UploadInfo(ID, 3)))
        view = self.claim(store)
        self.assertEqual(append(view, ID, b"abc"), 3)
        run(view.set_state(ID, UploadState.FINISHED))


class CanRenameTests(PlacementCase):
    """What the operating system tells."""

    def setUp(self) -> None:
        """Make two directories."""
        super().setUp()
        for name in ("a", "b", "c"):
            os.makedirs(self.path(name))

    def test_directories(self) -> None:
        """From one directory to another one of a file system, nothing is changed."""
        files = OsFiles()
        self.assertTrue(files.can_rename(self.path("a"), self.path("b")))
        self.assertEqual(os.listdir(self.path("b")), [])
        for names in (("a", "gone"), ("gone", "a")):
            self.assertRaises(
                FileNotFoundError, files.can_rename, *map(self.path, names)
            )

    def test_the_same_file_system_mounted_twice(self) -> None:
        """A bind mount has the same device, and no rename leads there."""
        mounted = subprocess.run(
            ["mount", "--bind", self.path("c"), self.path("b")],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if mounted.returncode:
            raise SkipTest("may not mount")
        try:
            self.assertFalse(OsFiles().can_rename(self.path("a"), self.path("b")))
        finally:
            subprocess.run(["umount", self.path("b")], check=True)
