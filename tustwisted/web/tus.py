"""The verbs of tus 1.0.0, each a thin translation of one call of the core."""

from __future__ import annotations

from collections.abc import Sequence

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from twisted.web.server import Request

from tustwisted.errors import (
    ChecksumMismatch,
    FinishFailed,
    FinishRejected,
    InvalidChecksum,
    InvalidContentType,
    TusError,
    UnsupportedChecksum,
    UploadStopped,
    UploadTooLarge,
)
from tustwisted.protocol.checksum import ALGORITHMS
from tustwisted.protocol.concat import Final
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.headers import (
    is_offset_octet_stream,
    parse_length,
    parse_offset,
)
from tustwisted.protocol.upload import UploadInfo
from tustwisted.protocol.versions import TUS_VERSION
from tustwisted.receive.receiver import Receiver
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.access import Callers
from tustwisted.web.checksum import read_checksum
from tustwisted.web.concatenation import (
    create_final,
    mounts_of,
    set_concat,
    wanted_concat,
)
from tustwisted.web.cors import is_preflight
from tustwisted.web.creation import Creation, read_creation
from tustwisted.web.download import Downloads
from tustwisted.web.facts import set_expiry, set_facts
from tustwisted.web.location import location
from tustwisted.web.merging import merge_error, merge_success
from tustwisted.web.problems import respond_internal, respond_with
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import BodySource
from tustwisted.web.values import Sent, sent_headers, values

log = Logger()


