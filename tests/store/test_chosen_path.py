"""Uploads for whose bytes somebody has chosen a path (tusd's hooks can do that)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.campaign import tried
from tests.store import test_faults
from tests.store.support import (
    FAULTS,
    FailAt,
    StoreCase,
    append,
    intercepted,
    run,
    steady,
)
from tests.store.test_leftovers import OURS, LeftoverCase
from tustwisted.abilities import IChoosesPath
from tustwisted.errors import (
    LockLost,
    NoSpace,
    StorageFailed,
    UploadExists,
    UploadNotFound,
)
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.layout import CLAIMS, Layout
from tustwisted.testing import ImmediateDisk

PATH = "by owner/zo\N{LATIN SMALL LETTER E WITH DIAERESIS}/1.bin"


def wish(path: str = PATH, upload_id: str = "u", length: int = 10) -> UploadInfo:
    """Return an upload whose bytes are to lie somewhere."""
    return UploadInfo(upload_id, length, storage=Storage(path))


class CheckTests(SynchronousTestCase):
    """Which paths may be chosen."""

    store = FileStore("/srv/uploads", ImmediateDisk())

    def refusal(self, path: str) -> str:
        """Return why a path is refused."""
        return str(self.assertRaises(ValueError, self.store.check_path, path))

    def test_provides_the_interface(self) -> None:
        """The store of files lets paths be chosen."""
        verifyObject(IChoosesPath, self.store)

    def test_paths_under_the_root(self) -> None:
        """A path is relative to the upload directory, or absolute and under it."""
        for path, expected in (
            ("a", "a"),
            ("a/b c/d.e", "a/b c/d.e"),
            ("a/../b", "b"),
            ("./a//b/.", "a/b"),
            ("/srv/uploads/a/b", "a/b"),
            ("/srv/../srv/uploads/a", "a"),
            ("x" * 255, "x" * 255),
            ("info", "info"),
            ("a.infos", "a.infos"),
            ("\N{SNOWMAN}", "\N{SNOWMAN}"),
        ):
            self.store.check_path(path)
            found = Layout("/srv/uploads").chosen(path)
            self.assertEqual(found, f"/srv/uploads/{expected}")

    def test_out_of_the_root(self) -> None:
        """No path leads out of the upload directory, nor is one that directory."""
        for path in (
            "..",
            "../a",
            "a/../../b",
            "/etc/passwd",
            "/",
            "//etc/passwd",
            "/srv/uploads",
            "/srv/uploads2/a",
            "/srv/uploads/../a",
            ".",
            "a/..",
        ):
            refusals = "leads out of the upload directory", "names no file"
            self.assertIn(self.refusal(path), refusals, path)

    def test_what_is_no_name(self) -> None:
        """Empty paths, directories, NULs and what is no UTF-8 are refused."""
        for path in ("", "a/", "/srv/uploads/"):
            self.assertEqual(self.refusal(path), "names no file")
        for path in ("a\0b", "\udcff", "\ud800"):
            self.assertIn("characters", self.refusal(path))

    def test_what_the_store_keeps_for_itself(self) -> None:
        """No segment is hidden, or ends as what lies beside the bytes does."""
        for path in (".a", "a/.b", ".a/b", f"{CLAIMS}/00/x", "a/.tustwisted.lock"):
            self.assertIn("dot", self.refusal(path))
        for ending in (".info", ".info.tmp", ".unverified", ".removed", ".lock"):
            for path in (f"a{ending}", f"b/a{ending}", f"a{ending}/b"):
                self.assertIn("ending", self.refusal(path))

    def test_too_long(self) -> None:
        """Neither a segment nor the whole path is longer than a file system takes."""
        snowmen = "\N{SNOWMAN}" * 86  # 258 bytes
        for path in ("x" * 256, snowmen, f"{snowmen}/a"):
            self.assertIn("longer than 255 bytes", self.refusal(path))
        self.assertEqual(self.refusal("x/" * 2000 + "x"), "is too long")

    @given(st.text(st.sampled_from("/.usrvploadif\0 "), max_size=40))
    @steady(300)
    def test_any_path(self, text: str) -> None:
        """What passes is under the root, is not hidden, and is found again."""
        layout = Layout("/srv/uploads")
        for path in (text, f"/srv/uploads/{text}"):
            try:
                found = layout.chosen(path)
            except ValueError:
                continue
            self.assertTrue(found.startswith("/srv/uploads/"), found)
            self.assertNotIn("/.", found)
            self.assertEqual(layout.find_content("u", found), found)


class LifeTests(StoreCase):
    """An upload whose bytes lie elsewhere, from its creation to its removal."""

    def names(self) -> list[str]:
        """List all files, by their paths in the directory."""
        return sorted(
            os.path.relpath(f"{above}/{name}", self.directory)
            for above, _, names in os.walk(self.directory)
            for name in names
        )

    def test_where_it_lies(self) -> None:
        """The bytes lie there and the record where it always does; both are told."""
        for path in (PATH, os.path.abspath(self.path(PATH))):
            store = self.make()
            run(store.create(wish(path)))
            self.assertEqual(self.names(), [PATH, "u.info"])
            content = os.path.abspath(self.path(PATH))
            record = os.path.abspath(self.path("u.info"))
            storage = run(store.info("u")).storage
            self.assertEqual(storage, Storage(content, record))
            self.assertEqual(
                json.loads(self.content("u.info"))["Storage"],
                {"Type": "filestore", "Path": content, "InfoPath": record},
            )
            run(store.remove("u"))
            self.assertEqual(self.names(), [])

    def test_told_before(self) -> None:
        """Where an upload will lie is told before it is there, chosen or not."""
        for info in (wish(), UploadInfo("u", 10)):
            store = self.make()
            told = store.storage_of(info)
            self.assertEqual(self.names(), [])
            run(store.create(info))
            self.assertEqual(run(store.info("u")).storage, told)
            run(store.remove("u"))

    def test_the_usual_path(self) -> None:
        """Who chooses the usual path gets it, in the usual way."""
        run(self.make().create(wish("u")))
        self.assertEqual(self.names(), ["u", "u.info"])

    def test_a_bad_path(self) -> None:
        """What is refused by the check is refused by a creation; nothing is made."""
        store = self.make()
        self.assertRaises(ValueError, run, store.create(wish("../x")))
        self.assertEqual(os.listdir(self.directory), [])

    def test_its_life(self) -> None:
        """It is written, finished, read, started anew and removed like any other."""
        for durability in Durability:
            store = self.make(durability)
            run(store.create(wish()))
            self.assertEqual(append(store, "u", b"abc", b"de"), 5)
            store = self.make(durability)
            self.assertEqual(append(store, "u", b"fghij"), 10)
            self.assertEqual(self.content(PATH), b"abcdefghij")
            run(store.set_state("u", UploadState.FINISHED))
            reader = run(store.open_reader("u"))
            self.assertEqual(reader.read(3, 4), b"defg")
            reader.close()
            run(store.remove("u"))
            self.assertRaises(UploadNotFound, run, store.info("u"))
            self.assertEqual(self.names(), [])

    def test_concatenation(self) -> None:
        """Parts and wholes may lie anywhere."""
        for durability in Durability:
            self.directory = self.mktemp()
            store = self.make(durability)
            for number in range(2):
                run(store.create(wish(f"parts/{number}", f"p{number}", 3)))
                append(store, f"p{number}", b"abc")
                run(store.set_state(f"p{number}", UploadState.FINISHED))
            final = UploadInfo(
                "u",
                6,
                is_final=True,
                partial_uploads=("p0", "p1"),
                storage=Storage("wholes/u"),
            )
            run(store.concatenate(final, lambda: True))
            self.assertEqual(run(store.info("u")).offset, 6)
            self.assertEqual(self.content("wholes/u"), b"abcabc")
            self.assertNotIn("u", self.names())

    def test_its_directory_is_lost(self) -> None:
        """Where a power loss has left the record alone, its bytes begin anew."""
        for claims in (False, True):
            self.directory = self.mktemp()
            store = self.make()
            run(store.create(wish()))
            append(store, "u", b"abc")
            os.unlink(self.path(PATH))
            os.removedirs(self.path(os.path.dirname(PATH)))
            if claims:
                found = run(store.claim("u")).store
                assert isinstance(found, FileStore)
                store = found
            self.assertEqual(run(store.info("u")).offset, 0)
            self.assertEqual(append(store, "u", b"abcd"), 4)
            self.assertEqual(self.content(PATH), b"abcd")


class TakenTests(StoreCase):
    """Paths and ids that somebody has."""

    def snapshot(self) -> dict[str, object]:
        """Tell everything that is there."""
        found: dict[str, object] = {}
        for above, directories, names in os.walk(self.directory):
            for name in (*directories, *names):
                path = f"{above}/{name}"
                found[path] = os.lstat(path).st_ino
        return found

    def is_refused(self, store: FileStore, info: UploadInfo) -> None:
        """See that something is taken, and that all stays as it is."""
        before = self.snapshot()
        self.assertRaises(UploadExists, run, store.create(info))
        self.assertEqual(self.snapshot(), before)

    def test_a_path_is_taken(self) -> None:
        """A path that anything has is not used, whatever it is."""
        store = self.make()
        self.put("file", b"mine")
        os.mkdir(self.path("directory"))
        os.symlink("nowhere", self.path("symlink"))
        os.mkfifo(self.path("fifo"))
        run(store.create(UploadInfo("v", 3)))
        for path in ("file", "directory", "symlink", "fifo", "v", "file/below"):
            self.is_refused(store, wish(path))
        self.assertEqual(self.content("file"), b"mine")

    def test_an_id_is_taken(self) -> None:
        """An id whose record or bytes are there is not given out, wherever it lies."""
        store = self.make()
        run(store.create(UploadInfo("v", 3)))
        run(store.create(wish("p", "w")))
        run(store.create(UploadInfo("d/x", 3)))
        self.put("orphan", b"")
        for upload_id in ("v", "w", "orphan", "d"):
            self.is_refused(store, wish("q", upload_id))

    def test_two_creations_of_an_id(self) -> None:
        """Of two at once one is refused, at whichever call the other one is made."""
        number, reached = 1, True
        while reached:
            self.directory = self.mktemp()
            store, count = self.make(), 0
            exists: list[str] = []

            def meanwhile(
                name: str, args: tuple[Any, ...], call: Callable[[], Any]
            ) -> Any:
                nonlocal count
                count += 1
                if count == begin + number:  # noqa: B023
                    try:
                        run(store.create(wish("second")))  # noqa: B023
                    except UploadExists:
                        exists.append("second")  # noqa: B023
                return call()

            begin = 10**9
            slow = self.make(files=intercepted(OsFiles(), meanwhile))
            begin = count
            try:
                run(slow.create(wish("first")))
            except UploadExists:
                exists.append("first")
            reached = count >= begin + number
            if reached:
                self.assertEqual(len(exists), 1, number)
            other = {"first": "second", "second": "first"}[(exists or ["second"])[0]]
            self.assertEqual(sorted(os.listdir(self.directory)), [other, "u.info"])
            number += 1
        self.assertGreater(number, 6)

    def test_symlinks_that_lead_out(self) -> None:
        """A directory that is linked elsewhere is not followed out of the store."""
        store = self.make()
        outside = self.mktemp()
        os.mkdir(outside)
        os.symlink(os.path.abspath(outside), self.path("out"))
        os.mkdir(self.path("in"))
        os.symlink("../out", self.path("in/deep"))
        for path in ("out/x", "out/new/x", "in/deep/x"):
            self.assertRaises(StorageFailed, run, store.create(wish(path)))
        self.assertEqual(os.listdir(outside), [])
        os.symlink("in", self.path("alias"))
        run(store.create(wish("alias/x")))
        self.assertEqual(sorted(os.listdir(self.path("in"))), ["deep", "x"])

    def test_a_failed_creation_leaves_nothing(self) -> None:
        """Whatever call fails, nothing remains, and the id can be used."""
        for durability in Durability:
            for error in FAULTS.values():
                number, failed = 1, True
                while failed:
                    self.directory = self.mktemp()
                    plan = FailAt(OsFiles(), 10**6, error)
                    store = self.make(durability, intercepted(OsFiles(), plan))
                    plan.number = plan.count + number
                    try:
                        run(store.create(wish("a/b/c", "d/u")))
                    except (NoSpace, StorageFailed):
                        self.assertEqual(os.listdir(self.directory), [], number)
                        run(store.create(wish("a/b/c", "d/u")))
                    failed = plan.failed
                    self.flushLoggedErrors(OSError)
                    number += 1
                self.assertGreater(number, 7)


class FaultsThereTests(test_faults.FaultTests):
    """Any call fails for an upload whose bytes lie elsewhere."""

    bytes_path = "bytes/of/u"
    durabilities = tried(tuple(Durability), (Durability.FINISH,))


class SweepTests(LeftoverCase):
    """What a sweep makes of such bytes."""

    def test_they_are_no_orphans(self) -> None:
        """Bytes are left alone that some record names, even if we made their name."""
        run(self.store.create(wish(OURS, "u")))
        run(self.store.create(wish(f"d/{OURS}", "v")))
        self.age(OURS, f"d/{OURS}", "u.info", "v.info")
        self.assertEqual(self.sweep(), ([], {}))
        self.assertEqual(run(self.store.info("u")).offset, 0)
        self.assertEqual(run(self.store.info("v")).offset, 0)

    def test_they_are_orphans_without_a_record(self) -> None:
        """What a crash leaves of a creation goes, if it has a name that we make."""
        self.put_old(OURS)
        self.put_old("u.info.tmp")
        self.assertEqual(sorted(self.sweep()[0]), [OURS, "u.info.tmp"])
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_removal_that_did_not_end(self) -> None:
        """The bytes of a removed upload go, wherever they lie."""
        run(self.store.create(wish()))
        os.rename(self.path("u.info"), self.path("u.removed"))
        self.age(PATH, "u.removed")
        self.assertEqual(self.sweep(), (["u.removed"], {}))
        self.assertFalse(os.path.exists(self.path(PATH)))


class ClaimTests(StoreCase):
    """Such an upload, beside a locker whose locks are leases."""

    def test_taken_over(self) -> None:
        """Who takes it over has a new file there; the one before adds nothing."""
        store = self.make()
        run(store.create(wish()))
        append(store, "u", b"abc")
        old = run(store.claim("u"))
        writer = run(old.store.open_writer("u", 3))
        new = run(store.claim("u"))
        assert isinstance(new.store, FileStore)
        self.assertEqual(append(new.store, "u", b"def"), 6)
        writer.write([b"late"])
        self.assertRaises(LockLost, writer.settle)
        writer.close()
        self.assertEqual(self.content(PATH), b"abcdef")
        self.assertRaises(LockLost, run, old.store.remove("u"))
        append(new.store, "u", b"ghij")
        run(new.store.set_state("u", UploadState.FINISHED))
        run(new.store.remove("u"))
        self.assertFalse(os.path.exists(self.path(PATH)))
        for claim in (old, new):
            run(claim.release())


class SmallDiskTests(StoreCase):
    """Where there is no room for the file that takes the id."""

    def test_no_room(self) -> None:
        """It is told as such, and nothing remains."""

        def fail(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "create":
                raise OSError(errno.ENOSPC, "injected")
            return call()

        store = self.make(files=intercepted(OsFiles(), fail))
        self.assertRaises(NoSpace, run, store.create(wish("a/b")))
        self.assertEqual(os.listdir(self.directory), [])
