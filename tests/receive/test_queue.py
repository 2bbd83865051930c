"""The bytes that wait for a writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.receive.support import HandDisk
from tustwisted.errors import NoSpace
from tustwisted.interfaces import IUploadWriter
from tustwisted.receive.choose import (
    IN_PLACE_BYTES,
    LEAST_BYTES,
    choose,
    may_borrow,
)
from tustwisted.receive.queue import JOINED_BYTES, SMALL_BYTES, WriteQueue


@implementer(IUploadWriter)
@define(eq=False)
class _Writer:
    """Remembers its jobs; refuses those after the first ``room`` ones."""

    room: int = 100
    offset: int = 0
    sync_due: bool = False
    jobs: list[list[bytes]] = field(factory=list)

    def write(self, buffers: Sequence[bytes]) -> None:
        if len(self.jobs) == self.room:
            raise NoSpace
        self.jobs.append(list(buffers))
        self.offset += sum(map(len, buffers))

    def settle(self) -> int:
        return self.offset

    def close(self) -> None:
        pass


class WriteQueueTests(SynchronousTestCase):
    """One job at a time, in order, none held back."""

    def setUp(self) -> None:
        """Make a queue on a disk that is worked by hand."""
        self.disk = HandDisk()
        self.changes = 0
        self.make(_Writer())

    def make(self, writer: _Writer) -> None:
        """Make a queue for this writer."""

        def changed() -> None:
            self.changes += 1

        self.synced: list[list[bytes]] = []
        self.writer = writer
        self.queue = WriteQueue(writer, self.disk.write, self.sync, changed)

    async def sync(self, job: Callable[[], None]) -> None:
        """Run a job that waits for the device."""
        done = len(self.writer.jobs)
        job()
        self.synced += self.writer.jobs[done:]

    def test_job_that_waits_for_the_device_goes_elsewhere(self) -> None:
        """A sync that is due never holds up the reactor or a writing thread (D8)."""
        self.writer.sync_due = True
        self.queue.put(b"a")
        self.assertEqual(self.disk.waiting, [])
        self.assertEqual(self.synced, [[b"a"]])

    def test_first_bytes_are_written_at_once(self) -> None:
        """An idle writer gets what comes without waiting for more (D2)."""
        self.queue.put(b"a")
        self.disk.do_one()
        self.assertEqual(self.writer.jobs, [[b"a"]])

    def test_what_comes_during_a_job_is_the_next_job(self) -> None:
        """Jobs never overlap, and a slow disk gets larger ones (D3, D7)."""
        pieces = [bytes([n]) * SMALL_BYTES for n in range(3)]
        for piece in pieces:
            self.queue.put(piece)
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.do_all()
        self.assertEqual(self.writer.jobs, [pieces[:1], pieces[1:]])

    def test_small_pieces_are_joined(self) -> None:
        """Tiny chunks cost their bytes, not an object each (D7)."""
        self.queue.put(b"first")
        large = b"l" * SMALL_BYTES
        for _ in range(JOINED_BYTES):
            self.queue.put(b"ab")
        self.queue.put(large)
        self.queue.put(b"end")
        self.disk.do_all()
        _, second = self.writer.jobs
        self.assertEqual(b"".join(second), b"ab" * JOINED_BYTES + large + b"end")
        self.assertEqual(len(second), 4)

    def test_pending_counts_the_job_in_flight(self) -> None:
        """Bytes are pending until they are written, not until a job has them."""
        self.queue.put(b"abc")
        self.queue.put(b"de")
        self.assertEqual(self.queue.pending_bytes, 5)
        self.disk.do_one()
        self.assertEqual(self.queue.pending_bytes, 2)
        self.disk.do_one()
        self.assertEqual(self.queue.pending_bytes, 0)

    def test_drained_fires_when_all_is_written(self) -> None:
        """It waits for the job in flight and for those that grow behind it."""
        self.successResultOf(self.queue.drained())
        self.queue.put(b"a")
        self.queue.put(b"b")
        drained = self.queue.drained()
        self.disk.do_one()
        self.assertNoResult(drained)
        self.disk.do_one()
        self.successResultOf(drained)

    def test_job_done_fires_with_the_job_in_flight(self) -> None:
        """It does not wait for what is queued behind (D5)."""
        self.successResultOf(self.queue.job_done())
        self.queue.put(b"a")
        self.queue.put(b"b")
        done = self.queue.job_done()
        self.disk.do_one()
        self.successResultOf(done)

    def test_nothing_is_written_after_a_failure(self) -> None:
        """A failed job ends the queue: what comes behind it is dropped."""
        self.make(_Writer(room=1))
        for piece in (b"a", b"b"):
            self.queue.put(piece)
        self.disk.do_one()
        self.queue.put(b"c")
        self.disk.do_all()
        self.queue.put(b"d")
        self.assertEqual(self.disk.waiting, [])
        self.assertEqual(self.writer.jobs, [[b"a"]])
        self.assertEqual(self.queue.pending_bytes, 0)
        assert self.queue.failure is not None
        self.assertIsInstance(self.queue.failure.value, NoSpace)
        self.successResultOf(self.queue.drained())

    def test_job_done_hides_the_failure(self) -> None:
        """Who waits for a job only wants its end."""
        self.make(_Writer(room=0))
        self.queue.put(b"a")
        done = self.queue.job_done()
        self.disk.do_one()
        self.successResultOf(done)

    def test_discard_forgets_what_no_job_has(self) -> None:
        """The job in flight goes on, what is behind it is dropped."""
        for piece in (b"a", b"bc"):
            self.queue.put(piece)
        self.queue.discard()
        self.assertEqual(self.queue.pending_bytes, 1)
        self.disk.do_all()
        self.assertEqual(self.writer.jobs, [[b"a"]])

    def test_change_is_told_after_each_job(self) -> None:
        """One call for each job, ill or well."""
        for piece in (b"a", b"b"):
            self.queue.put(piece)
        self.disk.do_all()
        self.assertEqual(self.changes, 2)

    def test_bytes_that_come_while_change_is_told_are_written(self) -> None:
        """A producer that delivers when it is resumed never starts a second job."""
        pieces = [b"b", b"c"]

        def changed() -> None:
            if pieces:
                self.queue.put(pieces.pop())

        self.queue = WriteQueue(self.writer, self.disk.write, self.sync, changed)
        self.queue.put(b"a")
        while self.disk.waiting:
            self.assertEqual(len(self.disk.waiting), 1)
            self.disk.do_one()
        self.assertEqual(self.writer.jobs, [[b"a"], [b"c"], [b"b"]])


class ChooseTests(SynchronousTestCase):
    """Which way a body takes."""

    def test_small_bodies_are_written_in_place(self) -> None:
        """Up to 64 KiB a thread costs more than it saves (D7)."""
        disk = HandDisk()
        for length in (0, 1, IN_PLACE_BYTES):
            self.assertEqual(choose(disk, length, False), disk.quick)

    def test_large_and_chunked_bodies_go_to_the_pool(self) -> None:
        """A body that is large, or may be, never blocks the reactor."""
        disk = HandDisk()
        for length in (IN_PLACE_BYTES + 1, None):
            self.assertEqual(choose(disk, length, False), disk.write)

    def test_what_is_hashed_goes_to_the_pool(self) -> None:
        """Hashing is never done in the reactor, however small the body."""
        disk = HandDisk()
        for length in (0, 1, None):
            self.assertEqual(choose(disk, length, True), disk.write)

    def test_what_may_be_borrowed(self) -> None:
        """The socket of a large body of known length."""
        self.assertTrue(may_borrow(LEAST_BYTES + 1))
        self.assertFalse(may_borrow(LEAST_BYTES))
        self.assertFalse(may_borrow(None))
