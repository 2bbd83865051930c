"""
GET of a finished upload, and what HEAD tells of it.

What is sent, and under which headers; how it is sent: :mod:`tustwisted.web.sending`
and :mod:`tustwisted.web.transfer`.
It holds no lock, and an upload that is removed meanwhile is sent to its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from attrs import define, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request

from tustwisted.errors import TusError
from tustwisted.protocol.conditions import Validators, is_not_modified, range_counts
from tustwisted.protocol.disposition import content_disposition, content_type
from tustwisted.protocol.ranges import ByteRange, parse_range
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.override import was_sent_by_head
from tustwisted.web.sending import Sending, can_be_sent
from tustwisted.web.settings import WebSettings
from tustwisted.web.transfer import Transfer
from tustwisted.web.values import values

log = Logger()

CACHING: Final = b"private, no-cache"
"""An upload may be removed, and is not for everybody: ask again, by the ETag."""


@frozen
class _Answer:
    """What is sent for a GET: 200, 206 or 304."""

    status: int
    part: ByteRange | None
    """What is sent of the upload; ``None``: nothing."""


@define(eq=False, repr=False)
class Downloads:
    """
    The reading side of one mount.

    :param uploads: the core.
    :param settings: how this mount behaves on the wire.
    :param seconds: tells the time, seconds since 1970.
    """

    _uploads: Uploads
    _settings: WebSettings
    _seconds: Callable[[], float] = time.time

    def describe(self, request: Request, upload: UploadInfo) -> None:
        """
        Set what HEAD tells of a finished upload: the headers of its GET (T-016).

        The caller has set the headers of tus, which stand in a 304 and a 412, too.

        :raises PreconditionFailed: the request is conditional, and this is not met.
        """
        readable = are_served(self._uploads, self._settings)
        if not readable or upload.state is not UploadState.FINISHED:
            return
        validators = Validators.of(upload, self._seconds())
        if is_not_modified(_headers_of(request), validators):
            request.setResponseCode(304)
        else:
            request.setHeader(b"Content-Length", b"%d" % upload.offset)
            _describe_content(request, upload)
        _set_validators(request, validators)

    async def get(self, request: Request, upload_id: str, caller: Caller) -> bytes:
        """
        Answer with the upload, or the part of it that is asked for.

        A HEAD that asks for GET gets the headers; nothing is read, which Twisted would
        only drop.

        :param caller: who asks.
        :raises UploadNotFound: no such upload, or it is not finished.
        :raises PreconditionFailed: the request is conditional, and this is not met.
        :raises UnsatisfiableRange: what is asked for is past its end.
        :raises StorageFailed: not even its first bytes can be read.

        Rows T-205 to T-221, T-237.
        """
        reading = await self._uploads.open(upload_id, caller=caller)
        try:
            validators = Validators.of(reading.info, self._seconds())
            answer = _choose(request, reading.info, validators)
            part = answer.part
            if part is None or not part.size_bytes or was_sent_by_head(request):
                _begin(request, reading.info, answer, validators)
            else:
                way = Sending if can_be_sent(request, reading) else Transfer
                transfer = way(
                    request,
                    reading,
                    part,
                    self._uploads.clock,
                    lambda: cut(request, self._uploads.clock),
                )
                await transfer.fetch()  # first: an error can still be told as one
                _begin(request, reading.info, answer, validators)
                await self._run(transfer, request, upload_id)
        finally:
            reading.close()
        return b""

    async def _run(
        self, transfer: Transfer | Sending, request: Request, upload_id: str
    ) -> None:
        """Send everything; end the connection if a piece is missing."""
        try:
            await transfer.run()
            return
        except CancelledError:
            raise
        except TusError as error:
            log.debug(
                "a download of {upload_id} is cut at {offset}: {error}",
                upload_id=upload_id,
                offset=transfer.offset,
                error=error,
            )
        except Exception:  # an edge: no words of ours may end up among the bytes
            log.failure("a download of {upload_id} failed", upload_id=upload_id)
        cut(request, self._uploads.clock)
        await Deferred[None]()


def are_served(uploads: Uploads, settings: WebSettings) -> bool:
    """Tell whether finished uploads can be downloaded (T-219)."""
    return uploads.can_read and settings.downloads


def cut(request: Any, clock: IReactorTime) -> None:
    """
    End a connection, so that nobody takes what was sent for the whole.

    Klein cancels the route in a turn of the reactor to come.
    """
    if request.transport is not None:
        request.transport.abortConnection()
    elif request.channel is not None:
        # A stream of HTTP/2: its request is not told that it is gone.
        request.channel.abortConnection()
        clock.callLater(0, request.connectionLost, Failure(ConnectionAborted()))


def _choose(request: Request, upload: UploadInfo, validators: Validators) -> _Answer:
    headers = _headers_of(request)
    if is_not_modified(headers, validators):
        return _Answer(304, None)
    if range_counts(headers, validators):
        part = parse_range(headers(b"Range"), upload.offset)
        if part is not None:
            return _Answer(206, part)
    return _Answer(200, ByteRange(0, upload.offset))


def _begin(
    request: Request, upload: UploadInfo, answer: _Answer, validators: Validators
) -> None:
    request.setResponseCode(answer.status)
    request.setHeader(b"Cache-Control", CACHING)
    _set_validators(request, validators)
    if answer.part is None:
        return
    request.setHeader(b"Content-Length", b"%d" % answer.part.size_bytes)
    _describe_content(request, upload)
    if answer.status == 206:
        content_range = answer.part.content_range(upload.offset)
        request.setHeader(b"Content-Range", content_range)


def _set_validators(request: Request, validators: Validators) -> None:
    request.setHeader(b"ETag", validators.etag)
    if validators.last_modified is not None:
        request.setHeader(b"Last-Modified", validators.last_modified)


def _describe_content(request: Request, upload: UploadInfo) -> None:
    metadata = upload.metadata
    request.setHeader(b"Accept-Ranges", b"bytes")
    request.setHeader(b"Content-Type", content_type(metadata).encode("ascii"))
    disposition = content_disposition(metadata).encode("ascii")
    request.setHeader(b"Content-Disposition", disposition)


def _headers_of(request: Request) -> Callable[[bytes], Sequence[bytes]]:
    return partial(values, request)
