"""What the finish step makes of the file of an upload."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.receive.support import Producer
from tustwisted.errors import UploadNotFound
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.filenames import FileNameTemplate, Placing
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.sweeping import PAUSE_S
from tustwisted.uploads.uploads import Uploads

NAME = FileNameTemplate("{yyyy}/{filename}")
LINKED, MOVED, DROPPED = (
    Placing(NAME, moves, drops)
    for moves, drops in ((False, False), (True, False), (False, True))
)


class PlacingTests(SynchronousTestCase):
    """Uploads in files, which are placed when they are finished."""

    def setUp(self) -> None:
        """Choose two directories."""
        self.clock = Clock()
        self.directory = os.path.abspath(self.mktemp())
        self.finished = f"{self.directory}.finished"

    def use(self, placing: Placing | None) -> Uploads:
        """Begin anew, as a process does."""
        disk = ImmediateDisk()
        store = FileStore(
            self.directory,
            disk,
            Durability.NONE,
            finished_directory=self.finished,
        )
        locker = MemoryLocker(self.clock)
        uploads = Uploads(store, locker, disk, self.clock, placing=placing)
        self.do(uploads.start())
        return uploads

    def do(self, work: Any) -> Any:
        """Do some work that waits for nothing."""
        if not isinstance(work, Deferred):
            work = Deferred.fromCoroutine(work)
        return self.successResultOf(work)

    def upload(self, uploads: Uploads, **kwargs: Any) -> UploadInfo:
        """Upload three bytes; return what is known of the upload then."""
        metadata = Metadata.from_pairs({"filename": b"../a.txt"})
        info: UploadInfo = self.do(uploads.create(3, metadata, **kwargs))
        receiver = self.do(uploads.receive(info.upload_id, Chunk(0, 3)))
        receiver.registerProducer(Producer(), True)
        receiver.write(b"abc")
        receiver.body_ended()
        self.do(receiver.outcome())
        return info

    def names(self, directory: str) -> list[str]:
        """List all files below a directory, but hidden ones."""
        return sorted(
            os.path.relpath(f"{above}/{name}", directory)
            for above, _, names in os.walk(directory)
            for name in names
            if "/." not in above
        )

    def sweep(self, uploads: Uploads) -> None:
        """Sweep to the end."""
        sweeping = uploads.sweep()
        for _ in range(100):
            self.clock.advance(PAUSE_S)
        self.do(sweeping)

    def test_linked(self) -> None:
        """Its file has a name out of its metadata as well, which is told."""
        uploads = self.use(LINKED)
        info = self.upload(uploads)
        (name,) = self.names(self.finished)
        self.assertTrue(name.endswith("/___a.txt"), name)
        storage = self.do(uploads.status(info.upload_id)).storage
        self.assertEqual(storage.placed_path, f"{self.finished}/{name}")
        self.do(uploads.terminate(info.upload_id))
        self.assertEqual(self.names(self.directory), [])
        self.assertEqual(self.names(self.finished), [name])

    def test_moved(self) -> None:
        """It has that name alone, and is removed there."""
        uploads = self.use(MOVED)
        info = self.upload(uploads)
        self.assertEqual(self.names(self.directory), [f"{info.upload_id}.info"])
        self.assertEqual(len(self.names(self.finished)), 1)
        self.do(uploads.terminate(info.upload_id))
        self.assertEqual(self.names(self.finished), [])

    def test_dropped(self) -> None:
        """The file alone is left, by that name."""
        uploads = self.use(DROPPED)
        info = self.upload(uploads)
        self.failureResultOf(
            Deferred.fromCoroutine(uploads.status(info.upload_id)), UploadNotFound
        )
        self.assertEqual(self.names(self.directory), [])
        self.assertEqual(len(self.names(self.finished)), 1)

    def test_dropped_by_a_sweep(self) -> None:
        """What was linked before goes when it is seen, and leaves its other name."""
        self.upload(self.use(LINKED))
        uploads = self.use(DROPPED)
        self.sweep(uploads)
        self.assertEqual(self.names(self.directory), [])
        self.assertEqual(len(self.names(self.finished)), 1)

    def test_what_was_moved_is_not_dropped(self) -> None:
        """Its file is all that there is, and would go with it."""
        info = self.upload(self.use(MOVED))
        uploads = self.use(DROPPED)
        self.sweep(uploads)
        self.assertEqual(len(self.names(self.finished)), 1)
        self.assertEqual(self.do(uploads.status(info.upload_id)).offset, 3)

    def test_what_was_not_placed_is_not_dropped(self) -> None:
        """What was finished before there was another name keeps its own."""
        info = self.upload(self.use(None))
        self.sweep(self.use(DROPPED))
        self.assertIn(info.upload_id, self.names(self.directory))

    def test_parts(self) -> None:
        """A partial upload is no file yet, and the final one is (T-189)."""
        uploads = self.use(DROPPED)
        part = self.upload(uploads, is_partial=True)
        self.assertEqual(self.names(self.finished), [])
        self.assertIn(part.upload_id, self.names(self.directory))
        named = Metadata.from_pairs({"filename": b"whole"})
        parts = [part.upload_id] * 2
        concatenating = uploads.concatenate(parts, named, concat_header="final;x")
        self.do(concatenating)
        (name,) = self.names(self.finished)
        self.assertTrue(name.endswith("/whole"), name)
