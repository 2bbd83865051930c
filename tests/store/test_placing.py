"""Finished uploads that get another name, or move there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any
from unittest import SkipTest

from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.store.support import HOST, StoreCase, append, intercepted, run
from tests.store.test_leftovers import BEFORE_S, THEN_S, AgedFiles
from tustwisted.abilities import IPlaces, Leftover
from tustwisted.errors import (
    PlaceUnusable,
    StorageFailed,
    UploadNotFinished,
    UploadNotFound,
)
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk

CONTENT = b"abcdefghij"
NAMES = ("day/a.txt", "day/a (2).txt", "day/a (3).txt")


class PlacingCase(StoreCase):
    """Tests with a directory of finished uploads beside that of uploads."""

    def setUp(self) -> None:
        """Choose both."""
        super().setUp()
        self.directory = os.path.abspath(self.directory)
        self.finished = f"{self.directory}.finished"

    def make(
        self,
        durability: Durability = Durability.FINISH,
        files: IFiles | None = None,
        host: Host = HOST,
        *,
        finished: str | None = "",
    ) -> FileStore:
        """Return a started store; without a second directory when that is ``None``."""
        store = FileStore(
            self.directory,
            ImmediateDisk(),
            durability,
            files=OsFiles() if files is None else files,
            seconds=lambda: self.now_s,
            read_host=lambda: host,
            finished_directory=self.finished if finished == "" else finished,
        )
        run(store.start())
        return store

    def fill(self, store: FileStore, upload_id: str = "u", path: str = "") -> None:
        """Bring an upload to where its finish step begins."""
        wish = Storage(path) if path else None
        run(store.create(UploadInfo(upload_id, len(CONTENT), storage=wish)))
        append(store, upload_id, CONTENT)
        run(store.set_state(upload_id, UploadState.FINISHING))

    def place(
        self,
        store: FileStore,
        names: Sequence[str] = NAMES,
        moves: bool = False,
        upload_id: str = "u",
    ) -> str:
        """Place an upload; return the path relative to the directory of such."""
        path = run(store.place(upload_id, iter(names), moves))
        return os.path.relpath(path, self.finished)

    def names(self, directory: str) -> list[str]:
        """List all files below a directory, but hidden ones."""
        return sorted(
            os.path.relpath(f"{above}/{name}", directory)
            for above, _, names in os.walk(directory)
            for name in names
            if "/." not in above
        )

    def placed(self, name: str = NAMES[0]) -> bytes:
        """Read a file where it was placed."""
        with open(f"{self.finished}/{name}", "rb") as file:
            return file.read()

    def put_finished(self, name: str, content: bytes = b"mine") -> None:
        """Write somebody's own file there."""
        path = f"{self.finished}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


