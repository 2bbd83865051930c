"""
What takes one body into one upload, and outlives the request that brought it.

Klein cancels a route when its client leaves, while bytes are still on their way to the
disk.  So flush, offset, lock and close belong to the receiver (D2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.errors import LockLost, TusError, UploadSizeExceeded, UploadTooLarge
from tustwisted.interfaces import IBodyReceiver, IDisk, IUploadWriter
from tustwisted.lock.held import Held
from tustwisted.outcome import Outcome
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.intake import Intake, borrow
from tustwisted.receive.pipes import Pipes
from tustwisted.receive.queue import Run, WriteQueue

log = Logger()

HIGH_WATER_BYTES = 4 * 1024 * 1024
"""With so many bytes waiting for the disk, the client is held back."""

LOW_WATER_BYTES = 2 * 1024 * 1024
"""With so few, it goes on."""


class Seal(Protocol):
    """What becomes of bytes that do not count before they are verified."""

    async def confirm(self) -> None:
        """Make them count, now that the whole body has come; or raise a TusError."""

    async def discard(self) -> None:
        """Take them back unless they count."""


@implementer(IBodyReceiver)
@define(eq=False, repr=False)
class Receiver:
    """
    Holds an upload from its lock to its answer, and ends in one of these ways: the
    body ended, broke off, ran past the length, could not be stored, or was stopped.

    Each way everything that arrived is written first, then settled, then the upload is
    finished if it is whole, then the lock is released, then :meth:`outcome` fires.
    """

    upload: UploadInfo
    """The upload as it was when the lock was got."""
    _writer: IUploadWriter
    _held: Held
    _disk: IDisk
    _run: Run
    _finish: Callable[[UploadInfo], Awaitable[UploadInfo]]
    _seal: Seal | None = None
    """Decides about bytes that are in doubt."""
    _max_size_bytes: int | None = None
    """How long the upload may get while its length is deferred."""
    _pipes: Pipes | None = None
    """Through which a large body may go without coming here; not where it may not."""
    stored: Callable[[int], None] | None = field(init=False, default=None)
    """Called with the offset whenever more bytes are stored, if it is set."""
    _producer: IPushProducer | None = field(init=False, default=None)
    _paused: bool = field(init=False, default=False)
    _ended: bool = field(init=False, default=False)
    _lost: bool = field(init=False, default=False)
    received_bytes: int = field(init=False, default=0)
    """So much of the body has come, without what lies past the upload's length."""
    _queue: WriteQueue = field(init=False)
    _outcome: Outcome[UploadInfo] = field(
        init=False, factory=lambda: Outcome(is_last=True)
    )

    def __attrs_post_init__(self) -> None:
        self._queue = WriteQueue(
            self._writer, self._run, self._disk.sync, self._queue_changed
        )
        self._held.when_lost().addCallback(  # type: ignore[unused-awaitable]
            self._lock_lost
        )

    def outcome(self) -> Deferred[UploadInfo]:
        """
        Return what fires when the upload is free again, with what it has become.

        A fresh Deferred each time: cancelling it disturbs nothing underneath.  It
        fails with the :class:`~tustwisted.errors.TusError` to answer with, or with the
        reason for which the connection was lost.
        """
        return self._outcome.wait()

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call something when the outcome is there."""
        self._outcome.then(call)

    def stop(self, error: TusError) -> None:
        """
        Read no further; what has arrived is kept.  Too late once the body has ended.

        :param error: what the client is told, unless the upload is whole.
        """
        self._end(Failure(error))

    @property
    def is_receiving(self) -> bool:
        """More of the body may come."""
        return not self._ended

    def job_done(self) -> Deferred[None]:
        """Return what fires when the bytes on their way to the store are there."""
        return self._queue.job_done()

    # -- IBodyReceiver -----------------------------------------------------------------

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Be told where the body comes from; it is stopped when it comes too late."""
        if self._ended:
            producer.stopProducing()
        else:
            self._producer = IPushProducer(producer)

    def unregisterProducer(self) -> None:
        """Be told that the body comes no more."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Take the next bytes; what lies past the upload's length is dropped."""
        if self._ended:
            return
        limit, room = self._limit, self._room_bytes
        kept = data if room is None else data[: max(0, room)]
        if kept:
            self.received_bytes += len(kept)
            intake = self._borrow()
            self._queue.put(kept)
            if intake is not None:
                self._queue.put_source(intake)
        if len(kept) < len(data):
            assert limit is not None  # or there is room for everything
            deferred = self.upload.length is None
            self.stop((UploadTooLarge if deferred else UploadSizeExceeded)(limit))
        elif self._queue.pending_bytes >= HIGH_WATER_BYTES:
            self._pause()

    def body_ended(self) -> None:
        """See :meth:`tustwisted.interfaces.IBodyReceiver.body_ended`."""
        self._producer = None
        self._end(None)

    def body_lost(self, reason: Failure) -> None:
        """See :meth:`tustwisted.interfaces.IBodyReceiver.body_lost`."""
        self._producer = None
        self._end(reason)

    # -- inside ------------------------------------------------------------------------

    @property
    def _limit(self) -> int | None:
        """Where the upload must end at the latest."""
        length = self.upload.length
        return self._max_size_bytes if length is None else length

    @property
    def _room_bytes(self) -> int | None:
        """How many bytes it still takes; None if any number."""
        limit = self._limit
        if limit is None:
            return None
        return limit - self.upload.offset - self.received_bytes

    def _borrow(self) -> Intake | None:
        """Let the rest of the body not come here, if that is possible now."""
        if self._pipes is None:
            return None
        room = self._room_bytes
        intake = borrow(
            self._producer,
            self._writer,
            self._pipes,
            self._disk,
            room_bytes=room,
            moved=self._moved,
        )
        if intake is not None:
            self._pipes = None  # what is given back is not borrowed again
        if intake is not None and intake.is_quick:
            # The first piece is short, and goes where the small steps go.
            self._queue.run = self._disk.quick
        return intake

    def _moved(self, size_bytes: int) -> None:
        self.received_bytes += size_bytes

    # -- back-pressure -----------------------------------------------------------------

    def _pause(self) -> None:
        if self._producer is not None and not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def _queue_changed(self) -> None:
        if self.stored is not None:
            self.stored(self._writer.offset)
        if self._queue.failure is not None:
            self._end(self._queue.failure)
        elif self._paused and self._queue.pending_bytes <= LOW_WATER_BYTES:
            self._paused = False
            if self._producer is not None:
                self._producer.resumeProducing()

    # -- the end -----------------------------------------------------------------------

    def _lock_lost(self, _: None) -> None:
        self._lost = True
        self._queue.discard()  # somebody else may be writing by now
        self.stop(LockLost())

    def _end(self, reason: Failure | None) -> None:
        if self._ended:
            return
        self._ended = True
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.stopProducing()
            except Exception:  # it must not keep the lock from being released
                log.failure("a body that should stop has failed")
        work = Deferred.fromCoroutine(self._leave(reason))
        work.addBoth(self._outcome.settle)  # type: ignore[unused-awaitable]

    async def _leave(self, reason: Failure | None) -> UploadInfo:
        try:
            if not self._queue.is_idle:
                await self._queue.drained()
            return await self._settle(reason or self._queue.failure)
        finally:
            try:
                if self._seal is not None and not self._lost:
                    await self._seal.discard()
                await self._disk.quick(self._writer.close)
            finally:
                self._queue.forget()  # which leads back here: see docs/design.rst
                await self._held.release()

    async def _settle(self, reason: Failure | None) -> UploadInfo:
        if self._lost:
            raise LockLost
        if self._seal is not None:
            if reason is not None:  # nothing of it counts, nor a length that it told
                return reason.raiseException()
            await self._seal.confirm()
        upload = self.upload.at(self._writer.offset)
        if self.received_bytes:
            run = self._disk.sync if self._writer.sync_due else self._disk.quick
            upload = upload.at(await run(self._writer.settle))
        self._held.require_held()  # a thawed process may answer before its timers run
        if upload.awaits_finish:
            upload = await self._finish(upload)
        if reason is None or (upload.is_whole and not reason.check(UploadSizeExceeded)):
            return upload
        return reason.raiseException()
