"""Bytes that are hashed on their way, and where that happens."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.receive.support import HandDisk, Producer
from tustwisted.disk import Disk
from tustwisted.errors import ChecksumMismatch, LockLost, UploadNotFound
from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IUploadWriter
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.checksum import ALGORITHMS, Checksum, TrailingChecksum
from tustwisted.protocol.events import EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.verifying import VerifyingWriter
from tustwisted.store.file import FileStore
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.uploads import Uploads

CONTENT = b"some bytes in pieces"
RIGHT = Checksum("sha256", hashlib.sha256(CONTENT).digest())


class VerifyingWriterTests(SynchronousTestCase):
    """The writer itself."""

    def setUp(self) -> None:
        """Open a chunk of a store in memory."""
        self.store = MemoryStore()
        self.successResultOf(
            Deferred.fromCoroutine(self.store.create(UploadInfo("u", None)))
        )
        opening = Deferred.fromCoroutine(self.store.open_chunk("u", 0))
        self.chunk = self.successResultOf(opening)

    def test_provides_the_interface(self) -> None:
        """It is a writer for everybody but the one who has it accept."""
        verifyObject(IUploadWriter, VerifyingWriter(self.chunk, ["sha1"]))

    def test_right(self) -> None:
        """Bytes that match count."""
        writer = VerifyingWriter(self.chunk, list(ALGORITHMS))
        writer.write([CONTENT[:3], CONTENT[3:5]])
        writer.write([CONTENT[5:]])
        self.assertEqual((writer.offset, writer.settle()), (0, 0))
        writer.accept(RIGHT)
        self.assertEqual(writer.offset, len(CONTENT))
        self.assertEqual(self.store.content("u"), CONTENT)

    def test_wrong(self) -> None:
        """Bytes that do not match never count."""
        writer = VerifyingWriter(self.chunk, ["sha256"])
        writer.write([CONTENT, b"x"])
        with self.assertRaises(ChecksumMismatch):
            writer.accept(RIGHT)
        writer.close()
        self.assertEqual(self.store.content("u"), b"")


class SealTests(SynchronousTestCase):
    """What the core does with a chunk that came as a whole."""

    def setUp(self) -> None:
        """Have a core on a disk that is worked by hand."""
        self.disk = HandDisk()
        self.store = MemoryStore()
        self.told: list[str] = []
        clock = Clock()
        self.uploads = Uploads(
            self.store,
            MemoryLocker(clock),
            self.disk,
            clock,
            hooks=[FunctionHook("finish", {EventType.PRE_FINISH: self.finish})],
        )
        self.successResultOf(Deferred.fromCoroutine(self.uploads.start()))

    async def finish(self, event: Any) -> None:
        """Take note of a finish event."""
        self.told.append(event.upload.upload_id)

    def receive(
        self, checksum: Checksum | TrailingChecksum, *pieces: bytes
    ) -> Deferred[UploadInfo]:
        """Create an upload with some bytes; the outcome is to come."""
        chunk = Chunk(body_length=len(CONTENT), checksum=checksum)
        beginning = Deferred.fromCoroutine(
            self.uploads.create_and_receive(len(CONTENT), Metadata(), chunk)
        )
        receiver = self.successResultOf(beginning)
        outcome = receiver.outcome()
        receiver.registerProducer(Producer(), True)
        for piece in pieces:
            receiver.write(piece)
        receiver.unregisterProducer()
        receiver.body_ended()
        return outcome

    def test_last_bytes(self) -> None:
        """A chunk that is right may complete its upload."""
        outcome = self.receive(RIGHT, CONTENT[:7], CONTENT[7:])
        self.assertNoResult(outcome)
        self.disk.do_all()
        upload = self.successResultOf(outcome)
        self.assertEqual(upload.offset, len(CONTENT))
        self.assertEqual(self.told, [upload.upload_id])

    def test_wrong(self) -> None:
        """One that is wrong takes the upload along that it created (T-090)."""
        outcome = self.receive(RIGHT, CONTENT[:-1], b"x")
        self.disk.do_all()
        self.failureResultOf(outcome, ChecksumMismatch)
        self.assertEqual(list(self.store._uploads), [])
        self.assertEqual(self.told, [])

    def test_client_gone(self) -> None:
        """It is judged to its end when nobody waits for that any more (D2)."""
        outcome = self.receive(TrailingChecksum(lambda: RIGHT), CONTENT)
        outcome.cancel()
        self.failureResultOf(outcome)
        self.disk.do_all()
        (upload_id,) = self.told
        self.assertEqual(self.store.content(upload_id), CONTENT)

    def test_shutdown_waits(self) -> None:
        """A stop waits for the judgement: the whole chunk has come (T-236)."""
        outcome = self.receive(RIGHT, CONTENT)
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.assertNoResult(stopping)
        self.disk.do_all()
        self.successResultOf(stopping)
        self.assertEqual(self.successResultOf(outcome).offset, len(CONTENT))

    def test_removed_upload_is_not_there(self) -> None:
        """The upload of a wrong chunk cannot be asked for."""
        outcome = self.receive(RIGHT, b"x" * len(CONTENT))
        (upload_id,) = self.store._uploads
        self.disk.do_all()
        self.failureResultOf(outcome, ChecksumMismatch)
        status = Deferred.fromCoroutine(self.uploads.status(upload_id))
        self.failureResultOf(status, UploadNotFound)


class ThreadTests(TestCase):
    """Where the hashing is done."""

    async def test_never_in_the_reactor(self) -> None:
        """Every byte is hashed in a thread, also of a tiny chunk."""
        threads: list[threading.Thread] = []

        class Hash:
            def update(self, data: bytes, /) -> None:
                threads.append(threading.current_thread())

            def digest(self) -> bytes:
                threads.append(threading.current_thread())
                return b"right"

        ALGORITHMS["probe"] = Hash
        self.addCleanup(ALGORITHMS.pop, "probe")
        disk = Disk(reactor)  # type: ignore[arg-type]  # provided by zope
        disk.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(disk.stop()))
        uploads = Uploads(MemoryStore(), MemoryLocker(Clock()), disk, Clock())
        await uploads.start()
        chunk = Chunk(body_length=1, checksum=Checksum("probe", b"right"))
        receiver = await uploads.create_and_receive(1, Metadata(), chunk)
        receiver.registerProducer(Producer(), True)
        receiver.write(b"x")
        receiver.unregisterProducer()
        receiver.body_ended()
        self.assertEqual((await receiver.outcome()).offset, 1)
        self.assertEqual(len(threads), 2)
        self.assertNotIn(threading.main_thread(), threads)
        await uploads.stop()


class LostLockTests(TestCase):
    """A chunk whose lock is gone while it comes."""

    async def test_file_is_not_touched(self) -> None:
        """It is closed as it is: somebody else may be writing there by now (D6)."""
        directory = self.mktemp()
        store = FileStore(directory, ImmediateDisk(), held_bytes=4)
        uploads = Uploads(store, MemoryLocker(Clock()), ImmediateDisk(), Clock())
        await uploads.start()
        chunk = Chunk(body_length=20, checksum=RIGHT)
        receiver = await uploads.create_and_receive(20, Metadata(), chunk)
        receiver.registerProducer(Producer(), True)
        receiver.write(CONTENT[:9])
        upload_id = receiver.upload.upload_id
        receiver._held.when_lost().callback(None)
        with self.assertRaises(LockLost):
            await receiver.outcome()
        with open(f"{directory}/{upload_id}", "rb") as file:
            self.assertEqual(file.read(), CONTENT[:9])
        self.assertEqual((await uploads.status(upload_id)).offset, 0)
        await uploads.stop()
