"""What a writer of the file store syncs, when, and what it notes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from tests.contracts.test_stores import SmallFiles
from tests.store.support import (
    FailCalls,
    Recorder,
    ShortWrites,
    StoreCase,
    append,
    intercepted,
    run,
)
from tustwisted.errors import NoSpace, StorageFailed
from tustwisted.interfaces import IUploadWriter
from tustwisted.store.durability import Durability
from tustwisted.store.files import OsFiles
from tustwisted.store.writer import FileWriter

SYNCS = ("fdatasync", "sync_directory")


MIB = bytes(1024 * 1024)


class HollowFiles(OsFiles):
    """A disk for large writes that keeps none of their bytes."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Say that all was written."""
        return sum(map(len, buffers))

    def write_out(self, fd: int, offset: int, length: int) -> None:
        """Note what is to be written out."""
        self.ranges.append((offset, length))


class CountedBuffers(list[bytes]):
    """Counts how many buffers are taken out of it."""

    copied = 0

    def __getitem__(self, index: Any) -> Any:
        """Take one out, or a slice."""
        found = super().__getitem__(index)
        self.copied += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self) -> Iterator[bytes]:
        """Take all out."""
        self.copied += len(self)
        return super().__iter__()


class WriterCase(StoreCase):
    """Writers of one upload whose calls are noted."""

    def open(
        self,
        durability: Durability = Durability.FINISH,
        content: bytes = b"",
        files: OsFiles | None = None,
    ) -> FileWriter:
        """Begin the upload ``u`` and open it; forget the calls up to here."""
        self.calls: list[str] = []
        self.store = self.make(
            durability, intercepted(files or OsFiles(), Recorder(self.calls))
        )
        self.begin(self.store, content, None)
        return self.reopen()

    def reopen(self) -> FileWriter:
        """Open the upload at its end."""
        offset = run(self.store.info("u")).offset
        writer: IUploadWriter = run(self.store.open_writer("u", offset))
        self.addCleanup(writer.close)
        self.calls.clear()
        assert isinstance(writer, FileWriter)
        return writer

    def syncs(self) -> list[str]:
        """Return the calls so far that wait for the device, and forget them."""
        found = [name for name in self.calls if name in SYNCS]
        self.calls.clear()
        return found

    def record(self) -> dict[str, Any]:
        """Read the record."""
        fields: dict[str, Any] = json.loads(self.content("u.info"))
        return fields


