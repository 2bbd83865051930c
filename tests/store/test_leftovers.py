"""What in an upload directory is a leftover, and what is never touched."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from tests.store.support import (
    HOST,
    DieAt,
    FailCalls,
    FailNames,
    Killed,
    StoreCase,
    append,
    intercepted,
    run,
)
from tustwisted.abilities import Leftover
from tustwisted.errors import StorageFailed, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.store.search import BATCH_NAMES, MAX_ORPHANS

OURS = "0123456789abcdef0123456789abcdef"
THEN_S = 1_600_000_000.0
BEFORE_S = THEN_S + 10


class AgedFiles(OsFiles):
    """Files that may be made old, which the kernel lets nobody do."""

    def changed_s(self, path: str) -> float:
        """Tell what :func:`os.utime` has set."""
        return os.lstat(path).st_mtime


class LeftoverCase(StoreCase):
    """A directory in which things are old or young."""

    def setUp(self) -> None:
        """Make an empty store."""
        super().setUp()
        self.store = self.make()

    def make(
        self,
        durability: Durability = Durability.FINISH,
        files: IFiles | None = None,
        host: Host = HOST,
    ) -> FileStore:
        """Return a started store, on files that can be aged."""
        return super().make(durability, files or AgedFiles(), host)

    def age(self, *names: str, by_s: float = 0.0) -> None:
        """Let names be from then; ``by_s`` seconds older."""
        for name in names:
            os.utime(self.path(name), (THEN_S - by_s, THEN_S - by_s))

    def put_old(self, name: str, content: bytes = b"") -> None:
        """Write an old file."""
        self.put(name, content)
        self.age(name)

    def sweep(
        self,
        store: FileStore | None = None,
        before_s: float = BEFORE_S,
        expire: Callable[[UploadInfo], None] = lambda upload: None,
    ) -> tuple[list[str], dict[str, str]]:
        """Clear leftovers away; tell their names, and what is left alone and why."""
        search = (store or self.store).search(before_s)
        cleared: list[str] = []
        left_alone: dict[str, str] = {}
        while (batch := run(search.next_batch())) is not None:
            for upload in batch.uploads:
                expire(upload)
            for leftover in batch.leftovers:
                if run(search.clear(leftover)):
                    cleared.append(leftover.name)
            left_alone |= {found.name: found.problem for found in batch.left_alone}
        search.close()
        return sorted(cleared), left_alone

    def names(self) -> list[str]:
        """List the directory."""
        return sorted(os.listdir(self.directory))

    def assert_untouched(self, store: FileStore | None = None) -> dict[str, str]:
        """Sweep, and find everything as it was; return what was left alone."""
        before = self.names()
        cleared, left_alone = self.sweep(store)
        self.assertEqual((cleared, self.names()), ([], before))
        return left_alone


class ClearedTests(LeftoverCase):
    """What a crash leaves goes, when it is old."""

    def test_data_without_a_record(self) -> None:
        """Files under an id that we make are cleared, with bytes and without."""
        other = OURS[::-1]
        self.put_old(OURS, b"abc")
        self.put_old(other)
        self.assertEqual(self.sweep(), ([OURS, other], {}))
        self.assertEqual(self.names(), [])

    def test_temporary_record(self) -> None:
        """A record that was never renamed is cleared, also beside an upload."""
        self.begin(self.store, b"abc")
        self.put_old("u.info.tmp", b"{")
        self.put_old("gone.info.tmp", b"{")
        self.assertEqual(self.sweep(), (["gone.info.tmp", "u.info.tmp"], {}))
        self.assertEqual(run(self.store.info("u")).offset, 3)

    def test_note_of_doubt(self) -> None:
        """A note that a chunk is unverified goes only without its record."""
        self.begin(self.store, b"abc")
        self.put_old("u.unverified", b"1")
        self.put_old("gone.unverified", b"1")
        self.assertEqual(self.sweep(), (["gone.unverified"], {}))
        self.assertEqual(run(self.store.info("u")).offset, 1)

    def test_record_without_data(self) -> None:
        """The record of a finished upload without its bytes is cleared."""
        self.begin(self.store, b"0123456789")
        run(self.store.set_state("u", UploadState.FINISHED))
        os.unlink(self.path("u"))
        self.assertEqual(self.sweep(), ([], {}))  # it is young
        self.age("u.info")
        self.assertEqual(self.sweep(), (["u.info"], {}))
        self.assertEqual(self.names(), [])

    def test_directories_of_what_was_removed(self) -> None:
        """Directories are cleared that were emptied in this sweep, inner ones first."""
        for upload_id in ("2024/05/17/u", "2024/05/u", "2024/06/u"):
            run(self.store.create(UploadInfo(upload_id, 3)))
        self.put_old("2024/05/17/v.info.tmp")

        def expire(upload: UploadInfo) -> None:
            if upload.upload_id != "2024/06/u":
                run(self.store.remove(upload.upload_id))

        cleared, _ = self.sweep(expire=expire)
        self.assertEqual(cleared, ["2024/05/17/", "2024/05/17/v.info.tmp"])
        self.assertEqual(os.listdir(self.path("2024")), ["06"])

    def test_directory_of_an_orphan(self) -> None:
        """The directory in which a record was half written goes with it."""
        os.makedirs(self.path("a/b"))
        self.put_old("a/b/u.info.tmp", b"{")
        self.assertEqual(self.sweep()[0], ["a/b/", "a/b/u.info.tmp"])
        self.assertEqual(self.names(), [])

    def test_the_id_is_free_again(self) -> None:
        """An id that an orphan kept taken can be used after the sweep."""
        self.put_old(OURS)
        self.sweep()
        run(self.store.create(UploadInfo(OURS, 3)))
        self.assertEqual(append(self.store, OURS, b"abc"), 3)

    def test_many_orphans(self) -> None:
        """A search takes a bounded number; the next ones take the others."""
        for number in range(MAX_ORPHANS + 5):
            self.put_old(f"{number:032x}")
        self.assertEqual(len(self.sweep()[0]), MAX_ORPHANS)
        self.assertEqual(len(self.sweep()[0]), 5)


class UntouchedTests(LeftoverCase):
    """What stays, whatever its age."""

    def test_young(self) -> None:
        """What is young, or from the future, may be in use."""
        names = (OURS, "empty", "a.info.tmp", "a.unverified")
        for by_s in (-11, -1e9):
            for name in names:
                self.put(name, b"" if name == "empty" else b"1")
            os.makedirs(self.path("a/b"), exist_ok=True)
            self.age(*names, "a/b", "a", by_s=by_s)
            self.assertEqual(self.assert_untouched(), {})

    def test_uploads(self) -> None:
        """Nothing of an upload is a leftover, however old it is."""
        for upload_id in (OURS, "day/u", "a.b"):
            run(self.store.create(UploadInfo(upload_id, 3)))
            append(self.store, upload_id, b"abc")
            self.age(upload_id, f"{upload_id}.info")
        run(self.store.create(UploadInfo("without-data", 3)))
        os.unlink(self.path("without-data"))
        self.age("without-data.info", "day")
        self.assertEqual(self.assert_untouched(), {})
        self.assertEqual(run(self.store.info("without-data")).offset, 0)

    def test_restored_from_a_backup(self) -> None:
        """What has an old time of modification since a moment ago is young."""
        self.put_old(OURS, b"abc")
        for name in ("a.info.tmp", "a.unverified", "gone.removed", "gone"):
            self.put_old(name, b"{}")
        self.begin(self.store, b"0123456789")
        run(self.store.set_state("u", UploadState.FINISHED))
        os.unlink(self.path("u"))
        self.age("u.info")
        self.assertEqual(self.assert_untouched(super().make(files=OsFiles())), {})

    def test_somebodys_own_directory(self) -> None:
        """An empty directory in which nothing of ours was is not ours to clear."""
        os.makedirs(self.path("project/empty"))
        self.age("project/empty", "project")
        self.assertEqual(self.assert_untouched(), {})
        self.assertEqual(os.listdir(self.path("project")), ["empty"])

    def test_somebodys_own_empty_file(self) -> None:
        """An empty file of a name that we would not make is left alone, and told of."""
        names = ["KEEP", "done.flag"]
        for name in names:
            self.put_old(name)
        self.assertEqual(sorted(self.assert_untouched()), names)

    def test_a_record_that_cannot_be_seen(self) -> None:
        """Bytes whose record the disk does not tell of are no orphan."""
        self.put_old(OURS, b"abc")
        self.put_old(f"{OURS}.info", b"{}")
        for error in (errno.EIO, errno.ESTALE, errno.EACCES):
            plan = FailNames(f"{OURS}.info", {"exists", "read"}, error)
            store = self.make(files=intercepted(AgedFiles(), plan))
            self.assertEqual(list(self.assert_untouched(store)), [f"{OURS}.info"])

    def test_a_record_that_cannot_be_read_now(self) -> None:
        """While a record is unread any data file may be its own, and is told of."""
        self.begin_at("x", OURS)
        self.put_old(OURS, b"abc")
        self.put_old("y.info.tmp", b"{")
        for error in (errno.EMFILE, errno.EIO):
            plan = FailNames("x.info", {"read"}, error)
            self.put_old("y.info.tmp", b"{")
            store = self.make(files=intercepted(AgedFiles(), plan))
            cleared, left_alone = self.sweep(store)
            self.assertEqual(cleared, ["y.info.tmp"])
            self.assertEqual(sorted(left_alone), [OURS, "x.info"])
        self.assertEqual(self.assert_untouched(), {})
        self.assertEqual(run(self.store.info("x")).offset, 3)

    def test_a_record_that_is_odd(self) -> None:
        """A record at which the judge itself fails counts as unread."""
        self.put_old(OURS, b"abc")
        self.put_old("x.info", b"{}")

        def fail(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "read":
                raise ZeroDivisionError
            return call()

        store = self.make(files=intercepted(AgedFiles(), fail))
        self.assertEqual(list(self.assert_untouched(store)), [OURS])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_directory_that_cannot_be_read(self) -> None:
        """Nor is anything an orphan while records may be in a directory unread."""
        os.mkdir(self.path("day"))
        self.put_old(OURS, b"abc")
        plan = FailNames("day", {"scan"}, errno.EMFILE)
        told = self.assert_untouched(self.make(files=intercepted(AgedFiles(), plan)))
        self.assertEqual(sorted(told), [OURS, "day/"])

    def test_a_directory_of_the_file_system(self) -> None:
        """What only root may read, or no id begins with, hides no record."""
        self.put_old(OURS, b"abc")
        for name in ("lost+found", ".cache"):
            os.mkdir(self.path(name))
            plan = FailNames(name, {"scan"}, errno.EACCES)
            store = self.make(files=intercepted(AgedFiles(), plan))
            self.assertEqual(self.sweep(store), ([OURS], {}))
            self.put_old(OURS, b"abc")

    def test_somebodys_own_file(self) -> None:
        """Bytes under an id that we would not make are left alone, and told of."""
        self.put_old("report.pdf", b"%PDF")
        os.mkdir(self.path("day"))
        self.put_old(f"day/{OURS}", b"abc")
        self.age("day")
        told = self.assert_untouched()
        self.assertEqual(sorted(told), [f"day/{OURS}", "report.pdf"])

    def test_what_is_not_ours(self) -> None:
        """Hidden files, other names, links, sockets and tusd's locks stay."""
        for name in (".hidden", ".tustwisted.lock", "a b", "u.lock", "u.stop", "\xe9"):
            self.put_old(name)
        for name in ("x" * 250, "a b.info.tmp", ".a.info.tmp", "a.tmp"):
            self.put_old(name)
        os.symlink("nowhere", self.path(OURS))
        os.symlink(".", self.path("loop"))
        os.symlink("nowhere", self.path("b.info.tmp"))
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path(".cache"))
        os.mkdir(self.path("lost+found"))
        os.mkdir(self.path("not an id"))
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            os.chdir(self.directory)  # the path of a socket must be short
            self.addCleanup(os.chdir, here)
            server.bind("socket")
            os.chdir(here)
        self.age(".cache", "lost+found", "not an id", "socket", "fifo")
        self.assertEqual(self.assert_untouched(), {})

    def test_torn_record(self) -> None:
        """A record that makes no sense, and the bytes beside it, stay (D8)."""
        for name, content in (("torn", b'{"ID"'), ("empty", b""), (OURS, b"[]")):
            self.put_old(f"{name}.info", content)
            self.put_old(name, b"abc")
        told = self.assert_untouched()
        self.assertEqual(
            told,
            dict.fromkeys(
                [f"{OURS}.info", "empty.info", "torn.info"], "makes no sense"
            ),
        )

    def test_unreadable_record(self) -> None:
        """A record that cannot be read stays, and nothing is logged as a failure."""
        self.begin(self.store, b"abc")
        self.age("u", "u.info")
        for error, text in (
            (errno.EIO, "input/output error"),
            (errno.EACCES, "permission denied"),
        ):
            store = self.make(files=intercepted(AgedFiles(), FailCalls("read", error)))
            told = self.assert_untouched(store)
            self.assertEqual(told, {"u.info": f"cannot be read: {text}"})

    def test_data_elsewhere(self) -> None:
        """Bytes that a record names as its own are no orphan, also when empty."""
        for upload_id, place in (("a", OURS), ("z", "empty")):
            self.begin_at(upload_id, place)
        self.put(OURS, b"abc")
        self.put("empty", b"")
        self.age(OURS, "empty", "a.info", "z.info")
        self.assertEqual(self.assert_untouched(), {})

    def begin_at(self, upload_id: str, place: str) -> None:
        """Create an upload whose record names a place of its own for the bytes."""
        run(self.store.create(UploadInfo(upload_id, 10)))
        os.unlink(self.path(upload_id))
        fields = json.loads(self.content(f"{upload_id}.info"))
        path = place if place.startswith("/") else os.path.abspath(self.path(place))
        fields["Storage"]["Path"] = path
        self.put(f"{upload_id}.info", json.dumps(fields).encode())

    def test_missing_data_elsewhere(self) -> None:
        """A record whose bytes may be on a disk that is missing now stays."""
        for upload_id, place in (("a", "disk/a"), ("b", "/elsewhere/c")):
            self.begin_at(upload_id, place)
            fields = json.loads(self.content(f"{upload_id}.info"))
            fields["State"] = "finished"
            self.put_old(f"{upload_id}.info", json.dumps(fields).encode())
        told = self.assert_untouched()
        self.assertEqual(sorted(told), ["a.info", "b.info"])


