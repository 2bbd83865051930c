"""Putting files together: in the kernel where that can be, whole or not at all."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own
import errno
import itertools
import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from tests.campaign import tried
from tests.receive.support import HandDisk
from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    HOST,
    DieAt,
    FailAt,
    FailCalls,
    Killed,
    Recorder,
    StoreCase,
    append,
    intercepted,
    run,
)
from tustwisted.errors import (
    InvalidMetadata,
    NoSpace,
    StorageFailed,
    TusError,
    UploadInterrupted,
    UploadNotFound,
)
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.copying import PIECE_BYTES, STEP_BYTES
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_concatenation import final

A, B = bytes(range(1, 21)), bytes(range(101, 125))
PARTS = {"a": A, "day/b": B}
FINAL = final(len(A + B + A), "a", "day/b", "a", upload_id="night/f")


def put(store: FileStore, upload_id: str, content: bytes) -> None:
    """Make a finished partial upload."""
    run(store.create(UploadInfo(upload_id, len(content), is_partial=True)))
    append(store, upload_id, content)
    run(store.set_state(upload_id, UploadState.FINISHED))


def concatenate(store: FileStore, info: UploadInfo = FINAL) -> None:
    """Put an upload together."""
    run(store.concatenate(info, lambda: True))


class _ConcatenationCase(StoreCase):
    def put_parts(self, files: IFiles | None = None, **durability: Any) -> FileStore:
        """Return a healthy store with the parts."""
        store = self.make(files=files, **durability)
        for upload_id, content in PARTS.items():
            put(store, upload_id, content)
        return store

    def names(self, files: IFiles | None = None) -> list[str]:
        """List all files below the directory, those of the parts left out."""
        found = []
        files = files or OsFiles()
        prefixes = [""]
        for prefix in prefixes:
            for name, is_directory in files.scan(os.path.abspath(self.path(prefix))):
                prefixes += [f"{prefix}{name}/"] if is_directory else []
                found += [] if is_directory else [prefix + name]
        return sorted(name for name in found if name.removesuffix(".info") not in PARTS)


class CopyTests(_ConcatenationCase):
    """How bytes get from one file to another."""

    def test_in_the_kernel(self) -> None:
        """They never come here where the kernel can copy (D13)."""
        self.put_parts()
        calls: list[str] = []
        concatenate(self.make(files=intercepted(OsFiles(), Recorder(calls))))
        self.assertEqual(self.content("night/f"), A + B + A)
        self.assertEqual(calls.count("copy_range"), 3)
        self.assertEqual({"pread", "pwritev"} & set(calls), set())

    def test_where_the_kernel_cannot(self) -> None:
        """Whatever it says when it cannot copy, they are read and written (T-165)."""
        large = bytes(range(256)) * (PIECE_BYTES // 256) + b"the end"
        for error in ("EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EBADF", "EPERM"):
            self.directory = self.mktemp()
            put(self.put_parts(), "large", large)
            plan = FailCalls("copy_range", getattr(errno, error))
            store = self.make(files=intercepted(OsFiles(), plan))
            concatenate(store, final(len(large + A), "large", "a"))
            self.assertEqual(self.content("f"), large + A, error)
            self.assertEqual(plan.count, 3, error)

    def test_where_the_kernel_copies_nothing(self) -> None:
        """A file system that says "no bytes" is not believed (T-165)."""

        def copy_nothing(name: str, _: Any, call: Callable[[], Any]) -> Any:
            return 0 if name == "copy_range" else call()

        self.put_parts()
        concatenate(self.make(files=intercepted(OsFiles(), copy_nothing)))
        self.assertEqual(self.content("night/f"), A + B + A)

    def test_short_copies(self) -> None:
        """However little is copied at a time, all bytes arrive in order (T-167)."""

        def copy_little(name: str, args: Any, call: Callable[[], Any]) -> Any:
            if name != "copy_range":
                return call()
            source, begin, target, end, count = args
            return OsFiles().copy_range(source, begin, target, end, min(count, 7))

        self.put_parts()
        concatenate(self.make(files=intercepted(OsFiles(), copy_little)))
        self.assertEqual(self.content("night/f"), A + B + A)

    def test_one_part_is_open_at_a_time(self) -> None:
        """However long the list, it takes two descriptors, and none after (T-192)."""
        store = self.put_parts()
        open_at_once: list[int] = []

        def count(name: str, _: Any, call: Callable[[], Any]) -> Any:
            if name == "copy_range":
                open_at_once.append(len(os.listdir("/proc/self/fd")))
            return call()

        before = len(os.listdir("/proc/self/fd"))
        store = self.make(files=intercepted(OsFiles(), count))
        concatenate(store, final(len(A) * 300, *["a"] * 300))
        self.assertEqual(self.content("f"), A * 300)
        self.assertEqual(set(open_at_once), {before + 2})
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_parts_of_tusd(self) -> None:
        """What tusd recorded is as good as ours, wherever the bytes lie (T-165)."""
        store = self.put_parts()
        self.put("bytes", B)
        record = {
            "ID": "t",
            "Size": len(B),
            "IsPartial": True,
            "Storage": {
                "Type": "filestore",
                "Path": os.path.abspath(self.path("bytes")),
            },
        }
        self.put("t.info", json.dumps(record).encode())
        concatenate(store, final(len(A + B), "a", "t"))
        self.assertEqual(self.content("f"), A + B)


class HandCopies(HandDisk):
    """A disk whose copies wait until the test does them, and nothing else does."""

    copy = HandDisk.write
    write = sync = ImmediateDisk.write


class StepTests(_ConcatenationCase):
    """A large copy is many jobs."""

    LENGTH = 5 * STEP_BYTES // 2

    def setUp(self) -> None:
        """Make one large part, most of it a hole; copy by hand."""
        super().setUp()
        put(self.put_parts(), "large", b"")
        record = json.loads(self.content("large.info")) | {"Size": self.LENGTH}
        self.put("large.info", json.dumps(record).encode())
        os.truncate(self.path("large"), self.LENGTH)
        self.disk = HandCopies()
        self.is_wanted = True
        self.store = FileStore(
            self.directory, self.disk, Durability.NONE, read_host=lambda: HOST
        )
        run(self.store.start())
        info = final(2 * self.LENGTH, "large", "large")
        self.copying = Deferred.fromCoroutine(
            self.store.concatenate(info, lambda: self.is_wanted)
        )

    def test_steps(self) -> None:
        """No job copies more than a step, so that others come in between (T-192)."""
        steps = 0
        sizes = [0]
        while self.disk.waiting:
            self.disk.do_one()
            steps += 1
            sizes.append(os.stat(self.path("f")).st_size)
        self.successResultOf(self.copying)
        self.assertEqual(steps, 1 + 5 + 1)
        self.assertEqual(max(b - a for a, b in itertools.pairwise(sizes)), STEP_BYTES)
        self.assertEqual(sizes[-1], 2 * self.LENGTH)

    def test_part_whose_id_is_used_again(self) -> None:
        """Bytes of another upload that got a part's id are not taken (D13)."""
        self.disk.do_one()
        store = self.make()
        run(store.remove("large"))
        run(store.create(UploadInfo("large", self.LENGTH)))
        os.truncate(self.path("large"), self.LENGTH)
        while self.disk.waiting:
            self.disk.do_one()
        self.failureResultOf(self.copying, UploadNotFound)
        self.assertFalse(os.path.exists(self.path("f")))

    def test_nobody_sees_it_before(self) -> None:
        """Until the record is there the upload is not (T-191)."""
        for _ in range(6):
            self.disk.do_one()
            self.assertRaises(UploadNotFound, run, self.store.info("f"))
            self.assertEqual(run(self.store.awaiting_finish()), [])
        self.disk.do_one()
        self.successResultOf(self.copying)
        self.assertEqual(run(self.store.awaiting_finish()), ["f"])

    def test_given_up_between_steps(self) -> None:
        """It ends at the next step when it is not wanted, whichever that is (T-191)."""
        for _ in range(3):
            self.disk.do_one()
        self.is_wanted = False
        self.disk.do_all()
        self.failureResultOf(self.copying, UploadInterrupted)
        self.assertEqual(self.names(), ["large", "large.info"])

    def test_given_up_after_the_last_byte(self) -> None:
        """Not even then is it published (T-191)."""
        for _ in range(5):
            self.disk.do_one()
        self.is_wanted = False
        self.disk.do_all()
        self.failureResultOf(self.copying, UploadInterrupted)
        self.assertEqual(self.names(), ["large", "large.info"])

    def test_given_up_before_it_begins(self) -> None:
        """When it waits for a thread already, it does not begin to copy (T-191)."""
        self.is_wanted = False
        self.disk.do_all()
        self.failureResultOf(self.copying, UploadInterrupted)
        self.assertEqual(self.names(), ["large", "large.info"])