class MarkTests(WriterCase):
    """Long uploads are synced now and then, and it is noted how far."""

    def test_finish_syncs_nothing_at_first(self) -> None:
        """A short upload costs no sync before it is finished."""
        writer = self.open()
        writer.write([b"abc"])
        self.assertFalse(writer.sync_due)
        self.assertEqual(writer.settle(), 3)
        self.assertEqual(self.calls, ["pwritev"])

    def test_after_thirty_seconds(self) -> None:
        """What is written before the half minute is over is synced by the next call."""
        for writes in (True, False):
            self.directory = self.mktemp()
            writer = self.open()
            self.now_s += 29.9
            writer.write([b"abc"])
            self.assertFalse(writer.sync_due)
            self.now_s += 0.1
            self.assertTrue(writer.sync_due)
            if writes:
                writer.write([b"def"])
            else:
                writer.settle()
            self.assertEqual(self.syncs(), ["fdatasync", "sync_directory"])
            self.assertFalse(writer.sync_due)
            fields = self.record()
            self.assertEqual(fields["SyncedOffset"], 3)
            self.assertEqual(fields["SyncedAt"], self.now_s)

    def test_over_many_short_patches(self) -> None:
        """The half minute is counted over requests, not within each."""
        self.open()
        marks = []
        for _ in range(40):
            self.now_s += 2.0
            append(self.store, "u", b"ab")
            marks.append(self.record()["SyncedOffset"])
        self.assertEqual(marks[13:16], [0, 28, 28])
        self.assertEqual(marks[-1], 58)

    def test_after_many_bytes(self) -> None:
        """A fast upload is synced for its bytes, without waiting for the clock."""
        writer = self.open(files=HollowFiles())
        writer.write([MIB] * 255)
        self.assertFalse(writer.sync_due)
        writer.write([MIB])
        self.assertTrue(writer.sync_due)
        self.assertEqual(self.syncs(), [])
        writer.write([MIB])
        self.assertEqual(self.syncs(), ["fdatasync", "sync_directory"])
        self.assertEqual(self.record()["SyncedOffset"], 256 * len(MIB))

    def test_a_clock_that_was_set_back(self) -> None:
        """A time before the last sync is taken for a reason to sync."""
        writer = self.open()
        writer.write([b"abc"])
        self.now_s -= 1000
        self.assertTrue(writer.sync_due)

    def test_nothing_new_needs_no_sync(self) -> None:
        """However old a sync is, without new bytes it is good."""
        writer = self.open()
        self.now_s += 10_000
        self.assertFalse(writer.sync_due)
        writer.settle()
        self.assertEqual(self.calls, [])

    def test_none_never_syncs(self) -> None:
        """Without a promise, nothing is synced or written out, ever."""
        writer = self.open(Durability.NONE, files=HollowFiles())
        self.now_s += 10_000
        writer.write([MIB] * 300)
        writer.settle()
        self.assertFalse(writer.sync_due)
        self.assertEqual(self.calls, ["pwritev"])

    def test_strict_syncs_what_it_tells(self) -> None:
        """Each settling brings bytes, mark and name to the device; once is enough."""
        writer = self.open(Durability.STRICT)
        self.assertFalse(writer.sync_due)
        writer.write([b"a"])
        writer.write([b"bc"])
        self.assertTrue(writer.sync_due)
        self.assertEqual(self.syncs(), [])
        self.assertEqual(run(self.store.info("u")).offset, 0)
        self.assertEqual(writer.settle(), 3)
        self.assertEqual(self.syncs(), ["fdatasync", "sync_directory"])
        self.assertEqual(run(self.store.info("u")).offset, 3)
        self.calls.clear()
        writer.settle()
        self.assertEqual(self.calls, [])

    def test_a_mark_keeps_the_rest_of_the_record(self) -> None:
        """A mark changes what it is about, also beside a change by someone else."""
        writer = self.open(Durability.STRICT)
        fields = self.record() | {"Size": 3, "SizeIsDeferred": False, "Future": 1}
        self.put("u.info", json.dumps(fields).encode())
        writer.write([b"abc"])
        writer.settle()
        changed = self.record()
        self.assertEqual(changed.pop("SyncedOffset"), 3)
        self.assertEqual(changed, {k: fields[k] for k in changed})

    def test_a_mark_brings_no_upload_back(self) -> None:
        """If the record is gone, settling fails and makes no new one."""
        writer = self.open(Durability.STRICT)
        writer.write([b"abc"])
        run(self.store.remove("u"))
        self.assertRaises(StorageFailed, writer.settle)
        self.flushLoggedErrors(OSError)
        self.assertFalse(self.store._files.exists(self.path("u.info")))