class LinkTests(PlacingCase):
    """The file has both names."""

    def test_both_names(self) -> None:
        """Both are of one file, the upload tells both, and none is copied."""
        for durability in Durability:
            self.directory, self.finished = (
                os.path.abspath(self.mktemp()) for _ in range(2)
            )
            store = self.make(durability)
            verifyObject(IPlaces, store)
            self.fill(store)
            self.assertEqual(self.place(store), NAMES[0])
            run(store.set_state("u", UploadState.FINISHED))
            self.assertTrue(
                os.path.samefile(self.path("u"), f"{self.finished}/{NAMES[0]}")
            )
            for again in (store, self.make(durability)):
                storage = run(again.info("u")).storage
                assert storage is not None
                self.assertEqual(storage.path, self.path("u"))
                self.assertEqual(storage.placed_path, f"{self.finished}/{NAMES[0]}")

    def test_the_record(self) -> None:
        """It has one field more, and all others stay."""
        store = self.make()
        self.fill(store)
        before = json.loads(self.content("u.info"))
        self.place(store)
        path = f"{self.finished}/{NAMES[0]}"
        self.assertEqual(
            json.loads(self.content("u.info")), before | {"PlacedPath": path}
        )

    def test_terminating_leaves_it(self) -> None:
        """When the upload is removed the other name stays."""
        store = self.make()
        self.fill(store)
        self.place(store)
        run(store.set_state("u", UploadState.FINISHED))
        run(store.remove("u"))
        self.assertEqual(self.names(self.directory), [])
        self.assertEqual(self.placed(), CONTENT)

    def test_done_twice(self) -> None:
        """Who does it again finds the name that was given, whatever he asks for."""
        store = self.make()
        self.fill(store)
        self.place(store)
        for names in (NAMES, ("other",), ()):
            self.assertEqual(self.place(store, names), NAMES[0])
        self.assertEqual(self.names(self.finished), [NAMES[0]])

    def test_names_that_are_taken(self) -> None:
        """Whatever is there stays as it is, and the next name is taken."""
        store = self.make()
        self.put_finished(NAMES[0])
        os.mkdir(f"{self.finished}/{NAMES[1]}")
        os.symlink("nowhere", f"{self.finished}/{NAMES[2]}")
        self.put_finished("file")
        self.fill(store)
        names = (*NAMES, "file/below", "file/far/below", "free")
        self.assertEqual(self.place(store, names), "free")
        self.assertEqual(self.placed(), b"mine")
        self.assertEqual(os.readlink(f"{self.finished}/{NAMES[2]}"), "nowhere")

    def test_two_uploads(self) -> None:
        """Two of the same name get two."""
        store = self.make()
        found = []
        for upload_id in ("u", "v"):
            self.fill(store, upload_id)
            found.append(self.place(store, upload_id=upload_id))
        self.assertEqual(found, list(NAMES[:2]))

    def test_a_name_taken_at_the_last_moment(self) -> None:
        """A name that somebody takes right before the link is his."""

        def steal(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "link" and args[1].endswith(NAMES[0]):
                self.put_finished(NAMES[0])
            return call()

        store = self.make(files=intercepted(OsFiles(), steal))
        self.fill(store)
        self.assertEqual(self.place(store), NAMES[1])
        self.assertEqual(self.placed(), b"mine")

    def test_a_directory_that_vanishes(self) -> None:
        """Who takes an empty directory away in this moment prevents nothing."""
        taken: list[str] = []

        def take(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "link" and args[1].endswith(NAMES[0]) and not taken:
                taken.append(args[1])
                os.rmdir(os.path.dirname(args[1]))
            return call()

        store = self.make(files=intercepted(OsFiles(), take))
        self.fill(store)
        self.assertEqual(self.place(store), NAMES[0])
        self.assertEqual(len(taken), 1)

    def test_what_is_not_whole(self) -> None:
        """An upload that still takes bytes is not placed."""
        store = self.make()
        self.begin(store, b"abc")
        self.assertRaises(UploadNotFinished, self.place, store)
        self.assertRaises(UploadNotFound, self.place, store, upload_id="v")
        self.assertEqual(os.listdir(self.finished), [])

    def test_no_bytes(self) -> None:
        """An upload of no bytes is a file as well, also if a power loss took it."""
        store = self.make()
        for upload_id in ("u", "v"):
            run(store.create(UploadInfo(upload_id, 0)))
        os.unlink(self.path("v"))
        for upload_id, name in zip("uv", NAMES, strict=False):
            self.assertEqual(self.place(store, upload_id=upload_id), name)
            run(store.set_state(upload_id, UploadState.FINISHED))
            self.assertEqual(self.placed(name), b"")

    def test_surplus_is_cut(self) -> None:
        """What does not count has no other name either."""
        store = self.make()
        run(store.create(UploadInfo("u", len(CONTENT))))
        append(store, "u", CONTENT)
        with open(self.path("u"), "ab") as file:
            file.write(b"more")
        self.place(store)
        self.assertEqual(self.placed(), CONTENT)

    def test_without_a_directory(self) -> None:
        """A store that has no directory for it does not place."""
        store = self.make(finished=None)
        self.fill(store)
        self.assertRaises(ValueError, self.place, store)

    def test_a_name_that_was_only_noted(self) -> None:
        """A name that stands in the record, and was not given, is not told."""
        store = self.make()
        self.fill(store)
        path = f"{self.finished}/{NAMES[0]}"
        record = json.loads(self.content("u.info")) | {"PlacedPath": path}
        self.put("u.info", json.dumps(record).encode())
        for there in (False, True):
            if there:
                self.put_finished(NAMES[0])
            storage = run(store.info("u")).storage
            assert storage is not None
            self.assertEqual(storage.placed_path, "")
        self.assertEqual(self.place(store, ("other",)), "other")
        self.assertEqual(self.placed(), b"mine")


class HostileNameTests(PlacingCase):
    """Names that lead elsewhere are not tried, wherever they come from."""

    def test_names(self) -> None:
        """None leads out, is hidden, or is none; the next one is tried."""
        store = self.make()
        self.fill(store)
        bad = (
            "../out",
            "..",
            "a/../../out",
            "a/..",
            "/etc/out",
            "//out",
            "",
            "a//b",
            "a/",
            ".",
            "./a",
            ".ssh",
            "a/.ssh/b",
            "a\0b",
            "\udcff",
            "x" * 256,
            "x/" * 3000 + "x",
        )
        with capturedLogs() as events:
            self.assertEqual(self.place(store, (*bad, "good")), "good")
        told = [e["name"] for e in events if "no file is placed" in e["log_format"]]
        self.assertEqual(told, list(bad))
        self.assertEqual(os.listdir(self.finished), ["good"])

    def test_no_name_is_left(self) -> None:
        """If none will do, the upload stays as it is and can be placed again."""
        store = self.make()
        self.fill(store)
        with capturedLogs() as events:
            self.assertRaises(StorageFailed, self.place, store, ("../a", ".b"))
        self.assertEqual(events[-1]["upload_id"], "u")
        self.assertRaises(StorageFailed, self.place, store, ())
        self.assertEqual(self.place(store), NAMES[0])

    def test_not_for_ever(self) -> None:
        """At the most some hundreds are tried."""
        store = self.make()
        self.fill(store)
        self.put_finished("a")
        tried = iter(["a"] * 1000)
        self.assertRaises(StorageFailed, run, store.place("u", tried, False))
        self.assertGreater(len(list(tried)), 500)

    def test_symlinked_directories(self) -> None:
        """One that leads out is not followed, one that does not is."""
        store = self.make()
        outside = os.path.abspath(self.mktemp())
        os.mkdir(outside)
        os.symlink(outside, f"{self.finished}/out")
        os.symlink(self.directory, f"{self.finished}/uploads")
        os.symlink("in", f"{self.finished}/alias")
        os.mkdir(f"{self.finished}/in")
        self.fill(store)
        before = self.names(self.directory)
        names = ("out/a", "out/new/a", "uploads/v", "uploads/v.info", "alias/a")
        self.assertEqual(self.place(store, names), "alias/a")
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual(self.names(self.directory), before)
        self.assertEqual(os.listdir(f"{self.finished}/in"), ["a"])

    def test_a_record_that_names_another_place(self) -> None:
        """A name noted in a record counts only under the directory of such."""
        store = self.make()
        self.fill(store)
        for path in ("/etc/x", self.path("v.info"), f"{self.finished}2/x"):
            record = json.loads(self.content("u.info")) | {"PlacedPath": path}
            self.put("u.info", json.dumps(record).encode())
            self.assertEqual(self.place(store, ("good",)), "good")
            os.unlink(f"{self.finished}/good")


class MoveTests(PlacingCase):
    """The file has only its new name then."""

    def test_moved(self) -> None:
        """It has that name alone; the record says so, as tusd would read it."""
        for durability in Durability:
            for path in ("", "bytes/of/u"):
                self.directory, self.finished = (
                    os.path.abspath(self.mktemp()) for _ in range(2)
                )
                store = self.make(durability)
                self.fill(store, path=path)
                self.assertEqual(self.place(store, moves=True), NAMES[0])
                run(store.set_state("u", UploadState.FINISHED))
                self.assertEqual(self.names(self.directory), ["u.info"])
                placed = f"{self.finished}/{NAMES[0]}"
                expected = Storage(placed, self.path("u.info"), placed)
                self.assertEqual(run(store.info("u")).storage, expected)
                record = json.loads(self.content("u.info"))
                self.assertEqual(record["Storage"]["Path"], placed)
                self.assertEqual(record["Storage"]["InfoPath"], self.path("u.info"))

    def test_its_life(self) -> None:
        """It is read, started anew and removed from there."""
        store = self.make()
        self.fill(store)
        self.place(store, moves=True)
        run(store.set_state("u", UploadState.FINISHED))
        store = self.make()
        reader = run(store.open_reader("u"))
        self.assertEqual(reader.read(0, 100), CONTENT)
        reader.close()
        final = UploadInfo("f", 20, is_final=True, partial_uploads=("u", "u"))
        run(store.concatenate(final, lambda: True))
        self.assertEqual(self.content("f"), CONTENT * 2)
        run(store.remove("f"))
        run(store.remove("u"))
        self.assertEqual(self.names(self.directory), [])
        self.assertEqual(self.names(self.finished), [])

    def test_done_twice(self) -> None:
        """Who does it again changes nothing, also when he would not move it now."""
        store = self.make()
        self.fill(store)
        for moves in (True, True, False):
            self.assertEqual(self.place(store, ("x",), moves), "x")
        self.assertEqual(self.names(self.directory), ["u.info"])

    def test_moved_later(self) -> None:
        """What was linked can be moved."""
        store = self.make()
        self.fill(store)
        self.place(store)
        self.assertEqual(self.place(store, ("x",), moves=True), NAMES[0])
        self.assertEqual(self.names(self.directory), ["u.info"])

    def test_names_like_records(self) -> None:
        """The name may end like a record: there are none in that directory."""
        store = self.make()
        self.fill(store)
        self.place(store, ("v.info",), moves=True)
        run(store.set_state("u", UploadState.FINISHED))
        self.assertEqual(run(store.info("u")).offset, len(CONTENT))

    def test_without_the_directory(self) -> None:
        """A store that does not know that directory finds no such upload."""
        store = self.make()
        self.fill(store)
        self.place(store, moves=True)
        run(store.set_state("u", UploadState.FINISHED))
        blind = self.make(finished=None)
        self.assertRaises(UploadNotFound, run, blind.info("u"))
        self.assertEqual(self.placed(), CONTENT)


class SweepTests(PlacingCase):
    """What sweeps make of uploads that were placed."""

    def sweep(self, store: FileStore) -> tuple[list[str], dict[str, str]]:
        """Clear leftovers away; tell their names, and what is left alone and why."""
        search = store.search(BEFORE_S)
        cleared: list[str] = []
        left_alone: dict[str, str] = {}

        def step() -> bool:
            batch = run(search.next_batch())
            if batch is None:
                return False
            for leftover in batch.leftovers:
                assert isinstance(leftover, Leftover)
                if run(search.clear(leftover)):
                    cleared.append(leftover.name)
            left_alone.update((found.name, found.problem) for found in batch.left_alone)
            return True

        while step():
            pass
        search.close()
        return cleared, left_alone

    def begin_placed(self, moves: bool) -> FileStore:
        """Place an upload, long ago."""
        store = self.make(files=AgedFiles())
        self.fill(store)
        self.place(store, moves=moves)
        run(store.set_state("u", UploadState.FINISHED))
        for name in os.listdir(self.directory):
            os.utime(self.path(name), (THEN_S, THEN_S))
        os.utime(f"{self.finished}/{NAMES[0]}", (THEN_S, THEN_S))
        return store

    def test_nothing_to_do(self) -> None:
        """Neither name is a leftover."""
        for moves in (False, True):
            self.directory, self.finished = (
                os.path.abspath(self.mktemp()) for _ in range(2)
            )
            store = self.begin_placed(moves)
            self.assertEqual(self.sweep(store), ([], {}))
            self.assertEqual(self.placed(), CONTENT)
            self.assertEqual(run(store.info("u")).offset, len(CONTENT))

    def test_a_file_that_was_taken(self) -> None:
        """Who takes the file leaves a record that is of no use to anybody."""
        store = self.begin_placed(moves=True)
        os.unlink(f"{self.finished}/{NAMES[0]}")
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertEqual(self.sweep(store), (["u.info"], {}))
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_directory_that_is_gone(self) -> None:
        """Without the directory nobody knows whether it was taken."""
        store = self.begin_placed(moves=True)
        os.rename(self.finished, f"{self.finished}.away")
        cleared, left_alone = self.sweep(store)
        self.assertEqual((cleared, list(left_alone)), ([], ["u.info"]))


class StartTests(PlacingCase):
    """What keeps a store from placing is told when it is started."""

    def refused(self, finished: str | None = None, files: IFiles | None = None) -> str:
        """Return the sentence that ends the start."""
        self.finished = finished or self.finished
        return str(self.assertRaises(PlaceUnusable, self.make, files=files))

    def test_made(self) -> None:
        """It is made with those above it, and nothing stays of the trial."""
        self.finished = f"{self.mktemp()}/deep/est"
        for _ in range(2):
            self.make()
            self.assertEqual(os.listdir(self.finished), [])
            self.assertEqual(os.listdir(self.directory), [])

    def test_what_a_crash_left_of_a_trial(self) -> None:
        """The file of an earlier trial changes nothing."""
        os.makedirs(self.finished)
        self.put_finished(".tustwisted.tmp")
        self.make()
        self.assertEqual(os.listdir(self.finished), [])

    def test_in_or_around_the_uploads(self) -> None:
        """Names that clients choose may not be among those of uploads."""
        self.make(finished=None)
        os.symlink(self.directory, f"{self.directory}.link")
        for finished in (
            self.directory,
            f"{self.directory}/finished",
            f"{self.directory}/.finished",
            os.path.dirname(self.directory),
            "/",
            f"{self.directory}.link",
            f"{self.directory}.link/finished",
        ):
            self.assertIn("beside the upload directory", self.refused(finished))

    def test_another_file_system(self) -> None:
        """Where no link leads to, the sentence says why and names the option."""
        if not os.path.isdir("/dev/shm"):
            raise SkipTest("needs /dev/shm")
        other = tempfile.mkdtemp(dir="/dev/shm")
        self.addCleanup(shutil.rmtree, other)
        self.make(finished=None)
        if os.stat(other).st_dev == os.stat(self.directory).st_dev:
            raise SkipTest("the tests run on /dev/shm")
        sentence = self.refused(other)
        self.assertIn("another file system", sentence)
        self.assertTrue(sentence.endswith("choose another --finished-dir"), sentence)

    def test_problems(self) -> None:
        """Each problem has its words."""
        for name, error, words in (
            ("link", errno.EXDEV, "another file system"),
            ("link", errno.EPERM, "no hard links"),
            ("link", errno.EOPNOTSUPP, "no hard links"),
            ("write", errno.EACCES, "permission denied"),
            ("make_directory", errno.ENOTDIR, "not a directory"),
        ):
            finished = f"{self.mktemp()}.finished"

            def fail(
                called: str, args: tuple[Any, ...], call: Callable[[], Any]
            ) -> Any:
                if called == name and ".finished" in str(args[:2]):  # noqa: B023
                    raise OSError(error, "injected")  # noqa: B023
                return call()

            sentence = self.refused(finished, intercepted(OsFiles(), fail))
            self.assertIn(words, sentence)

    def test_a_full_disk(self) -> None:
        """A full disk does not keep it from serving what is there."""

        def fail(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name in ("write", "link"):
                raise OSError(errno.ENOSPC, "injected")
            return call()

        self.make(files=intercepted(OsFiles(), fail))
