"""Chunks in doubt: whatever fails or dies, no unverified byte is ever told of."""

from __future__ import annotations

import contextlib
import errno
import os
from random import Random
from typing import Any

from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    FAULTS,
    HELD_BYTES,
    HOST,
    DieAt,
    FailAt,
    FailCalls,
    Killed,
    Recorder,
    StoreCase,
    intercepted,
    run,
)
from tustwisted.errors import NoSpace, StorageFailed, UploadNotFound
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.chunk import FileChunk
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles

RIGHT = bytes(range(1, 31))
WRONG = b"\0" * 11

MOMENTS = ("before", "middle", "after")


class ChunkCase(StoreCase):
    """Has chunks."""

    def open(self, store: FileStore, offset: int) -> FileChunk:
        """Open a chunk of ``u``."""
        chunk = run(store.open_chunk("u", offset))
        assert isinstance(chunk, FileChunk)
        return chunk


class LayoutTests(ChunkCase):
    """What is on the disk meanwhile."""

    def test_small_chunk(self) -> None:
        """A small one is held in memory, and written once it is right (T-135)."""
        store = self.make()
        self.begin(store, b"abc")
        chunk = self.open(store, 3)
        chunk.write([b"d" * HELD_BYTES])
        self.assertEqual(self.content("u"), b"abc")
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])
        chunk.accept()
        chunk.close()
        self.assertEqual(self.content("u"), b"abc" + b"d" * HELD_BYTES)

    def test_large_chunk(self) -> None:
        """A large one is written behind a note of where it begins (T-136)."""
        store = self.make()
        self.begin(store, b"abc", length=99)
        chunk = self.open(store, 3)
        chunk.write([b"d" * HELD_BYTES])
        chunk.write([b"e"])
        self.assertEqual(self.content("u"), b"abcdddde")
        self.assertEqual(self.content("u.unverified"), b"3\n")
        self.assertEqual(run(store.info("u")).offset, 3)
        chunk.accept()
        chunk.close()
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])
        self.assertEqual(run(store.info("u")).offset, 8)

    def test_note_is_there_first(self) -> None:
        """The note has its name before the first byte is written (T-137)."""
        calls: list[str] = []
        healthy = self.make()
        self.begin(healthy, length=99)
        store = self.make(files=intercepted(OsFiles(), Recorder(calls)))
        chunk = self.open(store, 0)
        calls.clear()
        chunk.write([b"d" * 9])
        self.assertEqual(calls, ["write", "replace", "pwritev"])
        calls.clear()
        chunk.discard()
        chunk.close()
        self.assertEqual(calls, ["truncate", "unlink", "close"])

    def test_note_without_bytes(self) -> None:
        """Who died between the note and the first byte puts no later byte in doubt."""
        store = self.make()
        self.begin(store, length=99)
        with open(os.path.join(self.directory, "u.unverified"), "wb") as note:
            note.write(b"0\n")
        self.assertEqual(run(store.info("u")).offset, 0)
        writer = run(store.open_writer("u", 0))
        writer.write([b"abc"])
        self.assertEqual(run(store.info("u")).offset, 3)
        writer.close()
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])

    def test_never_called_safe(self) -> None:
        """While it is in doubt nothing is synced or marked (D3)."""
        for durability in (Durability.FINISH, Durability.STRICT):
            self.directory = self.mktemp()
            self.begin(self.make(durability), length=99)
            calls: list[str] = []
            store = self.make(durability, intercepted(OsFiles(), Recorder(calls)))
            chunk = self.open(store, 0)
            calls.clear()
            for _ in range(3):
                self.now_s += 40.0
                chunk.write([b"d" * 9])
                self.assertFalse(chunk.sync_due)
                self.assertEqual(chunk.settle(), 0)
            self.assertNotIn("fdatasync", calls)
            chunk.accept()
            self.assertTrue(chunk.sync_due)
            self.assertEqual(chunk.settle(), 27)
            self.assertIn("fdatasync", calls)
            chunk.close()

    def test_note_that_cannot_be_written(self) -> None:
        """Without a note no byte is written, and none counts."""
        healthy = self.make()
        self.begin(healthy, b"abc", length=99)
        store = self.make(files=intercepted(OsFiles(), FailCalls("replace")))
        chunk = self.open(store, 3)
        with self.assertRaises(StorageFailed):
            chunk.write([b"d" * 9])
        chunk.close()
        self.flushLoggedErrors(OSError)
        self.assertEqual(self.content("u"), b"abc")
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])

    def test_cut_that_fails(self) -> None:
        """What cannot be cut off stays in doubt, and the next writer cuts it."""
        healthy = self.make()
        self.begin(healthy, b"abc", length=99)
        store = self.make(files=intercepted(OsFiles(), FailCalls("truncate")))
        chunk = self.open(store, 3)
        chunk.write([b"x" * 9])
        chunk.discard()
        chunk.close()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(run(healthy.info("u")).offset, 3)
        run(healthy.open_writer("u", 3)).close()
        self.assertEqual(self.content("u"), b"abc")
        self.assertEqual(sorted(os.listdir(self.directory)), ["u", "u.info"])

    def test_cut_beside_a_reader(self) -> None:
        """Who looks while a chunk is cut off is not told of its bytes (T-136)."""
        healthy = self.make()
        self.begin(healthy, b"abc", length=99)
        chunk = self.open(healthy, 3)
        chunk.write([b"x" * 9])

        def cut_before_reading(name: str, args: Any, call: Any) -> Any:
            if name == "read" and args[0].endswith(".unverified"):
                chunk.discard()
            return call()

        beside = self.make(files=intercepted(OsFiles(), cut_before_reading))
        self.assertEqual(run(beside.info("u")).offset, 3)

    def test_begin_beside_a_reader(self) -> None:
        """So it is when the chunk begins meanwhile (T-136)."""
        healthy = self.make()
        self.begin(healthy, b"abc", length=99)
        chunk = self.open(healthy, 3)
        self.addCleanup(chunk.close)

        def begin_after_reading(name: str, args: Any, call: Any) -> Any:
            try:
                return call()
            finally:
                if name == "read" and args[0].endswith(".unverified"):
                    chunk.write([b"x" * 9])

        beside = self.make(files=intercepted(OsFiles(), begin_after_reading))
        self.assertEqual(run(beside.info("u")).offset, 3)

    def test_two_chunks_beside_a_reader(self) -> None:
        """Neither the bytes of one that ended nor of one that begins count (T-136)."""
        healthy = self.make()
        self.begin(healthy, b"abc", length=99)
        first, second = self.open(healthy, 3), self.open(healthy, 3)
        first.write([b"x" * 9])
        self.addCleanup(second.close)
        notes = 0

        def change(name: str, args: Any, call: Any) -> Any:
            nonlocal notes
            if name == "read" and args[0].endswith(".unverified"):
                notes += 1
                if notes == 1:
                    first.discard()
                    try:
                        return call()
                    finally:
                        second.write([b"y" * 9])
            return call()

        beside = self.make(files=intercepted(OsFiles(), change))
        self.assertEqual(run(beside.info("u")).offset, 3)

    def test_tiny_pieces(self) -> None:
        """What is held is one object, however small the pieces were."""
        store = self.make()
        self.begin(store, length=99)
        chunk = self.open(store, 0)
        for byte in b"abcd":
            chunk.write([bytes([byte]), b""])
        self.assertEqual(chunk._held, b"abcd")
        chunk.accept()
        chunk.close()
        self.assertEqual(self.content("u"), b"abcd")


