"""The bytes that wait for a writer: one job at a time, in order, bounded by marks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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

    def __call__(
        self, f: Callable[[Sequence[bytes]], None], buffers: Sequence[bytes], /
    ) -> Awaitable[None]: ...


@define(eq=False)
class WriteQueue:
    """
    Hands a writer what has arrived since its last job, at once when it is idle.

    Writes of one upload never overlap (D3), and bytes are never held back to wait for
    more (D2): while a job runs the next one grows, so a slow disk gets large jobs.

    :param run: where jobs run.
    :param sync: where a job runs for which the writer waits for the device.
    :param changed: called after each job; look at ``pending_bytes`` and ``failure``.
    """

    _writer: IUploadWriter
    _run: Run
    _sync: Run
    _changed: Callable[[], None]
    pending_bytes: int = field(init=False, default=0)
    """Bytes taken and not yet written, those of the job in flight among them."""
    failure: Failure | None = field(init=False, default=None)
    """Why nothing more is written; set once."""
    _queued: list[bytes | bytearray] = field(init=False, factory=list)
    _busy: bool = field(init=False, default=False)
    _job: Outcome[None] | None = field(init=False, default=None)
    _drained: Outcome[None] | None = field(init=False, default=None)

    def put(self, buffer: bytes) -> None:
        """Take some bytes; dropped when an earlier job has failed."""
        if self.failure is not None:
            return
        self._keep(buffer)
        self.pending_bytes += len(buffer)
        if not self._busy:
            self._busy = True
            self._drained = Outcome.of(self._drain())

    def discard(self) -> None:
        """Forget what no job has begun to write."""
        self.pending_bytes -= sum(map(len, self._queued))
        self._queued.clear()

    def drained(self) -> Deferred[None]:
        """Return what fires when all is written, or nothing more will be."""
        return succeed(None) if self._drained is None else self._drained.wait()

    def job_done(self) -> Deferred[None]:
        """Return what fires when the job in flight, if any, has ended, ill or well."""
        if self._job is None:
            return succeed(None)
        return self._job.wait().addErrback(lambda _: None)

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

    async def _drain(self) -> None:
        while self._queued:
            buffers, self._queued = list(map(bytes, self._queued)), []
            run = self._sync if self._writer.sync_due else self._run
            self._job = Outcome.of(_await(run(self._writer.write, buffers)))
            try:
                await self._job.wait()
            except Exception:
                self.failure = Failure()
                self.discard()
            self.pending_bytes -= sum(map(len, buffers))
            self._job = None
            self._changed()
        self._busy = False


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable
