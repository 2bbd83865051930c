"""The file store: its directory, its layout, and what it makes of damage."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from threading import get_ident
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.contracts.test_stores import ThreadedDisk
from tests.store.support import (
    HOST,
    FailCalls,
    Recorder,
    StoreCase,
    append,
    intercepted,
    run,
)
from tustwisted.errors import (
    NoSpace,
    OffsetConflict,
    StorageFailed,
    StoreUnusable,
    UploadExists,
    UploadNotFound,
)
from tustwisted.probes import IHasRoom
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.changes import LARGE_BYTES
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host, identity
from tustwisted.testing import ImmediateDisk

REBOOTED = Host(HOST.machine_id, "boot 2")


class StartTests(StoreCase):
    """Making the directory ready, or saying plainly why not."""

    def refused(self, problem: str, files: OsFiles | None = None) -> None:
        """Check why the store cannot start."""
        error = self.assertRaises(StoreUnusable, self.make, files=files)
        self.assertEqual((error.directory, error.problem), (self.directory, problem))

    def test_the_directory_is_made(self) -> None:
        """The directory is made with its parents and the mode, and left empty."""
        self.addCleanup(os.umask, os.umask(0o002))
        self.directory += "/a/b"
        self.make()
        self.make()
        self.assertEqual(os.listdir(self.directory), [])
        self.assertEqual(stat.S_IMODE(os.stat(self.directory).st_mode), 0o775)

    def test_nothing_is_made_before(self) -> None:
        """A store that was not started has touched nothing."""
        FileStore(self.directory, ImmediateDisk())
        self.assertFalse(os.path.exists(self.directory))

    def test_a_file_in_the_way(self) -> None:
        """Where a file is, no directory can be."""
        with open(self.directory, "wb"):
            pass
        self.refused("it, or what it lies in, is not a directory")
        self.directory += "/below"
        self.refused("it, or what it lies in, is not a directory")

    def test_no_permission(self) -> None:
        """A directory that cannot be written is told of in plain words."""
        for number, problem in (
            (13, "permission denied"),
            (30, "read-only file system"),
            (5, "input/output error"),
        ):
            for name in ("write", "make_directory"):
                error = self.assertRaises(
                    StoreUnusable,
                    self.make,
                    files=intercepted(OsFiles(), FailCalls(name, number)),
                )
                self.assertEqual(error.problem, problem)

    def test_a_full_disk_is_no_reason(self) -> None:
        """A full disk still serves what is there."""
        self.begin(self.make(), b"abc")
        store = self.make(files=intercepted(OsFiles(), FailCalls("write", 28)))
        self.assertEqual(run(store.info("u")).offset, 3)

    def test_stop_and_start(self) -> None:
        """A store may be stopped and started again."""
        store = self.make()
        self.begin(store, b"abc")
        run(store.stop())
        run(store.start())
        self.assertEqual(run(store.info("u")).offset, 3)


class RoomTests(StoreCase):
    """Whether bytes can be stored, asked while the store is in use."""

    def test_room(self) -> None:
        """It tells what the file system has for this process, and leaves nothing."""
        store = self.make()
        verifyObject(IHasRoom, store)
        system = os.statvfs(self.directory)
        whole = system.f_blocks * system.f_frsize
        self.assertTrue(0 < run(store.room()) <= whole)
        self.assertEqual(os.listdir(self.directory), [])

    def test_failures(self) -> None:
        """A full file system is told apart from one that does not work; no log."""
        for number, error in ((28, NoSpace), (122, NoSpace), (5, StorageFailed)):
            broken = intercepted(OsFiles(), FailCalls("write", number))
            store = self.make()
            store._shelf = evolve(store._shelf, files=broken)
            self.assertRaises(error, run, store.room())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_directory_is_gone(self) -> None:
        """A directory that somebody has removed keeps nothing."""
        store = self.make()
        os.rmdir(self.directory)
        self.assertRaises(StorageFailed, run, store.room())


class LayoutTests(StoreCase):
    """What lies in the directory."""

    def test_two_files(self) -> None:
        """An upload is its bytes and its record, and nothing else."""
        self.begin(self.make(), b"abc")
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])
        self.assertEqual(self.content("u"), b"abc")
        fields = json.loads(self.content("u.info"))
        path = os.path.abspath(self.path("u"))
        self.assertEqual(
            fields["Storage"],
            {"Type": "filestore", "Path": path, "InfoPath": f"{path}.info"},
        )
        self.assertEqual(fields["Offset"], 0)

    def test_where_it_lies_is_told(self) -> None:
        """Who asks for an upload is told its absolute paths."""
        store = self.make()
        run(store.create(UploadInfo("d/u", 3)))
        path = os.path.abspath(self.path("d/u"))
        expected = Storage(path, f"{path}.info")
        self.assertEqual(run(store.info("d/u")).storage, expected)
        os.unlink(path)
        self.assertEqual(run(store.info("d/u")).storage, expected)

    def test_modes(self) -> None:
        """Files and directories get the modes that were asked for."""
        self.addCleanup(os.umask, os.umask(0))
        store = FileStore(
            self.directory, ImmediateDisk(), file_mode=0o640, dir_mode=0o750
        )
        run(store.start())
        run(store.create(UploadInfo("d/u", 1)))
        modes = [
            stat.S_IMODE(os.stat(self.path(name)).st_mode)
            for name in ("", "d", "d/u", "d/u.info")
        ]
        self.assertEqual(modes, [0o750, 0o750, 0o640, 0o640])

    def test_removal_leaves_nothing(self) -> None:
        """All files of an upload go, also what a crash has left of it."""
        store = self.make()
        self.begin(store, b"abc")
        self.put("u.unverified", b"1")
        self.put("u.info.tmp", b"{")
        run(store.remove("u"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_moved_directory(self) -> None:
        """A directory that was moved is as good as before."""
        self.begin(self.make(), b"abc")
        moved = self.mktemp()
        os.rename(self.directory, moved)
        self.directory = moved
        store = self.make()
        append(store, "u", b"def")
        self.assertEqual(self.content("u"), b"abcdef")

    def test_orphans_keep_their_id(self) -> None:
        """Bytes without a record are no upload, and nothing is built on them."""
        store = self.make()
        self.put("u", b"abc")
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertRaises(UploadNotFound, run, store.remove("u"))
        self.assertRaises(UploadExists, run, store.create(UploadInfo("u", 1)))
        self.assertEqual(self.content("u"), b"abc")

    def test_a_directory_is_no_upload(self) -> None:
        """A directory of other uploads keeps its name to itself."""
        store = self.make()
        run(store.create(UploadInfo("a/b", 1)))
        self.assertRaises(UploadExists, run, store.create(UploadInfo("a", 1)))
        self.assertRaises(UploadNotFound, run, store.info("a"))
        self.assertEqual(run(store.info("a/b")).offset, 0)


class DamageTests(StoreCase):
    """What others did to the files."""

    def test_torn_records(self) -> None:
        """An upload with a torn record is not found, and can be removed."""
        store = self.make()
        for torn in (b"", b"{", b"\0" * 100, b"[]", b"x" * 2_000_000):
            self.begin(store, b"abc")
            self.put("u.info", torn)
            self.assertRaises(UploadNotFound, run, store.info("u"))
            self.assertRaises(UploadNotFound, run, store.open_writer("u", 3))
            self.assertRaises(
                UploadNotFound, run, store.set_state("u", UploadState.FINISHED)
            )
            self.assertRaises(UploadExists, run, store.create(UploadInfo("u", 1)))
            self.assertEqual(run(store.awaiting_finish()), [])
            run(store.remove("u"))
            self.assertEqual(os.listdir(self.directory), [])

    def test_too_many_bytes(self) -> None:
        """Bytes past the length do not count, and the next writer cuts them off."""
        for length, offset in ((5, 5), (9, 7)):
            store = self.make()
            self.begin(store, b"", length)
            self.put("u", b"abcdefg")
            self.assertEqual(run(store.info("u")).offset, offset)
            run(store.open_writer("u", offset)).close()
            self.assertEqual(self.content("u"), b"abcdefg"[:offset])
            run(store.remove("u"))

    def test_missing_bytes(self) -> None:
        """Without its bytes a begun upload is empty, and the next writer makes them."""
        for durability in Durability:
            store = self.make(durability)
            self.begin(store, b"abc")
            os.unlink(self.path("u"))
            self.assertEqual(run(store.info("u")).offset, 0)
            self.assertRaises(OffsetConflict, run, store.open_writer("u", 3))
            self.assertEqual(append(store, "u", b"xyz"), 3)
            self.assertEqual(self.content("u"), b"xyz")
            self.assertEqual(run(store.info("u")).offset, 3)
            run(store.remove("u"))

    def test_a_finished_upload_that_was_taken_away(self) -> None:
        """When somebody moved its bytes elsewhere, an upload is gone, as with tusd."""
        store = self.make()
        self.begin(store, b"0123456789")
        run(store.set_state("u", UploadState.FINISHED))
        os.unlink(self.path("u"))
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertEqual(run(store.awaiting_finish()), [])
        run(store.remove("u"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_finished_upload_that_was_cut(self) -> None:
        """When bytes of it are gone, an upload receives again, and can be repaired."""
        for durability in Durability:
            store = self.make(durability)
            self.begin(store, b"0123456789")
            run(store.set_state("u", UploadState.FINISHED))
            os.truncate(self.path("u"), 4)
            info = run(store.info("u"))
            self.assertEqual((info.offset, info.state), (4, UploadState.RECEIVING))
            append(store, "u", b"456789")
            info = run(store.info("u"))
            self.assertEqual((info.offset, info.state), (10, UploadState.RECEIVING))
            self.assertEqual(run(store.awaiting_finish()), ["u"])
            run(store.remove("u"))

    def test_a_mark_past_the_end(self) -> None:
        """Where synced bytes were cut, new bytes in their place are not yet synced."""
        store = self.make(Durability.STRICT)
        self.begin(store, b"abcdefgh")
        os.truncate(self.path("u"), 2)
        writer = run(store.open_writer("u", 2))
        writer.write([b"xyz"])
        self.assertEqual(run(store.info("u")).offset, 2)
        writer.settle()
        writer.close()
        self.assertEqual(run(store.info("u")).offset, 5)

    def test_removed_while_it_is_looked_at(self) -> None:
        """An upload that goes while it is looked at is not found, and not empty."""
        healthy = self.make()
        self.begin(healthy, b"abc")

        def remove_first(
            name: str, args: tuple[Any, ...], call: Callable[[], Any]
        ) -> Any:
            if name == "stat":
                run(healthy.remove("u"))
            return call()

        store = self.make(files=intercepted(OsFiles(), remove_first))
        self.assertRaises(UploadNotFound, run, store.info("u"))

    def test_symlinks(self) -> None:
        """A symlink in the place of bytes or record leads nowhere."""
        outside = self.mktemp()
        with open(outside, "wb") as file:
            file.write(b"secret")
        store = self.make()
        self.begin(store, b"abc")
        os.unlink(self.path("u"))
        os.symlink(os.path.abspath(outside), self.path("u"))
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertRaises(UploadNotFound, run, store.open_writer("u", 6))
        os.rename(self.path("u.info"), self.path("v.info"))
        os.symlink("v.info", self.path("u.info"))
        self.assertRaises(UploadNotFound, run, store.info("u"))
        run(store.remove("u"))
        with open(outside, "rb") as file:
            self.assertEqual(file.read(), b"secret")

    def test_paths_that_lead_out(self) -> None:
        """A record that names a file elsewhere opens and removes no such file."""
        outside = os.path.abspath(self.mktemp())
        with open(outside, "wb") as file:
            file.write(b"abc")
        store = self.make()
        self.begin(store, b"")
        fields = json.loads(self.content("u.info"))
        fields["Storage"]["Path"] = outside
        self.put("u.info", json.dumps(fields).encode())
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertRaises(UploadNotFound, run, store.open_writer("u", 3))
        run(store.remove("u"))
        self.assertTrue(os.path.exists(outside))
        self.assertEqual(os.listdir(self.directory), [])

    def test_unverified_bytes(self) -> None:
        """Bytes in doubt do not count; the next writer cuts them and ends the doubt."""
        store = self.make()
        for content, offset in ((b"4", 4), (b"4\n", 4), (b"99", 6), (b"", 0)):
            self.begin(store, b"abcdef")
            self.put("u.unverified", content)
            self.assertEqual(run(store.info("u")).offset, offset)
            self.assertEqual(append(store, "u", b"x"), offset + 1)
            self.assertEqual(self.content("u"), b"abcdef"[:offset] + b"x")
            self.assertFalse(os.path.exists(self.path("u.unverified")))
            run(store.remove("u"))

    def test_junk_is_passed_by(self) -> None:
        """A directory full of other things lists only what is an upload."""
        store = self.make()
        run(store.create(UploadInfo("day/u", 0)))
        for name in ("x.info", "u.lock", "u.stop", ".hidden.info", "a b.info", "no"):
            self.put(name, b"junk")
        os.mkdir(self.path("d.info"))
        os.mkdir(self.path(".trash"))
        self.put(".trash/u.info", self.content("day/u.info"))
        os.symlink(".", self.path("loop"))
        os.symlink("nowhere", self.path("y.info"))
        os.mkfifo(self.path("z.info"))
        deep = self.path("/".join(["deep"] * 60))
        os.makedirs(deep)
        self.assertEqual(run(store.awaiting_finish()), ["day/u"])

    def test_errors_of_removal(self) -> None:
        """If the record cannot be removed, the upload is still there."""
        self.begin(self.make(), b"abc")
        plan = FailCalls("nothing yet")
        store = self.make(files=intercepted(OsFiles(), plan))
        plan.name = "replace"
        self.assertRaises(StorageFailed, run, store.remove("u"))
        self.flushLoggedErrors(OSError)
        self.assertEqual(run(self.make().info("u")).offset, 3)

    def test_bytes_that_cannot_be_removed(self) -> None:
        """If its bytes cannot be removed, the upload is gone, but its id is taken."""
        self.begin(self.make(), b"abc")
        plan = FailCalls("nothing yet")
        store = self.make(files=intercepted(OsFiles(), plan))
        plan.name = "unlink"
        self.assertRaises(StorageFailed, run, store.remove("u"))
        self.flushLoggedErrors(OSError)
        self.assertRaises(UploadNotFound, run, store.info("u"))
        self.assertRaises(UploadExists, run, store.create(UploadInfo("u", 3)))


class RebootTests(StoreCase):
    """After a boot, unsynced bytes are not believed in."""

    def test_cut_back(self) -> None:
        """An unfinished upload goes on where it was last synced; its record is new."""
        self.begin(self.make(), b"abcdef")
        store = self.make(host=REBOOTED)
        self.assertEqual(run(store.info("u")).offset, 0)
        self.assertEqual(append(store, "u", b"xyz"), 3)
        self.assertEqual(self.content("u"), b"xyz")
        self.assertEqual(run(store.info("u")).offset, 3)
        fields = json.loads(self.content("u.info"))
        self.assertEqual((fields["BootID"], fields["SyncedOffset"]), ("boot 2", 0))

    def test_finished_uploads_stay(self) -> None:
        """A finished upload is believed in after any boot."""
        store = self.make()
        self.begin(store, b"0123456789")
        run(store.set_state("u", UploadState.FINISHED))
        info = run(self.make(host=REBOOTED).info("u"))
        self.assertEqual((info.offset, info.state), (10, UploadState.FINISHED))

    def test_unknown_hosts(self) -> None:
        """Without ids of machine and boot, the size is believed in."""
        self.begin(self.make(host=Host()), b"abcdef")
        self.assertEqual(run(self.make(host=Host()).info("u")).offset, 6)

    def test_cloned_machines(self) -> None:
        """Two that share a machine id, and live, take no bytes from each other."""
        one, other = (
            self.make(host=Host(identity("m", name), f"boot of {name}"))
            for name in ("one", "other")
        )
        self.begin(one, b"abc")
        self.assertEqual(append(other, "u", b"def"), 6)
        self.assertEqual(append(one, "u", b"ghi"), 9)
        self.assertEqual(self.content("u"), b"abcdefghi")

    def test_none_after_finish(self) -> None:
        """A store that no longer syncs cuts once, and then believes in the size."""
        self.begin(self.make(), b"abcdef")
        store = self.make(Durability.NONE, host=REBOOTED)
        self.assertEqual(append(store, "u", b"xyz"), 3)
        self.assertEqual(run(self.make(Durability.NONE, host=HOST).info("u")).offset, 3)


class CostTests(StoreCase):
    """Which calls the life of a small upload costs."""

    def calls(self, durability: Durability) -> dict[str, list[str]]:
        """Live one life and note the calls of each step."""
        calls: list[str] = []
        store = self.make(durability, intercepted(OsFiles(), Recorder(calls)))
        found = {}

        def note(step: str) -> None:
            found[step] = list(calls)
            calls.clear()

        calls.clear()
        run(store.create(UploadInfo("u", 3)))
        note("create")
        run(store.info("u"))
        note("info")
        writer = run(store.open_writer("u", 0))
        note("open")
        writer.write([b"abc"])
        writer.settle()
        note("write")
        writer.close()
        note("close")
        run(store.set_state("u", UploadState.FINISHED))
        note("finish")
        return found

    def test_none_and_finish(self) -> None:
        """Up to its end an upload costs the same with and without a promise."""
        look = ["read", "stat", "read"]
        expected = {
            "create": ["exists", "create", "close", "write", "replace"],
            "info": ["read", "stat"],  # of no byte there is a doubt
            "open": [*look, "open"],
            "write": ["pwritev"],
            "close": ["close"],
        }
        none = self.calls(Durability.NONE)
        self.assertEqual(none.pop("finish"), [*look, "write", "replace"])
        self.assertEqual(none, expected)
        self.directory = self.mktemp()
        finish = self.calls(Durability.FINISH)
        self.assertEqual(
            finish.pop("finish"),
            [
                *look,
                *("open", "fdatasync", "close"),
                *("write", "replace", "sync_directory"),
            ],
        )
        self.assertEqual(finish, expected)


class ThreadTests(TestCase):
    """The store with real threads."""

    def setUp(self) -> None:
        """Start threads and make a store."""
        self.calls: list[str] = []
        self.disk = ThreadedDisk()
        self.disk.start()
        self.addCleanup(self.disk.stop)
        self.store = FileStore(
            self.mktemp(),
            self.disk,
            Durability.STRICT,
            files=intercepted(OsFiles(), Recorder(self.calls)),
        )

    async def test_completions_share_directory_syncs(self) -> None:
        """Fifty uploads that are finished at once cost few syncs of their directory."""
        await self.store.start()
        ids = [f"u{n}" for n in range(50)]
        await gatherResults(
            Deferred.fromCoroutine(self.store.create(UploadInfo(upload_id, 0)))
            for upload_id in ids
        )
        self.calls.clear()
        await gatherResults(
            Deferred.fromCoroutine(
                self.store.set_state(upload_id, UploadState.FINISHED)
            )
            for upload_id in ids
        )
        self.assertEqual(self.calls.count("replace"), 50)
        self.assertLess(self.calls.count("sync_directory"), 25)
        for upload_id in ids:
            info = await self.store.info(upload_id)
            self.assertIs(info.state, UploadState.FINISHED)

    async def test_end_of_a_large_upload(self) -> None:
        """Its record may wait behind its bytes: so a thread does, if none is synced."""
        threads: dict[str, int] = {}

        def note(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            threads[name] = get_ident()
            return call()

        files = intercepted(OsFiles(), note)
        store = FileStore(self.mktemp(), self.disk, Durability.NONE, files=files)
        await store.start()
        await store.create(UploadInfo("u", LARGE_BYTES + 1))
        writer = await store.open_writer("u", 0)
        writer.write([bytes(LARGE_BYTES + 1)])
        writer.close()
        await store.set_state("u", UploadState.FINISHED)
        self.assertNotEqual(threads["replace"], get_ident())

    async def test_info_beside_a_writer(self) -> None:
        """While marks are rewritten, ``info`` never tells less or more than is safe."""
        await self.store.start()
        await self.store.create(UploadInfo("u", None))
        writer = await self.store.open_writer("u", 0)
        self.addCleanup(writer.close)
        settled = [0]

        def write() -> None:
            for _ in range(60):
                writer.write([b"x" * 1000])
                settled.append(writer.settle())

        writing = deferToThread(write)
        told = 0
        while not writing.called:
            least = settled[-1]
            now = (await self.store.info("u")).offset
            self.assertGreaterEqual(now, max(told, least))
            self.assertLessEqual(now, writer.offset)
            told = now
        await writing
        self.assertEqual((await self.store.info("u")).offset, 60_000)