class RemovalTests(LeftoverCase):
    """A removal that did not come to its end."""

    def cut_short(self, upload_id: str) -> None:
        """Begin an upload, and die, or nearly, while its bytes are removed."""
        run(self.store.create(UploadInfo(upload_id, 3)))
        append(self.store, upload_id, b"abc")
        plan = FailCalls("nothing yet")
        broken = self.make(files=intercepted(AgedFiles(), plan))
        plan.name = "unlink"
        self.assertRaises(StorageFailed, run, broken.remove(upload_id))
        self.flushLoggedErrors(OSError)

    def test_is_ended(self) -> None:
        """Whatever its id, what was being removed is cleared when it is old."""
        self.cut_short("report.pdf")
        self.assertRaises(UploadNotFound, run, self.store.info("report.pdf"))
        self.assertEqual(self.assert_untouched(), {})  # it is young
        self.age("report.pdf")
        self.assertEqual(self.sweep(), (["report.pdf.removed"], {}))
        self.assertEqual(self.names(), [])

    def test_killed_at_any_call(self) -> None:
        """Wherever a removal dies, the upload is all there, or all of it goes."""
        reached = True
        for number in range(1, 9):
            for moment in ("before", "after"):
                self.directory = self.mktemp()
                plan = DieAt(AgedFiles(), 10**9, moment)
                dying = self.make(files=intercepted(AgedFiles(), plan))
                self.store = self.make()
                self.begin(self.store, b"abc")
                plan.number = plan.count + number
                try:
                    run(dying.remove("u"))
                    reached = False
                except Killed:
                    pass
                self.check_after_death(f"{moment} call {number}")
        self.assertFalse(reached)

    def check_after_death(self, when: str) -> None:
        """The upload is there as ever, or a sweep takes the rest of it."""
        try:
            self.assertEqual(run(self.store.info("u")).offset, 3, when)
        except UploadNotFound:
            self.age(*self.names())
            self.sweep()
            self.assertEqual(self.names(), [], when)

    def test_a_new_upload_with_its_id(self) -> None:
        """The bytes of a later upload with the same id are not those."""
        self.cut_short("u")
        os.unlink(self.path("u"))
        run(self.store.create(UploadInfo("u", 3)))
        append(self.store, "u", b"xyz")
        self.age("u", "u.info")
        self.assertEqual(self.sweep(), (["u.removed"], {}))
        self.assertEqual(self.content("u"), b"xyz")
        self.assertEqual(run(self.store.info("u")).offset, 3)

    def test_a_creation_with_its_id(self) -> None:
        """The data file of a creation that has no record yet is not touched."""
        self.cut_short("u")
        os.unlink(self.path("u"))
        self.put("u", b"")
        self.assertEqual(self.assert_untouched(), {})

    def test_a_creation_at_the_last_moment(self) -> None:
        """What is gone is not unlinked: by then the name may be a new upload's."""
        self.cut_short("u")
        os.unlink(self.path("u"))
        unlinked: list[str] = []

        def note(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "unlink":
                unlinked.append(os.path.basename(args[0]))
            return call()

        store = self.make(files=intercepted(AgedFiles(), note))
        unlinked.clear()  # it tried the directory
        self.assertEqual(self.sweep(store), (["u.removed"], {}))
        self.assertEqual(unlinked, ["u.removed"])

    def test_a_record_at_the_last_moment(self) -> None:
        """An upload that came after the last look keeps its bytes."""
        self.cut_short("u")
        self.age("u")
        seen: list[str] = []

        def come(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "exists" and args[0].endswith("/u.info"):
                seen.append(name)
                if len(seen) == 4:  # 1, 2: an orphan? the search; 3: the second look
                    self.put("u.info", b"{}")
            return call()

        store = self.make(files=intercepted(AgedFiles(), come))
        self.assertEqual(self.sweep(store)[0], ["u.removed"])
        self.assertEqual(self.content("u"), b"abc")

    def test_full_disk(self) -> None:
        """Where no name fits any more uploads can be removed all the same."""
        self.begin(self.store, b"abc")
        full = FailCalls("replace", errno.ENOSPC)
        run(self.make(files=intercepted(AgedFiles(), full)).remove("u"))
        self.assertEqual((full.count, self.names()), (1, []))


class SearchTests(LeftoverCase):
    """How it searches."""

    def test_steps_are_small(self) -> None:
        """No step looks at more names than the bound."""
        reads: list[str] = []

        def note(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "read" and args[0].endswith(".info"):
                reads.append(args[0])
            return call()

        for number in range(3 * BATCH_NAMES):
            run(self.store.create(UploadInfo(f"u{number}", 3)))
        search = self.make(files=intercepted(AgedFiles(), note)).search(BEFORE_S)
        reads.clear()
        found = 0
        while (batch := run(search.next_batch())) is not None:
            self.assertLessEqual(len(reads), BATCH_NAMES)
            found += len(batch.uploads)
            reads.clear()
        self.assertEqual(found, 3 * BATCH_NAMES)

    def test_stopped_store(self) -> None:
        """A store that was stopped ends the search, and holds no directory open."""
        for number in range(3 * BATCH_NAMES):
            run(self.store.create(UploadInfo(f"u{number}", 3)))
        before = len(os.listdir("/proc/self/fd"))
        search = self.store.search(BEFORE_S)
        self.assertIsNotNone(run(search.next_batch()))
        run(self.store.stop())
        self.assertIsNone(run(search.next_batch()))
        search.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_any_exception(self) -> None:
        """Whatever looking at one name raises is logged, and the search goes on."""

        def fail(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "stat" and args[0].endswith("/b"):
                raise ZeroDivisionError
            return call()

        for upload_id in ("a", "b", "c"):
            run(self.store.create(UploadInfo(upload_id, 3)))
        search = self.make(files=intercepted(AgedFiles(), fail)).search(BEFORE_S)
        batch = run(search.next_batch())
        assert batch is not None
        self.assertEqual(sorted(u.upload_id for u in batch.uploads), ["a", "c"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class RaceTests(LeftoverCase):
    """What changes between the look and the removal."""

    def change(self, name: str, change: Callable[[], Any]) -> bool:
        """Find a leftover, let something happen, and tell whether it was cleared."""
        search = self.store.search(BEFORE_S)
        found: list[Leftover] = []
        while (batch := run(search.next_batch())) is not None:
            found += batch.leftovers
        self.assertEqual([leftover.name for leftover in found], [name])
        change()
        return run(search.clear(found[0]))

    def change_directory(self, change: Callable[[], Any]) -> bool:
        """Find an emptied directory, and do as :meth:`change` does."""
        run(self.store.create(UploadInfo("day/v", 3)))
        search = self.store.search(BEFORE_S)
        found: list[Leftover] = []
        while (batch := run(search.next_batch())) is not None:
            for upload in batch.uploads:
                run(self.store.remove(upload.upload_id))
            found += batch.leftovers
        self.assertEqual([leftover.name for leftover in found], ["day/"])
        change()
        return run(search.clear(found[0]))

    def test_another_process_was_faster(self) -> None:
        """What is gone by then is no error."""
        self.put_old(OURS, b"abc")
        self.assertFalse(self.change(OURS, lambda: os.unlink(self.path(OURS))))
        self.assertFalse(self.change_directory(lambda: os.rmdir(self.path("day"))))

    def test_bytes_came(self) -> None:
        """A file that grows again is in use."""
        self.put_old(OURS, b"abc")
        self.assertFalse(self.change(OURS, lambda: self.put(OURS, b"abcd")))
        self.assertEqual(self.content(OURS), b"abcd")

    def test_a_record_came(self) -> None:
        """A file that has got a record belongs to an upload."""
        self.put_old(OURS, b"abc")
        self.assertFalse(self.change(OURS, lambda: self.put(f"{OURS}.info", b"")))
        self.assertEqual(self.content(OURS), b"abc")

    def test_an_upload_moved_in(self) -> None:
        """A directory that is used again stays."""

        def move_in() -> None:
            run(self.store.create(UploadInfo("day/u", 3)))

        self.assertFalse(self.change_directory(move_in))
        self.assertEqual(run(self.store.info("day/u")).offset, 0)

    def test_a_storage_that_fails(self) -> None:
        """What cannot be cleared away is an error, which tells no path."""
        self.put_old(OURS, b"abc")
        plan = FailCalls("nothing yet")
        store = self.make(files=intercepted(AgedFiles(), plan))
        plan.name = "unlink"
        search = store.search(BEFORE_S)
        clearing = search.clear(Leftover(OURS, OURS))
        self.assertRaises(StorageFailed, run, clearing)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.content(OURS), b"abc")