class BufferTests(WriterCase):
    """However the bytes are cut into buffers, they are written in few steps."""

    def setUp(self) -> None:
        """Count what the system is given, and what the writer looks at."""
        super().setUp()
        self.given: list[int] = []

    def note(self, name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
        """Note how many buffers a write is given."""
        if name == "pwritev":
            self.given.append(len(args[1]))
        return call()

    def write(self, buffers: Sequence[bytes], files: OsFiles | None = None) -> None:
        """Write buffers with a new writer, and check what is in the file."""
        self.directory = self.mktemp()
        self.given.clear()
        store = self.make(files=intercepted(files or OsFiles(), self.note))
        self.begin(store, b"", None)
        writer = run(store.open_writer("u", 0))
        self.addCleanup(writer.close)
        writer.write(buffers)
        content = b"".join(buffers)
        self.assertEqual(writer.offset, len(content))
        self.assertTrue(self.content("u") == content)

    def test_work_grows_with_the_buffers(self) -> None:
        """Of very many buffers each is looked at a few times, and no more."""
        buffers = CountedBuffers([b"ab"] * 300_000)
        self.write(buffers)
        self.assertLessEqual(buffers.copied, 2 * len(buffers))
        self.assertEqual(sum(self.given), 293)

    def test_tiny_buffers_are_joined(self) -> None:
        """Buffers are joined where that is cheaper; large ones are never copied."""
        self.write([b"ab"] * 1000)
        self.assertEqual(self.given, [1])
        self.write([bytes(4096)] * 1025)
        self.assertEqual(self.given, [1024, 1])
        self.write([b"ab"] * 1023 + [MIB] + [b"c"] * 10)
        self.assertEqual(self.given, [1024, 1])

    def test_short_writes(self) -> None:
        """Whatever the system takes at a time, every byte gets its place once."""
        random = Random(1)
        for most in (1, 7, 5000):
            count = 3 if most == 1 else 1500
            self.write(
                [random.randbytes(random.choice((0, 1, 30))) for _ in range(count)],
                ShortWrites(most),
            )
            self.write(
                [b"", random.randbytes(700 + most), b"", random.randbytes(900), b""],
                ShortWrites(most),
            )

    def test_nothing_to_write(self) -> None:
        """Empty buffers, and none at all, are written without an error."""
        for buffers in ([], [b""], [b""] * 2000):
            self.write(buffers)

    def test_an_error_after_some_bytes(self) -> None:
        """The offset counts what was written before an error, to the byte."""
        for size in (2, 1000):
            self.directory = self.mktemp()
            self.begin(self.make(), b"", None)
            store = self.make(files=SmallFiles(2049))
            writer = run(store.open_writer("u", 0))
            self.addCleanup(writer.close)
            self.assertRaises(NoSpace, writer.write, [bytes(size)] * 3000)
            self.assertEqual(writer.offset, 2049)
            self.assertEqual(len(self.content("u")), 2049)


class WriteOutTests(WriterCase):
    """The kernel is asked early to write out."""

    def test_every_few_bytes(self) -> None:
        """Each time enough has gathered it is asked for what came since."""
        files = HollowFiles()
        writer = self.open(files=files)
        for _ in range(6):
            writer.write([MIB] * 3)
        self.assertEqual(
            files.ranges, [(0, 9 * len(MIB)), (9 * len(MIB), 9 * len(MIB))]
        )


class FailureTests(WriterCase):
    """After an error a writer takes nothing more."""

    def test_nothing_after_an_error(self) -> None:
        """What was stored counts; later writes are refused without trying."""
        self.open(content=b"abc")
        plan = FailCalls("pwritev", 28)
        store = self.make(files=intercepted(OsFiles(), plan))
        writer = run(store.open_writer("u", 3))
        self.assertRaises(NoSpace, writer.write, [b"def"])
        self.assertRaises(StorageFailed, writer.write, [b"def"])
        self.assertEqual((plan.count, writer.offset, writer.settle()), (1, 3, 3))
        writer.close()

    def test_a_failed_sync(self) -> None:
        """Bytes that could not be synced are cut off, and the offset goes back."""
        self.open(content=b"abc")
        self.now_s += 31.0
        append(self.store, "u", b"d")  # first syncs the three before it
        append(self.store, "u", b"efg")
        self.now_s += 31.0
        store = self.make(files=intercepted(OsFiles(), FailCalls("fdatasync")))
        writer = run(store.open_writer("u", 7))
        self.assertRaises(StorageFailed, writer.settle)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual((writer.offset, writer.settle()), (3, 3))
        writer.close()
        self.assertEqual(self.content("u"), b"abc")
        self.assertEqual(run(self.store.info("u")).offset, 3)

    def test_an_error_of_close_is_logged_only(self) -> None:
        """Closing never raises: there is nothing to be done about it."""
        writer = self.open()
        self.store._files.close(writer.fileno())
        writer.close()
        self.assertEqual(writer.fileno(), -1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_a_forgotten_writer_is_closed(self) -> None:
        """A writer whose opener was cancelled meanwhile keeps no descriptor."""
        writer = self.open()
        self.calls.clear()
        self._cleanups.clear()
        del writer
        self.assertEqual(self.calls, ["close"])
