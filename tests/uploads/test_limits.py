"""Limits that change while uploads run."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.receive.support import Producer
from tustwisted.disk import Disk
from tustwisted.errors import UploadExpired, UploadLocked, UploadTooLarge
from tustwisted.housekeeping import Housekeeper
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.metadata import Metadata
from tustwisted.receive.receiver import Receiver
from tustwisted.service import UploadsService
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.limits import Limits
from tustwisted.uploads.uploads import Uploads

AGE_S = 100.0


class ChangedTests(SynchronousTestCase):
    """Other limits than those that the uploads began with."""

    def setUp(self) -> None:
        """Start the core with limits of no kind."""
        self.clock = Clock()
        self.store = MemoryStore(seconds=self.clock.seconds)
        self.locker = MemoryLocker(self.clock)
        self.uploads = Uploads(
            self.store,
            self.locker,
            ImmediateDisk(),
            self.clock,
            now_s=self.clock.seconds,
        )
        self.do(self.uploads.start())

    def do(self, work: Any) -> Any:
        """Do some work that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def create(self, length: int | None) -> str:
        """Create an upload, giving its id."""
        return self.successResultOf(self.uploads.create(length, Metadata())).upload_id

    def receive(self, upload_id: str, length: int | None) -> Receiver:
        """Get a receiver for a body from the start."""
        receiver: Receiver = self.do(self.uploads.receive(upload_id, Chunk(0, length)))
        receiver.registerProducer(Producer(), True)
        return receiver

    def test_size(self) -> None:
        """Neither a new upload nor a new body may be longer, by any way to them."""
        unknown, known = self.create(None), self.create(20)
        self.uploads.limit(Limits(max_size_bytes=10))
        self.assertEqual(self.uploads.max_size_bytes, 10)
        self.failureResultOf(self.uploads.create(11, Metadata()), UploadTooLarge)
        self.create(10)
        for work in (
            self.uploads.receive(unknown, Chunk(0, 11)),
            self.uploads.create_and_receive(None, Metadata(), Chunk(0, 11)),
        ):
            self.failureResultOf(Deferred.fromCoroutine(work), UploadTooLarge)
        # It was allowed to be so long when it was created.
        receiver = self.receive(known, 20)
        receiver.write(b"a" * 20)
        receiver.body_ended()
        self.successResultOf(receiver.outcome())

    def test_size_of_what_comes_just_now(self) -> None:
        """A body whose length nobody knew is measured by what held when it began."""
        self.uploads.limit(Limits(max_size_bytes=10))
        receiver = self.receive(self.create(None), None)
        self.uploads.limit(Limits(max_size_bytes=5))
        receiver.write(b"a" * 10)
        receiver.body_ended()
        self.assertEqual(self.successResultOf(receiver.outcome()).offset, 10)

    def test_age(self) -> None:
        """What is old enough has expired at once; the extension is offered then."""
        upload_id = self.create(5)
        self.clock.advance(AGE_S)
        self.do(self.uploads.status(upload_id))
        self.assertNotIn(Extension.EXPIRATION, self.uploads.extensions)
        self.uploads.limit(Limits(expiration=Expiration(AGE_S)))
        self.assertIn(Extension.EXPIRATION, self.uploads.extensions)
        gone = Deferred.fromCoroutine(self.uploads.status(upload_id))
        self.failureResultOf(gone, UploadExpired)
        self.uploads.limit(Limits())
        self.do(self.uploads.status(upload_id))

    def test_wait(self) -> None:
        """Whoever waits from now on for another request waits so long."""
        upload_id = self.create(5)
        self.successResultOf(self.locker.acquire(upload_id, lambda: None, 1.0))
        self.uploads.limit(Limits(lock_timeout_s=3.0))
        finishing = self.uploads.finish(upload_id)
        self.clock.advance(2.9)
        self.assertNoResult(finishing)
        self.clock.advance(0.1)
        self.failureResultOf(finishing, UploadLocked)

    def test_next_sweep(self) -> None:
        """Uploads that expire all of a sudden do not wait an hour to be removed."""
        housekeeper = Housekeeper(self.uploads, self.clock)
        housekeeper.start()
        self.clock.pump([1.0] * 60)
        self.create(5)
        self.uploads.limit(Limits(expiration=Expiration(AGE_S)))
        housekeeper.sweep_soon()
        self.clock.pump([1.0] * int(1.2 * AGE_S))
        self.assertEqual(self.store.ids(), [])
        housekeeper.stop()
        housekeeper.sweep_soon()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_service(self) -> None:
        """An application changes them by its service, as it gave them to it."""
        disk = Disk(self.clock)  # type: ignore[arg-type] # never started
        service = UploadsService.with_store(
            self.clock, MemoryStore(), disk, None, max_size_bytes=10
        )
        service.limit(expire_after_s=5.0, expire_finished_after_s=6.0)
        self.assertEqual(
            service.uploads.limits, Limits(expiration=Expiration(5.0, 6.0))
        )
