"""An upload gets another data file when somebody may still write to its old one."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
from random import Random
from typing import Any

from tests.campaign import tried
from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    FAULTS,
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
from tests.store.takeover import Freeze
from tustwisted.abilities import IClaim
from tustwisted.errors import LockLost, NoSpace, StorageFailed, TusError, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.copying import PIECE_BYTES, STEP_BYTES
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.store.layout import CLAIMS

REBOOTED = Host(HOST.machine_id, "boot 2")
CONTENT = bytes(range(1, 25))


class ReplacementCase(StoreCase):
    """Tests of a claim of ``u`` that is contested."""

    def contested(
        self, files: IFiles | None = None, durability: Durability = Durability.FINISH
    ) -> FileStore:
        """Take the upload over from who was never heard of again."""
        self.frozen = run(self.make(durability).claim("u"))
        store = run(self.make(durability, files).claim("u")).store
        assert isinstance(store, FileStore)
        return store

    def in_claims(self) -> list[str]:
        """List the files in all claims."""
        found = os.walk(self.path(CLAIMS))
        return [name for _, _, names in found for name in names]


class CopyTests(ReplacementCase):
    """The bytes of the new file."""

    def test_large(self) -> None:
        """All bytes that count are there, in steps and whoever copies them."""
        content = os.urandom(STEP_BYTES + PIECE_BYTES + 1)
        for durability in (Durability.NONE, Durability.FINISH):
            for error in (None, errno.EXDEV, errno.ENOSYS):
                self.directory = self.mktemp()
                self.begin(self.make(durability), content, length=None)
                calls: list[str] = []
                files: IFiles = OsFiles()
                if error is not None:
                    files = intercepted(files, FailCalls("copy_range", error))
                store = self.contested(intercepted(files, Recorder(calls)), durability)
                append(store, "u", b"the end")
                self.assertTrue(self.content("u") == content + b"the end")
                self.assertGreaterEqual(calls.count("copy_range"), 2)
                self.assertEqual("pread" in calls, error is not None)
                self.assertEqual("fdatasync" in calls, durability.syncs)
                self.assertEqual(self.in_claims(), [])

    def test_what_does_not_count(self) -> None:
        """A chunk in doubt and unsynced bytes are not copied."""
        for durability in Durability:
            self.directory = self.mktemp()
            self.begin(self.make(durability), b"abc", length=None)
            late = run(self.make(durability).open_chunk("u", 3))
            late.write([b"in doubt"])
            store = self.contested(durability=durability)
            self.assertEqual(run(store.info("u")).offset, 3)
            append(store, "u", b"def")
            late.write([b"more"])
            late.discard()
            late.close()
            self.assertEqual(self.content("u"), b"abcdef")
            self.assertFalse(os.path.exists(self.path("u.unverified")))

    def test_longer_than_it_is_long(self) -> None:
        """Nor is what is past the length."""
        self.begin(self.make(), b"abc", length=5)
        with open(self.path("u"), "ab") as file:
            file.write(b"XXXXXX")
        store = self.contested()
        run(store.set_state("u", UploadState.FINISHED))
        self.assertEqual(self.content("u"), b"abcXX")

    def test_elsewhere(self) -> None:
        """A file that the record names gets its new one in the same place."""
        store = self.make()
        self.begin(store, b"abc")
        os.mkdir(self.path("elsewhere"))
        os.rename(self.path("u"), self.path("elsewhere/v"))
        record = json.loads(self.content("u.info"))
        record["Storage"]["Path"] = os.path.abspath(self.path("elsewhere/v"))
        self.put("u.info", json.dumps(record).encode())
        inode = os.stat(self.path("elsewhere/v")).st_ino
        claimed = self.contested()
        append(claimed, "u", b"def")
        self.assertNotEqual(os.stat(self.path("elsewhere/v")).st_ino, inode)
        self.assertEqual(self.content("elsewhere/v"), b"abcdef")
        self.assertFalse(os.path.exists(self.path("u")))
        run(claimed.remove("u"))
        self.assertEqual(os.listdir(self.path("elsewhere")), [])

    def test_missing(self) -> None:
        """A file that was lost is made anew, and only by who has the claim."""
        for contested in (True, False):
            self.directory = self.mktemp()
            self.begin(self.make())
            os.unlink(self.path("u"))
            if contested:
                store = self.contested()
            else:
                view = run(self.make().claim("u")).store
                assert isinstance(view, FileStore)
                store = view
            append(store, "u", b"abc")
            self.assertEqual(self.content("u"), b"abc")

    def test_a_reader(self) -> None:
        """Whoever looks meanwhile sees the upload at its offset, at any moment."""
        self.begin(self.make(), b"abc", length=None)
        late = run(self.make().open_chunk("u", 3))
        late.write([b"in doubt"])
        late.close()
        frozen = run(self.make().claim("u"))
        number, reached = 1, True
        beside = self.make()
        while reached:
            seen: list[int] = []
            freeze = Freeze(
                10**6,
                lambda: seen.append(run(beside.info("u")).offset),  # noqa: B023
            )
            store = self.make(files=intercepted(OsFiles(), freeze))
            freeze.number = freeze.count + number
            run(run(store.claim("u")).store.open_writer("u", 3)).close()
            reached = bool(seen)
            self.assertIn(seen, ([], [3]))
            number += 1
        self.assertGreater(number, 10)
        run(frozen.release())

    def test_lost_in_the_middle(self) -> None:
        """A copy that nobody wants any more ends with its next step."""
        content = os.urandom(2 * STEP_BYTES)
        self.begin(self.make(), content, length=None)
        calls: list[str] = []
        others: list[IClaim] = []

        def claim_after_a_step(name: str, args: Any, call: Any) -> Any:
            made = call()
            if name == "copy_range" and not others:
                others.append(run(self.make().claim("u")))
            return made

        store = self.contested(
            intercepted(intercepted(OsFiles(), Recorder(calls)), claim_after_a_step)
        )
        inode = os.stat(self.path("u")).st_ino
        self.assertRaises(LockLost, run, store.open_writer("u", len(content)))
        self.assertEqual((calls.count("copy_range"), len(others)), (1, 1))
        self.assertEqual(os.stat(self.path("u")).st_ino, inode)
        self.assertEqual(self.in_claims(), [])

    def test_cut_off_meanwhile(self) -> None:
        """A file that has become shorter is no copy, and nothing is damaged."""
        self.begin(self.make(), b"abcdef", length=None)
        late = run(self.make().open_writer("u", 6))

        def cut() -> None:
            os.truncate(self.path("u"), 3)

        freeze = Freeze(10**6, cut)
        calls: list[str] = []
        store = self.contested(
            intercepted(intercepted(OsFiles(), freeze), Recorder(calls))
        )
        first = len(calls)
        with contextlib.suppress(TusError):
            run(store.open_writer("u", 0))
        look = len(calls) - first
        freeze.number = freeze.count + look + 3
        self.assertRaises(StorageFailed, run, store.open_writer("u", 6))
        self.flushLoggedErrors(OSError)
        late.close()
        self.assertEqual(self.content("u"), b"abc")
        append(store, "u", b"xyz")
        self.assertEqual(self.content("u"), b"abcxyz")

    def test_descriptors(self) -> None:
        """Whatever happens, none stays open."""
        self.begin(self.make(), b"abc", length=None)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for number in range(1, 40):
            plan = FailAt(OsFiles(), 10**6, errno.EIO)
            store = self.make(files=intercepted(OsFiles(), plan))
            plan.number = plan.count + number
            with contextlib.suppress(TusError):
                append(store, "u", b"x")
            with contextlib.suppress(TusError):
                claim = run(store.claim("u"))
                with contextlib.suppress(TusError):
                    append(claim.store, "u", b"x")  # type: ignore[arg-type]
                run(claim.release())
            self.flushLoggedErrors()
        gc.collect()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class FaultTests(ReplacementCase):
    """A call fails while the file is replaced."""

    def test_one_call_fails(self) -> None:
        """Nothing is damaged, the error is the right one, and the next try works."""
        for durability in Durability:
            for error in FAULTS.values():
                for lasts in (False, True):
                    number = 1
                    while self.fail_at(durability, error, number, lasts):
                        number += 1
                    self.assertGreater(number, 10)

    def fail_at(
        self, durability: Durability, error: int, number: int, lasts: bool
    ) -> bool:
        """Fail one call; return whether there are so many."""
        self.directory = self.mktemp()
        self.begin(self.make(durability), b"abc", length=6)
        plan = FailAt(OsFiles(), 10**6, error, lasts)
        store = self.contested(intercepted(OsFiles(), plan), durability)
        plan.number = plan.count + number
        try:
            append(store, "u", b"def")
            run(store.set_state("u", UploadState.FINISHED))
        except (NoSpace, StorageFailed) as refused:
            kind = StorageFailed if error == errno.EIO else NoSpace
            self.assertIsInstance(refused, kind, number)
        reached = plan.failed
        self.flushLoggedErrors(OSError)
        plan.number, plan.lasts = 0, False
        info = run(store.info("u"))
        self.assertEqual(self.content("u")[: info.offset], b"abcdef"[: info.offset])
        self.assertEqual(self.in_claims(), [], number)
        if info.offset < 6:
            append(store, "u", b"abcdef"[info.offset :])
        run(store.set_state("u", UploadState.FINISHED))
        self.assertEqual(self.content("u"), b"abcdef")
        return reached


class RemovalTests(ReplacementCase):
    """The process dies while it removes an upload."""

    def test_killed(self) -> None:
        """What it leaves is the upload, or what a sweep clears away."""
        for durability in Durability:
            for moment in ("before", "middle", "after"):
                number = 1
                while self.is_killed_at(durability, moment, number):
                    number += 1
                self.assertGreater(number, 10)

    def is_killed_at(self, durability: Durability, moment: str, number: int) -> bool:
        """Remove it until the process dies."""
        self.directory = self.mktemp()
        store = self.make(durability)
        run(store.create(UploadInfo("my/name", 3)))
        append(store, "my/name", b"abc")
        plan = DieAt(OsFiles(), 10**6, moment)
        dying = self.make(durability, intercepted(OsFiles(), plan))
        claim = run(dying.claim("my/name"))
        plan.number = plan.count + number
        is_killed = True
        try:
            run(claim.store.remove("my/name"))
            run(claim.release())
            is_killed = False
        except Killed:
            pass
        self.flushLoggedErrors(Killed)
        with contextlib.suppress(UploadNotFound):
            self.assertEqual(run(store.info("my/name")).offset, 3)
            self.assertEqual(self.content("my/name"), b"abc")
            after = run(store.claim("my/name"))
            run(after.store.remove("my/name"))
            run(after.release())
        for _ in range(2):
            self.sweep(store)
        left = [name for _, _, names in os.walk(self.directory) for name in names]
        self.assertEqual(left, [], f"{durability} {moment} {number}")
        run(store.create(UploadInfo("my/name", 3)))
        return is_killed

    def sweep(self, store: FileStore) -> None:
        """Clear away what is left."""
        search = store.search(1e12)
        while (batch := run(search.next_batch())) is not None:
            for leftover in batch.leftovers:
                run(search.clear(leftover))
        search.close()


class PowerTests(StoreCase):
    """The power fails while, or after, an upload is taken over."""

    def story(self, files: ForgetfulFiles, store: FileStore) -> None:
        """Take the upload over, and bring it to its end."""
        claim = run(store.claim("u"))
        view = claim.store
        assert isinstance(view, FileStore)
        for end in (14, 20, 24):
            begin = run(view.info("u")).offset
            self.now_s += 40.0
            writer = run(view.open_writer("u", begin))
            try:
                writer.write([CONTENT[begin : (begin + end) // 2]])
                self.now_s += 40.0
                writer.write([CONTENT[(begin + end) // 2 : end]])
                self.told = writer.settle()
            finally:
                writer.close()
        run(view.set_state("u", UploadState.FINISHED))
        self.is_finished = True
        run(claim.release())

    def begin_frozen(self, files: ForgetfulFiles, durability: Durability) -> None:
        """Let somebody write, and hear no more of him."""
        store = self.make(durability, files)
        run(store.create(UploadInfo("u", len(CONTENT))))
        files.sync_all()
        self.told, self.is_finished = 0, False
        view = run(store.claim("u")).store
        assert isinstance(view, FileStore)
        self.told = append(view, "u", CONTENT[:4])
        self.now_s += 40.0
        self.told = append(view, "u", CONTENT[4:9])
        chunk = run(view.open_chunk("u", 9))
        chunk.write([b"\xff" * 7])

    def check(self, files: ForgetfulFiles, durability: Durability, name: str) -> None:
        """See that what was promised is there, and go on to the end."""
        store = self.make(durability, files, REBOOTED)
        info = run(store.info("u"))
        if durability is Durability.STRICT:
            self.assertGreaterEqual(info.offset, self.told, name)
        if self.is_finished:
            self.assertEqual(info.state, UploadState.FINISHED, name)
        path = f"{os.path.abspath(self.directory)}/u"
        content = files.read(path, 100) if files.exists(path) else b""
        self.assertEqual(content[: info.offset], CONTENT[: info.offset], name)
        if info.state is not UploadState.FINISHED:
            self.story(files, store)
            self.assertEqual(files.read(path, 100), CONTENT, name)

    def test_power_is_lost(self) -> None:
        """At whichever call, nothing that was promised is missing, and all goes on."""
        for durability in (Durability.FINISH, Durability.STRICT):
            number, reached = 1, True
            while reached:
                files = ForgetfulFiles()
                self.begin_frozen(files, durability)
                plan = DieAt(files, 10**6, "after")
                store = self.make(durability, intercepted(files, plan))
                plan.number = plan.count + number
                with contextlib.suppress(Killed):
                    self.story(files, store)
                self.flushLoggedErrors(Killed)
                reached = plan.count >= plan.number
                told = self.told, self.is_finished
                for seed in range(tried(6, 1)):
                    self.told, self.is_finished = told
                    lost = files.lose_power(Random(seed))
                    self.check(lost, durability, f"{durability} {number} {seed}")
                number += 1
            self.assertGreater(number, 40)

    def test_the_name_of_the_copy(self) -> None:
        """It is safe before a record tells of bytes that the old file has not."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for seed in range(tried(150, 15)):
                files = ForgetfulFiles()
                self.begin_frozen(files, durability)

                def die(name: str, args: Any, call: Any) -> Any:
                    made = call()
                    if name == "replace" and args[1].endswith("u.info"):
                        raise Killed
                    return made

                store = self.make(durability, intercepted(files, die))
                with self.assertRaises(Killed):
                    self.story(files, store)
                lost = files.lose_power(Random(seed))
                self.check(lost, durability, f"{durability} {seed}")

    def test_killed(self) -> None:
        """Killed at any call, the successor loses nothing that was told."""
        for durability in Durability:
            for moment in ("before", "middle", "after"):
                number, reached = 1, True
                while reached:
                    files = ForgetfulFiles()
                    self.begin_frozen(files, durability)
                    plan = DieAt(files, 10**6, moment)
                    store = self.make(durability, intercepted(files, plan))
                    plan.number = plan.count + number
                    with contextlib.suppress(Killed):
                        self.story(files, store)
                    self.flushLoggedErrors(Killed)
                    reached = plan.count >= plan.number
                    healthy = self.make(durability, files)
                    info = run(healthy.info("u"))
                    self.assertGreaterEqual(info.offset, self.told)
                    if info.state is not UploadState.FINISHED:
                        self.story(files, healthy)
                    path = f"{os.path.abspath(self.directory)}/u"
                    self.assertEqual(files.read(path, 100), CONTENT)
                    number += 1