class LengthTests(ChunkCase):
    """A length that is told later, and the power."""

    def test_power_is_lost(self) -> None:
        """What was marked before the length was told is there after it (D3)."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for seed in range(40):
                files = ForgetfulFiles()
                store = self.make(durability, files)
                run(store.create(UploadInfo("u", None)))
                writer = run(store.open_writer("u", 0))
                writer.write([RIGHT])
                self.now_s += 40.0  # so that it is marked
                writer.settle()
                writer.close()
                run(store.set_length("u", 99))
                lost = files.lose_power(Random(seed))
                after = self.make(durability, lost, Host(HOST.machine_id, "boot 2"))
                found = run(after.info("u"))
                self.assertEqual(found.offset, len(RIGHT), (durability, seed))
                if durability is Durability.STRICT:
                    self.assertEqual(found.length, 99)


class DyingTests(ChunkCase):
    """A story of right and wrong chunks, told until the process dies in it."""

    def start(self, durability: Durability) -> ForgetfulFiles:
        """Create the upload; who dies in that is another story."""
        files = ForgetfulFiles()
        run(self.make(durability, files).create(UploadInfo("u", len(RIGHT))))
        self.answered = 0
        return files

    def story(self, store: FileStore) -> None:
        """Append right chunks until the upload is whole, each after a wrong one."""
        offset = run(store.info("u")).offset
        while offset < len(RIGHT):
            chunk = self.open(store, offset)
            try:
                chunk.write([WRONG[:5]])
                chunk.write([WRONG[5:]])
                chunk.discard()
            finally:
                chunk.close()
            chunk = self.open(store, offset)
            try:
                for start in range(offset, min(offset + 12, len(RIGHT)), 3):
                    chunk.write([RIGHT[start : min(start + 3, len(RIGHT))]])
                chunk.accept()
                self.answered = offset = chunk.settle()
            finally:
                chunk.close()

    def check(self, store: FileStore, files: IFiles, name: str) -> None:
        """See that no wrong byte counts, and that none is missing that was told."""
        try:
            offset = run(store.info("u")).offset
        except UploadNotFound:
            self.assertEqual(self.answered, 0, name)
            return
        self.assertGreaterEqual(offset, self.answered, name)
        if not offset:  # there may be no file
            return
        content = files.read(f"{os.path.abspath(self.directory)}/u", 100)
        self.assertEqual(content[:offset], RIGHT[:offset], name)

    def test_killed(self) -> None:
        """Killed at any call, only right bytes count, and all goes on (T-137)."""
        for durability in Durability:
            for moment in MOMENTS:
                number = 1
                while self.is_killed_at(durability, moment, number):
                    number += 1
                self.assertGreater(number, 40)

    def is_killed_at(self, durability: Durability, moment: str, number: int) -> bool:
        """Tell the story until it ends or its process is killed."""
        files = self.start(durability)
        plan = DieAt(files, 10**6, moment)
        store = self.make(durability, intercepted(files, plan))
        plan.number = plan.count + number
        with contextlib.suppress(Killed):
            self.story(store)
        self.flushLoggedErrors(Killed)
        name = f"{durability} {moment} {number}"
        healthy = self.make(durability, files)
        self.check(healthy, files, name)
        self.story(healthy)
        self.check(healthy, files, name)
        return plan.count >= plan.number

    def test_power_is_lost(self) -> None:
        """Where the power is lost at any call, only right bytes count (D3)."""
        for durability in (Durability.FINISH, Durability.STRICT):
            number, reached = 1, True
            while reached:
                files = self.start(durability)
                plan = DieAt(files, 10**6)
                store = self.make(durability, intercepted(files, plan))
                plan.number = plan.count + number
                with contextlib.suppress(Killed):
                    self.story(store)
                self.flushLoggedErrors(Killed)
                reached = plan.count >= plan.number
                for seed in range(4):
                    lost = files.lose_power(Random(seed))
                    after = self.make(durability, lost, Host(HOST.machine_id, "boot 2"))
                    if durability is not Durability.STRICT:
                        self.answered = 0
                    self.check(after, lost, f"{durability} {number} {seed}")
                number += 1

    def test_one_call_fails(self) -> None:
        """An error at any call costs no right byte and lets no wrong one in."""
        for durability in Durability:
            for error in FAULTS.values():
                number, reached = 1, True
                while reached:
                    files = self.start(durability)
                    plan = FailAt(files, 10**6, error)
                    store = self.make(durability, intercepted(files, plan))
                    plan.number = plan.count + number
                    with contextlib.suppress(NoSpace, StorageFailed):
                        self.story(store)
                    self.flushLoggedErrors(OSError)
                    reached = plan.count >= plan.number
                    healthy = self.make(durability, files)
                    name = f"{durability} {os.strerror(error)} {number}"
                    self.check(healthy, files, name)
                    self.story(healthy)
                    self.check(healthy, files, name)
                    number += 1

    def test_full(self) -> None:
        """A disk that is full from a call on keeps what was right."""
        for number in range(1, 60):
            files = self.start(Durability.FINISH)
            plan = FailAt(files, 10**6, errno.ENOSPC, lasts=True)
            store = self.make(Durability.FINISH, intercepted(files, plan))
            plan.number = plan.count + number
            with contextlib.suppress(NoSpace, StorageFailed):
                self.story(store)
            self.flushLoggedErrors(OSError)
            healthy = self.make(Durability.FINISH, files)
            self.check(healthy, files, str(number))
            self.story(healthy)
