"""Whatever call fails, the offset that is told is right, and the upload goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    FAULTS,
    HOST,
    FailAt,
    FailCalls,
    Recorder,
    ShortWrites,
    StoreCase,
    append,
    intercepted,
    run,
)
from tustwisted.errors import NoSpace, StorageFailed, UploadNotFound
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.failures import FULL
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles

CONTENT = bytes(range(1, 41))
ID = "day/u"


class FaultTests(StoreCase):
    """One call fails, or the disk is full from it on; then all is well again."""

    bytes_path = ID
    """Where the bytes lie."""

    durabilities = tuple(Durability)
    """What promises are tried."""

    def story(self, store: FileStore) -> None:
        """Do all that is done to an upload, going on from where it is."""
        try:
            info = run(store.info(ID))
        except UploadNotFound:
            wish = None if self.bytes_path == ID else Storage(self.bytes_path)
            run(store.create(UploadInfo(ID, len(CONTENT), storage=wish)))
            info = run(store.info(ID))
        while info.offset < len(CONTENT):
            self.now_s += 40.0  # so that `finish` has something to sync in between
            step = CONTENT[info.offset : info.offset + 15]
            append(store, ID, step[:7], step[7:])
            info = run(store.info(ID))
        if info.state is not UploadState.FINISHED:
            run(store.set_state(ID, UploadState.FINISHED))

    def check(self, files: IFiles, store: FileStore, name: str) -> None:
        """Compare what is told with what is there."""
        root = os.path.abspath(self.directory)
        try:
            info = run(store.info(ID))
        except UploadNotFound:
            self.assertEqual(list(files.scan(root)), [], name)
            return
        found = files.stat(f"{root}/{self.bytes_path}")
        size = 0 if found is None else found.size
        if store.durability is Durability.STRICT:
            self.assertLessEqual(info.offset, size, name)
        else:
            self.assertEqual(info.offset, size, name)
        content = files.read(f"{root}/{self.bytes_path}", 100)
        self.assertEqual(content[: info.offset], CONTENT[: info.offset], name)

    def fail_at(
        self,
        files: IFiles,
        durability: Durability,
        error: int,
        number: int,
        lasts: bool = False,
    ) -> bool:
        """Fail one call of the story; return whether the story has so many."""
        healthy = self.make(durability, files)
        plan = FailAt(files, 10**6, error, lasts)
        store = self.make(durability, intercepted(files, plan))
        plan.number = plan.count + number
        name = f"{durability} {os.strerror(error)} at {number}"
        try:
            self.story(store)
        except (NoSpace, StorageFailed) as refused:
            self.assertIsInstance(refused, NoSpace if error in FULL else StorageFailed)
        reached = plan.count >= plan.number
        self.flushLoggedErrors(OSError)
        self.check(files, healthy, name)
        self.story(healthy)
        content = files.read(
            f"{os.path.abspath(self.directory)}/{self.bytes_path}", 100
        )
        self.assertEqual(content, CONTENT, name)
        self.assertEqual(run(healthy.info(ID)).state, UploadState.FINISHED)
        return reached

    def test_one_call_fails(self) -> None:
        """An error at any call costs nothing that was told to be stored."""
        for durability in self.durabilities:
            for error in FAULTS.values():
                number = 1
                while self.fail_at(ForgetfulFiles(), durability, error, number):
                    number += 1
                self.assertGreater(number, 20)

    def test_the_disk_is_full_from_a_call_on(self) -> None:
        """A disk that is full from any call on keeps what was on it."""
        for durability in self.durabilities:
            number = 1
            while self.fail_at(
                ForgetfulFiles(), durability, errno.ENOSPC, number, lasts=True
            ):
                number += 1

    def test_one_call_of_the_system_fails(self) -> None:
        """The same holds for real files."""
        number, reached = 1, True
        while reached:
            self.directory = self.mktemp()
            reached = self.fail_at(OsFiles(), Durability.FINISH, errno.EIO, number)
            number += 3

    def test_a_failed_creation_leaves_nothing(self) -> None:
        """Whatever fails in a creation, neither file nor directory remains."""
        for durability in Durability:
            for number in range(1, 20):
                self.directory = self.mktemp()
                plan = FailAt(OsFiles(), 10**6, errno.ENOSPC)
                store = self.make(durability, intercepted(OsFiles(), plan))
                plan.number = plan.count + number
                try:
                    run(store.create(UploadInfo("a/b/u", 3)))
                except NoSpace:
                    self.assertEqual(os.listdir(self.directory), [], number)

    def test_short_writes(self) -> None:
        """However little a write takes, all bytes arrive in order."""
        for most in range(1, 17):
            self.directory = self.mktemp()
            store = self.make(files=ShortWrites(most))
            self.story(store)
            self.assertEqual(self.content(self.bytes_path), CONTENT)

    def test_a_write_that_takes_nothing_ends(self) -> None:
        """A file that takes no bytes and reports no error is an error."""
        store = self.make(files=ShortWrites(0))
        self.begin(store)
        self.assertRaises(StorageFailed, append, store, "u", b"abc")
        self.flushLoggedErrors(OSError)
        self.assertEqual(run(store.info("u")).offset, 0)

    def test_a_failed_sync_gives_up_what_it_was_for(self) -> None:
        """Bytes that could not be synced are cut off: no later sync would notice."""
        for durability in (Durability.FINISH, Durability.STRICT):
            self.directory = self.mktemp()
            self.begin(self.make(durability), b"abcde")
            run(self.make(durability).set_state("u", UploadState.RECEIVING))
            append(self.make(Durability.FINISH), "u", b"fghij")
            store = self.make(
                durability, intercepted(OsFiles(), FailCalls("fdatasync"))
            )
            self.assertRaises(
                StorageFailed, run, store.set_state("u", UploadState.FINISHED)
            )
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
            info = run(self.make(durability).info("u"))
            self.assertEqual((info.offset, info.state), (5, UploadState.RECEIVING))
            self.assertEqual(self.content("u"), b"abcde")

    def test_a_state_whose_name_cannot_be_synced_does_not_hold(self) -> None:
        """If the directory cannot be synced, the old state is put back."""
        self.begin(self.make(), b"0123456789")
        calls = FailCalls("sync_directory")
        store = self.make(files=intercepted(OsFiles(), calls))
        self.assertRaises(
            StorageFailed, run, store.set_state("u", UploadState.FINISHED)
        )
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(run(store.info("u")).state, UploadState.RECEIVING)
        self.assertEqual(run(store.info("u")).offset, 10)

    def test_errors_tell_clients_nothing(self) -> None:
        """The text and the path of an error go to the log, not into what is raised."""
        self.begin(self.make())
        store = self.make(files=intercepted(OsFiles(), FailCalls("pwritev")))
        error = self.assertRaises(StorageFailed, append, store, "u", b"abc")
        self.assertEqual(str(error), str(StorageFailed()))
        self.assertTrue(error.__suppress_context__)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_a_record_that_cannot_be_read_now_is_no_404(self) -> None:
        """A broken disk or a lack of descriptors does not make an upload unknown."""
        self.begin(self.make(), b"abc")
        for error in (errno.EIO, errno.EMFILE, errno.EACCES):
            store = self.make(files=intercepted(OsFiles(), FailCalls("read", error)))
            self.assertRaises(StorageFailed, run, store.info("u"))
            self.assertRaises(StorageFailed, run, store.open_writer("u", 3))
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)
        self.assertEqual(run(self.make().info("u")).offset, 3)

    def test_a_record_that_cannot_be_adopted(self) -> None:
        """If the first writer after a boot cannot make the record ours, none opens."""
        for name in ("fdatasync", "write", "replace", "sync_directory", "truncate"):
            self.directory = self.mktemp()
            self.begin(self.make(), b"abcde")
            run(self.make().set_state("u", UploadState.RECEIVING))  # syncs
            append(self.make(), "u", b"fgh")
            calls: list[str] = []
            plan = FailCalls("nothing yet")
            rebooted = Host(HOST.machine_id, "boot 2")
            store = self.make(
                files=intercepted(intercepted(OsFiles(), Recorder(calls)), plan),
                host=rebooted,
            )
            plan.name = name
            calls.clear()
            self.assertRaises(StorageFailed, run, store.open_writer("u", 5))
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
            self.assertEqual(calls[-1], "close")
            healthy = self.make(host=rebooted)
            self.assertEqual(run(healthy.info("u")).offset, 5)
            append(healthy, "u", b"xyz12")
            self.assertEqual(self.content("u"), b"abcdexyz12")

    def test_directories_that_vanish_while_they_are_made(self) -> None:
        """A creation outlives another one that takes its directories back."""
        taken: list[str] = []

        def take_back(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            made = call()
            if name == "make_directory" and len(taken) < 2:
                taken.append(args[0])
                os.rmdir(args[0])
            return made

        self.make()
        store = self.make(files=intercepted(OsFiles(), take_back))
        run(store.create(UploadInfo("day/u", 3)))
        self.assertEqual(len(taken), 2)
        self.assertEqual(run(store.info("day/u")).offset, 0)