class FaultTests(_ConcatenationCase):
    """Whatever fails, nothing remains."""

    def refused(self, kind: type[TusError], intercept: Any) -> None:
        """It fails in this way, and neither file, directory nor descriptor remains."""
        before = len(os.listdir("/proc/self/fd"))
        store = self.make(files=intercepted(OsFiles(), intercept))
        self.assertRaises(kind, concatenate, store)
        self.assertEqual(self.names(), [])
        self.assertFalse(os.path.exists(self.path("night")))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def in_the_middle(self, deed: Callable[[], Any]) -> Any:
        """Do something before the second copy."""
        copies = itertools.count()

        def intercept(name: str, args: Any, call: Callable[[], Any]) -> Any:
            if name == "copy_range" and next(copies) == 1:
                deed()
            return call()

        return intercept

    def test_part_removed_in_the_middle(self) -> None:
        """A part that goes before it is opened is not found (T-176, T-191)."""
        store = self.put_parts()
        # The second copy is of "day/b", which is open by then; the third of "a".
        self.refused(UploadNotFound, self.in_the_middle(lambda: run(store.remove("a"))))

    def test_part_removed_while_it_is_copied(self) -> None:
        """A part that is open is copied to its end (T-121)."""
        store = self.put_parts()
        remove_b = self.in_the_middle(lambda: run(store.remove("day/b")))
        concatenate(self.make(files=intercepted(OsFiles(), remove_b)))
        self.assertEqual(self.content("night/f"), A + B + A)

    def test_part_cut_in_the_middle(self) -> None:
        """A part that lost bytes is not found, and not padded (T-191)."""
        self.put_parts()
        self.refused(
            UploadNotFound,
            self.in_the_middle(lambda: os.truncate(self.path("day/b"), 5)),
        )

    def test_disk_full_in_the_middle(self) -> None:
        """So it is when there is no space for the rest (T-191)."""
        self.put_parts()

        def fail() -> None:
            raise OSError(errno.ENOSPC, "injected")

        self.refused(NoSpace, self.in_the_middle(fail))

    def test_disk_broken_in_the_middle(self) -> None:
        """An error that is no inability to copy is an error (T-191)."""
        self.put_parts()

        def fail() -> None:
            raise OSError(errno.EIO, "injected")

        self.refused(StorageFailed, self.in_the_middle(fail))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_target_takes_nothing(self) -> None:
        """A file that takes no bytes and reports no error is an error."""

        def take_nothing(name: str, _: Any, call: Callable[[], Any]) -> Any:
            return 0 if name in ("copy_range", "pwritev") else call()

        self.put_parts()
        self.refused(StorageFailed, take_nothing)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_record_too_long(self) -> None:
        """What the record cannot keep is refused before a byte is copied."""
        self.put_parts()
        metadata = Metadata.from_pairs({"x": bytes(2**20)})
        info = UploadInfo("f", 20, metadata=metadata, partial_uploads=("a",))
        calls: list[str] = []
        store = self.make(files=intercepted(OsFiles(), Recorder(calls)))
        self.assertRaises(InvalidMetadata, concatenate, store, info)
        self.assertNotIn("create", calls)
        self.assertEqual(self.names(), [])

    def test_any_call_fails(self) -> None:
        """An error at any call leaves nothing, or has cost nothing (T-191)."""
        for durability, error, lasts in itertools.product(
            Durability, (errno.ENOSPC, errno.EIO), (False, True)
        ):
            number = 1
            while self.fail_at(number, durability, error, lasts):
                number += 1
            self.assertGreater(number, 15)

    def fail_at(
        self, number: int, durability: Durability, error: int, lasts: bool
    ) -> bool:
        """Fail one call; return whether there are so many."""
        files = ForgetfulFiles()
        healthy = self.put_parts(files, durability=durability)
        plan = FailAt(files, 10**6, error, lasts)
        store = self.make(durability, intercepted(files, plan))
        plan.number = plan.count + number
        name = f"{durability} {os.strerror(error)} at {number}"
        try:
            concatenate(store)
        except (NoSpace, StorageFailed, UploadNotFound):
            self.assertTrue(plan.failed, name)
            self.assertEqual(self.names(files), [], name)
            concatenate(healthy)
        self.flushLoggedErrors(OSError)
        self.assertEqual(files._open, {}, name)
        self.assertEqual(run(healthy.info("night/f")).offset, len(A + B + A), name)
        content = files.read(os.path.abspath(self.path("night/f")), 100)
        self.assertEqual(content, A + B + A, name)
        return plan.count >= plan.number


