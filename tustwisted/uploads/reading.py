"""Finished uploads that somebody reads, and their end when the uploads stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from tustwisted.abilities import IHasDescriptor, IReads, IUploadReader
from tustwisted.errors import (
    ExtensionDisabled,
    ServerShutdown,
    UploadExpired,
    UploadNotFinished,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.outcome import Outcome
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store import openfile
from tustwisted.store.failures import storage_errors
from tustwisted.uploads.caller import Caller, require_owner
from tustwisted.uploads.lookup import Lookup, require_id
from tustwisted.uploads.ongoing import quietly
from tustwisted.waiting import within


@define(eq=False, repr=False)
class Reading:
    """
    A finished upload, open to be read; whoever opened it closes it.

    What would wait for the disk runs off the reactor.  What is being read is read to
    its end before the upload is closed, whoever has lost patience with it.
    """

    _reader: IUploadReader
    _disk: IDisk
    _closed: Outcome[None] = field(init=False, factory=Outcome)
    _job: Outcome[Any] | None = field(init=False, default=None)
    _is_over: bool = field(init=False, default=False)

    @property
    def info(self) -> UploadInfo:
        """The upload; it does not change any more."""
        return self._reader.info

    @property
    def can_send(self) -> bool:
        """The kernel can bring it to a socket: :meth:`send` and what goes with it."""
        return openfile.IS_POSSIBLE and IHasDescriptor.providedBy(self._reader)

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """
        Read some bytes; one call at a time.  It may be cancelled.

        :returns: fewer than asked for only where the upload ends, none past its end.
        :raises StorageFailed: they cannot be read.
        :raises ServerShutdown: the uploads have stopped, or the upload was closed.
        """
        self._require_open()
        if self.can_send:
            size = min(size_bytes, self.info.offset - offset)
            piece = openfile.read_at_hand(self._fd, offset, size) if size > 0 else None
            if piece is not None and len(piece) == size:
                return piece
        piece = await self._run(self._reader.read, offset, size_bytes)
        return cast(bytes, piece)

    def is_at_hand(self, offset: int, size_bytes: int) -> bool:
        """
        Tell whether bytes can be sent without waiting for the disk; one that can send.

        :param size_bytes: not past the end of the upload.
        :raises StorageFailed: see :meth:`read`.
        :raises ServerShutdown: see :meth:`read`.
        """
        self._require_open()
        return openfile.is_at_hand(self._fd, offset, size_bytes)

    async def fetch(self, offset: int, size_bytes: int, wanted_bytes: int) -> None:
        """
        Have the disk bring bytes to where they are at hand; as a call of :meth:`read`.

        :param wanted_bytes: how many from there on will be sent in the end.
        :raises StorageFailed: see :meth:`read`.
        :raises ServerShutdown: see :meth:`read`.
        """
        self._require_open()
        await self._run(self._fetch, offset, size_bytes, wanted_bytes)

    def send(self, offset: int, size_bytes: int, socket: int) -> int:
        """
        Send bytes that are at hand to a socket that does not block.

        :returns: how many it took; 0: none at this moment.
        :raises ConnectionLost: nothing can be sent any more.
        :raises CannotSend: nothing of this upload can: read it.
        :raises StorageFailed: see :meth:`read`.
        :raises ServerShutdown: see :meth:`read`.
        """
        self._require_open()
        with storage_errors(self.info.upload_id):
            return openfile.send(self._fd, offset, size_bytes, socket)

    def close(self) -> None:
        """Let go of the upload, after what is being read; harmless when done twice."""
        if self._is_over:
            return
        self._is_over = True
        if self._job is None:
            self._let_go()
        else:
            self._job.then(self._let_go)

    def when_closed(self) -> Deferred[None]:
        """Return what fires when nothing is held any more."""
        return self._closed.wait()

    @property
    def _fd(self) -> int:
        return cast(IHasDescriptor, self._reader).fileno()

    def _require_open(self) -> None:
        if self._is_over:
            raise ServerShutdown

    async def _run(self, call: Callable[..., Any], *args: int) -> Any:
        assert self._job is None or self._job.is_settled, "one call at a time"
        self._job = job = Outcome.of(self._in_thread(call, *args))
        try:
            return await job.wait()
        finally:
            if job.is_settled:
                self._job = None  # what was read is the caller's alone

    async def _in_thread(self, call: Callable[..., Any], *args: int) -> Any:
        return await self._disk.read(call, *args)

    def _fetch(self, offset: int, size_bytes: int, wanted_bytes: int) -> None:
        with storage_errors(self.info.upload_id):
            openfile.fetch(self._fd, offset, size_bytes, wanted_bytes)

    def _let_go(self) -> None:
        closing = Deferred.fromCoroutine(self._close())
        closing.addBoth(self._closed.settle)  # type: ignore[unused-awaitable]

    async def _close(self) -> None:
        if self.can_send and openfile.closes_at_once(self._fd):
            self._reader.close()
        else:
            await self._disk.read(self._reader.close)


@define(eq=False, repr=False)
class Readings:
    """The readings of one store that are open."""

    _store: IDataStore
    _lookup: Lookup
    _disk: IDisk
    _clock: IReactorTime
    _open: set[Reading] = field(init=False, factory=set)
    _opening: set[Outcome[Reading]] = field(init=False, factory=set)

    @property
    def can_read(self) -> bool:
        """The store lets its uploads be read."""
        return IReads.providedBy(self._store)

    async def open(self, upload_id: str, caller: Caller | None = None) -> Reading:
        """
        Open an upload; when this is cancelled, nothing stays open.

        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.open`.
        """
        require_id(upload_id)
        try:
            reading = await self._open_uncancelled(upload_id)
        except UploadNotFinished:
            await self._lookup.find(upload_id, caller)  # it may have expired instead
            raise UploadNotFound from None
        try:
            require_owner(reading.info, caller)
            if self._lookup.has_expired(reading.info):
                raise UploadExpired
        except BaseException:
            reading.close()
            raise
        return reading

    async def _open_uncancelled(self, upload_id: str) -> Reading:
        opening = Outcome.of(self._open_reading(upload_id))
        if not opening.is_settled:
            self._opening.add(opening)
            opening.then(lambda: self._opening.discard(opening))
        try:
            return await opening.wait()
        except CancelledError:
            # It may be open in a moment: nobody else would close it.
            late = opening.wait()
            late.addCallbacks(Reading.close, _ignore)  # type: ignore[unused-awaitable]
            raise

    async def end(self, patience_s: float) -> None:
        """
        Wait for those who read, not longer than this, then end them.

        Their next call is refused.  It waits for reads that the disk does not end.
        """
        for opening in list(self._opening):
            await quietly(opening.wait())
        await quietly(within(patience_s, self._wait_for_all(), self._clock))
        for reading in list(self._open):
            reading.close()
        await self._wait_for_all()

    async def _open_reading(self, upload_id: str) -> Reading:
        if not self.can_read:
            raise ExtensionDisabled("download")
        reader = await cast(IReads, self._store).open_reader(upload_id)
        reading = Reading(reader, self._disk)
        self._open.add(reading)
        closed = reading.when_closed()
        closed.addBoth(  # type: ignore[unused-awaitable]
            lambda _: self._open.discard(reading)
        )
        return reading

    async def _wait_for_all(self) -> None:
        while self._open:
            await quietly(next(iter(self._open)).when_closed())


def _ignore(_: object) -> None:
    """Nobody is left who could be told."""
