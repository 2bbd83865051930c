"""How often a request looks at its upload, in the file store."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.receive.support import Producer
from tustwisted.errors import OffsetConflict, UploadNotFound
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.checksum import Checksum
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.uploads import Uploads

_T = TypeVar("_T")


@define(eq=False)
class CountingFiles(OsFiles):
    """Files that count how often a record is read."""

    records_read: int = field(init=False, default=0)

    def read(self, path: str, limit: int) -> bytes:
        """Count."""
        self.records_read += path.endswith(".info")
        return super().read(path, limit)


class LookTests(SynchronousTestCase):
    """Each look costs system calls; each one that is left has its reason."""

    def setUp(self) -> None:
        """Start the core, and create an upload of three bytes."""
        self.files, disk, clock = CountingFiles(), ImmediateDisk(), Clock()
        store = FileStore(self.mktemp(), disk, Durability.NONE, files=self.files)
        self.uploads = Uploads(store, MemoryLocker(clock), disk, clock)
        self.do(self.uploads.start())
        creating = self.uploads.create(3, Metadata(), caller=Caller(owner="alice"))
        self.upload_id = self.successResultOf(creating).upload_id
        self.files.records_read = 0

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Do some work that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def send(self, chunk: Chunk) -> None:
        """Send all of the upload."""
        caller = Caller(owner="alice")
        receiver = self.do(self.uploads.receive(self.upload_id, chunk, caller=caller))
        receiver.registerProducer(Producer(), True)
        receiver.write(b"abc")
        receiver.body_ended()
        finished = self.successResultOf(receiver.outcome())
        self.assertIs(finished.state, UploadState.FINISHED)

    def test_sent(self) -> None:
        """Before the lock, so that no bad one stops anybody; opened; finished."""
        self.send(Chunk(0, 3))
        self.assertEqual(self.files.records_read, 3)

    def test_verified(self) -> None:
        """Where the chunk is in doubt there is one more look before it is opened."""
        digest = bytes.fromhex("a9993e364706816aba3e25717850c26c9cd0d89d")
        self.send(Chunk(0, 3, checksum=Checksum("sha1", digest)))
        self.assertEqual(self.files.records_read, 4)

    def test_refused(self) -> None:
        """What is refused before the lock needs no second look."""
        for chunk, owner, error in (
            (Chunk(4, 1), "alice", OffsetConflict),
            (Chunk(0, 3), "bob", UploadNotFound),
        ):
            self.files.records_read = 0
            refused = self.uploads.receive(
                self.upload_id, chunk, caller=Caller(owner=owner)
            )
            self.failureResultOf(Deferred.fromCoroutine(refused), error)
            self.assertEqual(self.files.records_read, 1)
