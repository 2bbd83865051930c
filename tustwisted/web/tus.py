"""The verbs of tus 1.0.0, each a thin translation of one call of the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import NotFound

from tustwisted.errors import (
    AmbiguousUploadLength,
    ExtensionDisabled,
    InvalidContentType,
    InvalidUploadLength,
    TusError,
    UploadNotFound,
)
from tustwisted.protocol.headers import (
    is_offset_octet_stream,
    parse_length,
    parse_offset,
)
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.protocol.versions import TUS_VERSION
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.download import Downloads
from tustwisted.web.location import location
from tustwisted.web.problems import respond_internal, respond_with
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import BodySource

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
        self._downloads = Downloads(uploads, settings)

    @app.route("/", methods=["OPTIONS"])
    @app.route("/<path:upload_id>", methods=["OPTIONS"])
    def options(self, request: Request, upload_id: str = "") -> bytes:
        """
        Tell what this server can do; looks at no upload (T-008).

        Spec: tus 1.0.0, OPTIONS; rows T-007 to T-012.
        """
        request.setResponseCode(204)
        request.setHeader(b"Tus-Version", TUS_VERSION.encode())
        extensions = ",".join(extension.value for extension in self._uploads.extensions)
        if extensions:
            request.setHeader(b"Tus-Extension", extensions.encode())
        if self._uploads.max_size_bytes is not None:
            request.setHeader(b"Tus-Max-Size", b"%d" % self._uploads.max_size_bytes)
        return b""

    @app.route("/", methods=["POST"])
    async def create(self, request: Request) -> bytes:
        """
        Begin an upload; a body is not read (T-062).

        Spec: tus 1.0.0, Creation; rows T-050 to T-081.
        """
        length = _declared_length(request)
        metadata = parse_metadata(_values(request, b"Upload-Metadata"))
        upload = await self._uploads.create(length, metadata)
        request.setResponseCode(201)
        request.setHeader(b"Content-Length", b"0")
        request.setHeader(
            b"Location",
            location(request, upload.upload_id, self._settings.relative_location),
        )
        return b""

    @app.route("/<path:upload_id>", methods=["HEAD"])
    async def status(self, request: Request, upload_id: str) -> bytes:
        """
        Tell how far an upload is, and what GET would tell of a finished one.

        Spec: tus 1.0.0, HEAD; rows T-013 to T-020.
        """
        upload = await self._uploads.status(upload_id)
        _set_facts(request, upload)
        self._downloads.describe(request, upload)
        return b""

    @app.route("/<path:upload_id>", methods=["GET"])
    async def read(self, request: Request, upload_id: str) -> bytes:
        """
        Send a finished upload, or a range of it.

        Spec: RFC 9110, GET; rows T-205 to T-221.
        """
        return await self._downloads.get(request, upload_id)

    @app.route("/<path:upload_id>", methods=["PATCH"])
    async def receive(self, request: Request, upload_id: str) -> bytes:
        """
        Store the body at the end of an upload.

        Spec: tus 1.0.0, PATCH; rows T-021 to T-049.
        """
        if not is_offset_octet_stream(_values(request, b"Content-Type")):
            raise InvalidContentType
        offset = parse_offset(_values(request, b"Upload-Offset"))
        body = self._bodies.body_of(request)
        receiver = await self._uploads.receive(upload_id, offset, body.length)
        body.deliver_to(receiver)
        try:
            upload = await receiver.outcome()
        except ConnectionClosed:
            log.debug("a client left while {upload_id} came", upload_id=upload_id)
            await Deferred[None]()  # nobody to answer: Klein cancels this in a moment
            raise
        request.setResponseCode(204)
        request.setHeader(b"Upload-Offset", b"%d" % upload.offset)
        return b""

    @app.route("/<path:upload_id>", methods=["DELETE"])
    async def terminate(self, request: Request, upload_id: str) -> bytes:
        """
        Remove an upload; a body is not read (T-122).

        Spec: tus 1.0.0, Termination; rows T-114 to T-123.
        """
        await self._uploads.terminate(upload_id)
        request.setResponseCode(204)
        return b""

    @app.handle_errors(TusError)
    def refuse(self, request: IRequest, failure: Failure) -> bytes:
        """Answer with the error's row of the table."""
        error = failure.value
        assert isinstance(error, TusError)
        return respond_with(request, error)

    @app.handle_errors(NotFound)
    def find_nothing(self, request: IRequest, failure: Failure) -> bytes:
        """Answer for a URL below the mount that no upload can have."""
        return respond_with(request, UploadNotFound())

    @app.handle_errors(Exception)
    def fail(self, request: IRequest, failure: Failure) -> bytes:
        """Answer for a fault of ours: logged here, not told there (T-266)."""
        log.failure(
            "{method} {uri} failed (request {request_id})",
            failure,
            method=request.method.decode("ascii", "replace"),
            uri=request.uri.decode("ascii", "backslashreplace"),
            request_id=_request_id(request),
        )
        return respond_internal(request)


def _values(request: IRequest, name: bytes) -> Sequence[bytes]:
    return cast("Sequence[bytes]", request.requestHeaders.getRawHeaders(name, []))


def _declared_length(request: Request) -> int:
    length = parse_length(_values(request, b"Upload-Length"))
    if _values(request, b"Upload-Concat"):
        raise ExtensionDisabled("concatenation")
    if _values(request, b"Upload-Defer-Length"):
        if length is not None:
            raise AmbiguousUploadLength
        raise ExtensionDisabled("creation-defer-length")
    if length is None:
        raise InvalidUploadLength("Upload-Length", "is missing")
    return length


def _set_facts(request: Request, upload: UploadInfo) -> None:
    request.setHeader(b"Upload-Offset", b"%d" % upload.offset)
    if upload.length is not None:
        request.setHeader(b"Upload-Length", b"%d" % upload.length)
    if upload.metadata.header:
        request.setHeader(b"Upload-Metadata", upload.metadata.header.encode("ascii"))


def _request_id(request: IRequest) -> str:
    """Take at most 36 clean characters of what a proxy calls the request (T-274)."""
    sent = b"".join(_values(request, b"X-Request-ID")).decode("ascii", "ignore")
    return "".join(filter(str.isprintable, sent))[:36]