class TusRoutes:
    """
    The routes of one mount: the creation URL and, below it, the uploads.

    :param uploads: the core.
    :param bodies: gives the body of a request, streaming or not.
    :param settings: how this mount behaves on the wire.
    """

    app = Klein()
    app.url_map.merge_slashes = False  # or a doubled slash is answered by a redirect

    def __init__(
        self, uploads: Uploads, bodies: BodySource, settings: WebSettings
    ) -> None:
        self._uploads = uploads
        self._bodies = bodies
        self._settings = settings
        self._callers = Callers(uploads, settings.behind_proxy)
        self._downloads = Downloads(uploads, settings)

    @app.route("/", methods=["OPTIONS"])
    @app.route("/<path:upload_id>", methods=["OPTIONS"])
    async def options(self, request: Request, upload_id: str = "") -> bytes:
        """
        Tell what this server can do; looks at no upload (T-008).

        A preflight, which can bring nothing to be let in by, is open to all (T-203).

        Spec: tus 1.0.0, OPTIONS; rows T-007 to T-012.
        """
        if self._settings.cors is None or not is_preflight(request):
            await self._callers.admit(request, upload_id or None)
        request.setResponseCode(204)
        request.setHeader(b"Tus-Version", TUS_VERSION.encode())
        offered = self._offered(request)
        extensions = ",".join(extension.value for extension in offered)
        if extensions:
            request.setHeader(b"Tus-Extension", extensions.encode())
        if Extension.CHECKSUM in offered:
            algorithms = ",".join(ALGORITHMS).encode()
            request.setHeader(b"Tus-Checksum-Algorithm", algorithms)
        if self._uploads.max_size_bytes is not None:
            request.setHeader(b"Tus-Max-Size", b"%d" % self._uploads.max_size_bytes)
        return b""

    @app.route("/", methods=["POST"])
    async def create(self, request: Request) -> bytes:
        """
        Begin an upload, perhaps with its first bytes, or put one together.

        Any other body is not read (T-062).

        Spec: tus 1.0.0, Creation, Concatenation; rows T-050 to T-098, T-163 to T-192.
        """
        caller = await self._callers.admit(request, None)
        sent = sent_headers(request)
        concat = wanted_concat(sent, self._uploads)
        if isinstance(concat, Final):
            mounts = mounts_of(request, self._settings)
            upload = await create_final(sent, self._uploads, concat, mounts, caller)
            self._set_location(request, upload.upload_id)
        else:
            upload = await self._create(request, sent, concat is not None, caller)
        request.setResponseCode(201)
        set_expiry(request, await self._uploads.expires_at(upload))
        request.setHeader(b"Content-Length", b"0")
        return merge_success(request, caller)

    async def _create(
        self, request: Request, sent: Sent, is_partial: bool, caller: Caller
    ) -> UploadInfo:
        wish = read_creation(sent, self._uploads.extensions, is_partial)
        if wish.brings_bytes:
            upload = await self._create_and_receive(request, sent, wish, caller)
            request.setHeader(b"Upload-Offset", b"%d" % upload.offset)
            return upload
        try:
            upload = await self._uploads.create(
                wish.length, wish.metadata, is_partial=is_partial, caller=caller
            )
        except (FinishFailed, FinishRejected) as error:  # of no bytes, and it is there
            self._set_location(request, error.upload_id)
            raise
        self._set_location(request, upload.upload_id)
        return upload

    async def _create_and_receive(
        self, request: Request, sent: Sent, wish: Creation, caller: Caller
    ) -> UploadInfo:
        body = self._bodies.body_of(request)
        checksum = read_checksum(sent, body, self._offered(request))
        chunk = Chunk(body_length=body.length, checksum=checksum)
        receiver = await self._uploads.create_and_receive(
            wish.length,
            wish.metadata,
            chunk,
            wish.is_partial,
            body.deliver_to,
            caller=caller,
        )
        # Now, since an error tells it as well (T-087).
        self._set_location(request, receiver.upload.upload_id)
        try:
            return await _outcome_of(request, receiver)
        except (ChecksumMismatch, InvalidChecksum, UnsupportedChecksum, UploadStopped):
            request.responseHeaders.removeHeader(b"Location")  # nothing is there
            raise

    def _offered(self, request: Request) -> Sequence[Extension]:
        """List what this request may use: a trailer is lost where nothing streams."""
        offered = self._uploads.extensions
        if self._bodies.has_trailers(request):
            return offered
        return [each for each in offered if each is not Extension.CHECKSUM_TRAILER]

    def _set_location(self, request: Request, upload_id: str) -> None:
        url = location(request, upload_id, self._settings)
        request.setHeader(b"Location", url)

    @app.route("/<path:upload_id>", methods=["HEAD"])
    async def status(self, request: Request, upload_id: str) -> bytes:
        """
        Tell how far an upload is, and what GET would tell of a finished one.

        Spec: tus 1.0.0, HEAD; rows T-013 to T-020.
        """
        caller = await self._callers.admit(request, upload_id)
        upload = await self._uploads.status(upload_id, caller=caller)
        set_facts(request, upload)
        set_concat(request, upload)
        set_expiry(request, self._uploads.expiration.expires_at(upload))
        self._downloads.describe(request, upload)
        return b""

    @app.route("/<path:upload_id>", methods=["GET"])
    async def read(self, request: Request, upload_id: str) -> bytes:
        """
        Send a finished upload, or a range of it.

        Spec: RFC 9110, GET; rows T-205 to T-221.
        """
        caller = await self._callers.admit(request, upload_id)
        return await self._downloads.get(request, upload_id, caller)

    @app.route("/<path:upload_id>", methods=["PATCH"])
    async def receive(self, request: Request, upload_id: str) -> bytes:
        """
        Store the body at the end of an upload.

        Spec: tus 1.0.0, PATCH; rows T-021 to T-049.
        """
        caller = await self._callers.admit(request, upload_id)
        sent = sent_headers(request)
        if not is_offset_octet_stream(sent.get(b"Content-Type", ())):
            raise InvalidContentType
        body = self._bodies.body_of(request)
        chunk = Chunk(
            parse_offset(sent.get(b"Upload-Offset", ())),
            body.length,
            parse_length(sent.get(b"Upload-Length", ())),
            read_checksum(sent, body, self._offered(request)),
        )
        receiver = await self._uploads.receive(
            upload_id, chunk, body.deliver_to, caller=caller
        )
        upload = await _outcome_of(request, receiver)
        request.setResponseCode(204)
        request.setHeader(b"Upload-Offset", b"%d" % upload.offset)
        set_expiry(request, await self._uploads.expires_at(upload))
        return merge_success(request, caller)

    @app.route("/<path:upload_id>", methods=["DELETE"])
    async def terminate(self, request: Request, upload_id: str) -> bytes:
        """
        Remove an upload; a body is not read (T-122).

        Spec: tus 1.0.0, Termination; rows T-114 to T-123.
        """
        caller = await self._callers.admit(request, upload_id)
        await self._uploads.terminate(upload_id, caller=caller)
        request.setResponseCode(204)
        return merge_success(request, caller)

    def failed(self, request: Request, error: Exception) -> bytes:
        """
        Answer for what a route has raised, while it is being handled.

        An error of ours has its row of the table, or what the hook said that refused.
        Any other is a fault of ours: logged here, not told there (T-266).
        """
        if isinstance(error, TusError):
            return merge_error(request, error, respond_with(request, error))
        log.failure(
            "{method} {uri} failed (request {request_id})",
            method=request.method.decode("ascii", "replace"),
            uri=request.uri.decode("ascii", "backslashreplace"),
            request_id=_request_id(request),
        )
        return merge_error(request, error, respond_internal(request))


async def _outcome_of(request: Request, receiver: Receiver) -> UploadInfo:
    """Wait for what becomes of an upload that has got its body."""
    try:
        return await receiver.outcome()
    except (FinishFailed, FinishRejected):
        # What is stored is all of it; only then is there a finish.
        request.setHeader(b"Upload-Offset", b"%d" % (receiver.upload.length or 0))
        raise
    except UploadTooLarge:
        request.setHeader(b"Connection", b"close")  # also if the body had come (T-112)
        raise
    except ConnectionClosed:
        log.debug("a client left while {upload} came", upload=receiver.upload.upload_id)
        await Deferred[None]()  # nobody to answer: this is cancelled in a moment
        raise


def _request_id(request: IRequest) -> str:
    """Take at most 36 clean characters of what a proxy calls the request (T-274)."""
    sent = b"".join(values(request, b"X-Request-ID")).decode("ascii", "ignore")
    return "".join(filter(str.isprintable, sent))[:36]
