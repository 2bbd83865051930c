"""The bytes that wait for a writer: one job at a time, in order, bounded by marks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from tustwisted.interfaces import IUploadWriter
from tustwisted.outcome import Outcome

SMALL_BYTES = 4096
"""A piece shorter than this is copied to the end of the last one."""

JOINED_BYTES = 64 * 1024
"""Until that has so many bytes."""


class Run(Protocol):
    """How a job of the writer is run, such as :meth:`tustwisted.disk.Disk.write`."""

    def __call__(self, f: Callable[[], None], /) -> Awaitable[None]: ...


class Source(Protocol):
    """Where a writer may get bytes itself, such as :class:`~.intake.Intake`."""

    @property
    def run(self) -> Run:
        """Where the next job runs."""

    def ready(self) -> Awaitable[bool]:
        """Wait until there are some; false when there will be no more."""

    def move(self) -> None:
        """Let the writer have them: one job, which waits for no sync."""

    def count(self) -> None:
        """Be told that this job has ended, ill or well."""

    def end(self) -> None:
        """Be told that there will be no further job."""


def _nobody() -> None:
    """Be told of no change."""


@define(eq=False, repr=False)
class WriteQueue:
    """
    Hands a writer what has arrived since its last job, at once when it is idle.

    Writes of one upload never overlap (D3), and bytes are never held back to wait for
    more (D2): while a job runs the next one grows, so a slow disk gets large jobs.

    :ivar run: where jobs run from now on.
    :param sync: where a job runs for which the writer waits for the device.
    :param changed: called after each job; look at ``pending_bytes`` and ``failure``.
    """

    _writer: IUploadWriter
    run: Run
    _sync: Run
    _changed: Callable[[], None]
    pending_bytes: int = field(init=False, default=0)
    """Bytes taken and not yet written, those of the job in flight among them."""
    failure: Failure | None = field(init=False, default=None)
    """Why nothing more is written; set once."""
    _queued: list[bytes | bytearray] = field(init=False, factory=list)
    _source: Source | None = field(init=False, default=None)
    _busy: bool = field(init=False, default=False)
    _is_working: bool = field(init=False, default=False)
    _job: Outcome[None] | None = field(init=False, default=None)
    """Of the job in flight; made when somebody waits for it."""
    _drained: Outcome[None] | None = field(init=False, default=None)

    def put(self, buffer: bytes) -> None:
        """Take some bytes; dropped when an earlier job has failed."""
        if self.failure is not None:
            return
        self._keep(buffer)
        self.pending_bytes += len(buffer)
        self._go_on()

    def put_source(self, source: Source) -> None:
        """Go on with this when all is written; nothing is put before it has ended."""
        self._source = source
        self._go_on()

    def discard(self) -> None:
        """Forget what no job has begun to write."""
        self.pending_bytes -= sum(map(len, self._queued))
        self._queued.clear()

    def forget(self) -> None:
        """Tell of nothing any more, and know nobody: all is over."""
        self._changed = _nobody

    @property
    def is_idle(self) -> bool:
        """All that came is written: nobody need wait for :meth:`drained`."""
        return not self._busy

    def drained(self) -> Deferred[None]:
        """Return what fires when all is written, or nothing more will be."""
        return succeed(None) if self._drained is None else self._drained.wait()

    def job_done(self) -> Deferred[None]:
        """Return what fires when the job in flight, if any, has ended, ill or well."""
        if not self._is_working:
            return succeed(None)
        if self._job is None:
            self._job = Outcome()
        return self._job.wait()

    def _keep(self, buffer: bytes) -> None:
        # Small pieces are joined: each object would cost more than the bytes in it,
        # and memory is bounded by counting bytes.
        last = self._queued[-1] if self._queued else b""
        if len(buffer) >= SMALL_BYTES:
            self._queued.append(buffer)
        elif isinstance(last, bytearray) and len(last) < JOINED_BYTES:
            last += buffer
        else:
            self._queued.append(bytearray(buffer))

    def _go_on(self) -> None:
        if not self._busy:
            self._busy = True
            draining = Deferred.fromCoroutine(self._drain())
            if self._busy:  # else it has ended already, as on a quick disk
                self._drained = Outcome.after(draining)

    async def _drain(self) -> None:
        while self._queued or self._source is not None:
            if self._queued:
                await self._write()
            elif self._source is not None:
                await self._empty(self._source)
        self._busy = False

    async def _empty(self, source: Source) -> None:
        try:
            while self.failure is None and await source.ready():
                if self._writer.sync_due:  # now: what the source does may be in place
                    await self._do(self._sync, partial(self._writer.write, ()))
                if self.failure is None:
                    await self._do(source.run, source.move)
                    source.count()
                self._changed()
        except Exception:  # the reactor, say, cannot watch one more
            self.failure = Failure()
            self._changed()
        finally:
            self._source = None
            self.run = source.run  # of its last byte, too
            source.end()

    async def _write(self) -> None:
        buffers, self._queued = list(map(bytes, self._queued)), []
        run = self._sync if self._writer.sync_due else self.run
        await self._do(run, partial(self._writer.write, buffers))
        self.pending_bytes -= sum(map(len, buffers))
        self._changed()

    async def _do(self, run: Run, job: Callable[[], None]) -> None:
        self._is_working = True
        try:
            await run(job)
        except Exception:
            self.failure = Failure()
            self.discard()
        self._is_working = False
        ended, self._job = self._job, None
        if ended is not None:
            ended.settle(None)