class DeathTests(_ConcatenationCase):
    """The process is killed at any call, or the power fails."""

    def die_at(
        self, number: int, moment: str, durability: Durability, power: int | None
    ) -> bool:
        """Die, and see what the next life finds; return whether there are so many."""
        files = ForgetfulFiles()
        self.put_parts(files, durability=durability)
        files.sync_all()
        plan = DieAt(files, 10**6, moment)
        store = self.make(durability, intercepted(files, plan))
        plan.number = plan.count + number
        name = f"{durability} {moment} {number} {power}"
        with contextlib.suppress(Killed):
            concatenate(store)
        host = HOST
        if power is not None:
            files = files.lose_power(Random(power))
            host = Host(HOST.machine_id, "boot 2")
        self.check(files, self.make(durability, files, host), name)
        return plan.count >= plan.number

    def check(self, files: ForgetfulFiles, store: FileStore, name: str) -> None:
        """The final is whole, or nobody can see it."""
        try:
            found = run(store.info("night/f"))
        except UploadNotFound:
            self.assertEqual(list(run(store.awaiting_finish())), [], name)
            return
        self.assertEqual(found, FINAL.at(len(A + B + A)), name)
        content = files.read(os.path.abspath(self.path("night/f")), 100)
        self.assertEqual(content, A + B + A, name)
        self.assertEqual(list(run(store.awaiting_finish())), ["night/f"], name)
        run(store.set_state("night/f", UploadState.FINISHED))

    def test_killed(self) -> None:
        """After a kill at any call a final is whole or not there (T-191, D13)."""
        for durability in Durability:
            for moment in ("before", "middle", "after"):
                number = 1
                while self.die_at(number, moment, durability, None):
                    number += 1
                self.assertGreater(number, 12)

    def test_power_lost(self) -> None:
        """So it is when the power fails, where anything is promised (T-191, D13)."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for power in range(tried(20, 3)):
                number = 1
                while self.die_at(number, "middle", durability, power):
                    number += 1


class SyncTests(_ConcatenationCase):
    """What is safe when."""

    def calls(self, durability: Durability) -> list[str]:
        """Record what is called."""
        self.directory = self.mktemp()
        self.put_parts(durability=durability)
        calls: list[str] = []
        store = self.make(durability, intercepted(OsFiles(), Recorder(calls)))
        calls.clear()
        concatenate(store)
        return calls

    def test_bytes_before_the_record(self) -> None:
        """Bytes and names are on the device before the record is written (D8)."""
        for durability in (Durability.FINISH, Durability.STRICT):
            calls = self.calls(durability)
            record = calls.index("replace")
            for call in ("write_out", "fdatasync", "sync_directory"):
                self.assertLess(calls.index(call), record, call)

    def test_none(self) -> None:
        """Where nothing is promised nothing is synced (D8)."""
        calls = self.calls(Durability.NONE)
        self.assertEqual(
            {"write_out", "fdatasync", "sync_directory"} & set(calls), set()
        )

    def test_synced_once(self) -> None:
        """The finish step need not sync the bytes again."""
        self.put_parts()
        concatenate(self.make())
        calls: list[str] = []
        store = self.make(files=intercepted(OsFiles(), Recorder(calls)))
        calls.clear()
        run(store.set_state("night/f", UploadState.FINISHED))
        self.assertNotIn("fdatasync", calls)

    def test_strict_name_cannot_be_synced(self) -> None:
        """Under strict it is taken back when its name cannot be made safe (T-191)."""
        self.put_parts(durability=Durability.STRICT)
        replaced: list[str] = []

        def fail(name: str, args: Any, call: Callable[[], Any]) -> Any:
            if name == "replace":
                replaced.append(name)
            if name == "sync_directory" and replaced:
                raise OSError(errno.EIO, "injected")
            return call()

        store = self.make(Durability.STRICT, intercepted(OsFiles(), fail))
        self.assertRaises(StorageFailed, concatenate, store)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.names(), [])
        self.assertFalse(os.path.exists(self.path("night")))
