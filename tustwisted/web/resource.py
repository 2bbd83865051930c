"""The resource that serves uploads, to be mounted under a path of a site."""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from tustwisted.errors import (
    InvalidHost,
    MethodNotAllowed,
    ServerShutdown,
    TusError,
    UnknownTransferCoding,
    UnmetExpectation,
    UploadNotFound,
)
from tustwisted.protocol.hosts import is_host
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.versions import TUS_VERSION, check_version
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.cors import CorsPolicy, check_origin, is_preflight, mark_answer
from tustwisted.web.dispatch import Dispatch
from tustwisted.web.methods import creation_methods, upload_methods
from tustwisted.web.observed import Watch, watch_nothing
from tustwisted.web.override import override_method
from tustwisted.web.problems import respond_with
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import BodySource, StreamingMixin
from tustwisted.web.tus import TusRoutes
from tustwisted.web.values import Sent, sent_headers

_OUR_VERSION = [TUS_VERSION.encode()]


class TusResource(Resource):
    """
    Serves the creation URL where it is mounted, and uploads below it.

    The Site should stream bodies (:func:`tustwisted.web.streaming.enable_streaming`);
    else uploads work, but reach the store only when each body is there as a whole.

    :param uploads: the core, started and stopped by whoever made it.
    :param settings: how it behaves on the wire.
    """

    isLeaf = True

    def __init__(
        self,
        uploads: Uploads,
        settings: WebSettings = WebSettings(),  # noqa: B008
    ) -> None:
        Resource.__init__(self)
        self._uploads = uploads
        self._cors = settings.cors
        self._settings = settings
        self._take_route = Dispatch(TusRoutes(uploads, BodySource(), settings))
        self.watch = Watch(uploads.observer, uploads.clock)

    def render(self, request: Request) -> bytes | int:
        """Judge what needs no route, then take the route."""
        sent = sent_headers(request)
        if b"X-Http-Method-Override" in sent:
            override_method(request)  # refuses nothing: a name that is none is a 405
        self.watch(request)
        begin_answer(request, self._cors)
        try:
            upload_id = self._judge(request, sent)
        except TusError as error:
            return respond_with(request, error)
        self._take_route(request, upload_id)
        return NOT_DONE_YET

    def _judge(self, request: Request, sent: Sent) -> str:
        """
        Refuse what needs no route for that, in the order of T-271.

        :returns: the id of the upload that it is about; empty: the creation URL.
        """
        _check_coding(sent)
        _check_host(request, sent)
        if not self._uploads.is_running:
            raise ServerShutdown  # for what asks no upload, too (D12)
        _check_expectation(request)
        if self._cors is not None and b"Origin" in sent:
            check_origin(request, self._cors)
            if is_preflight(request):
                request.postpath = []  # whatever the URL: no upload is looked at
        check_version(request.method.decode("latin-1"), sent.get(b"Tus-Resumable", ()))
        upload_id = _upload_id(request)
        _check_method(request, upload_id, self._uploads, self._settings)
        return upload_id


class Nowhere(Resource):
    """
    A path that leads to no upload: 404 for itself and all below it (T-268).

    :param cors: which pages may see that.
    :param watch: called with each request.
    """

    def __init__(
        self,
        cors: CorsPolicy | None = None,
        watch: Callable[[Request], None] = watch_nothing,
    ) -> None:
        Resource.__init__(self)
        self._cors = cors
        self._watch = watch

    def getChild(self, path: bytes, request: Request) -> IResource:
        """Find nothing below either."""
        return Nowhere(self._cors, self._watch)

    def render(self, request: Request) -> bytes:
        """Answer any method alike."""
        self._watch(request)
        begin_answer(request, self._cors)
        try:
            if self._cors is not None:
                check_origin(request, self._cors)
        except TusError as error:
            return respond_with(request, error)
        return respond_with(request, UploadNotFound())


def below(
    base_path: str,
    resource: IResource,
    cors: CorsPolicy | None = None,
    watch: Callable[[Request], None] = watch_nothing,
) -> IResource:
    """
    Make the root of a site that has one resource at a path, and nothing beside it.

    :param base_path: such as ``/files/``; ``/`` for the resource itself.
    :param cors: which pages may see that there is nothing.
    :param watch: called with each request for that.
    """
    segments = [segment.encode() for segment in base_path.split("/") if segment]
    for segment in reversed(segments):
        parent = Nowhere(cors, watch)
        parent.putChild(segment, resource)
        resource = parent
    return resource


def begin_answer(request: Request, cors: CorsPolicy | None = None) -> None:
    """
    Set what every answer says, be it a refusal.

    :param cors: which pages may see it.
    """
    request.defaultContentType = None  # a HEAD or an empty answer has no type
    headers = request.responseHeaders
    headers.setRawHeaders(b"Tus-Resumable", _OUR_VERSION)
    headers.setRawHeaders(b"X-Content-Type-Options", [b"nosniff"])
    if request.method == b"HEAD":
        request.setHeader(b"Cache-Control", b"no-store")  # of a 404 too (T-015)
    if cors is not None:
        mark_answer(request, cors)


def _check_coding(sent: Sent) -> None:
    # Twisted refuses all others but lets "identity" pass, with a length or without.
    codings = sent.get(b"Transfer-Encoding")
    if codings and any(coding.lower() != b"chunked" for coding in codings):
        raise UnknownTransferCoding


def _check_host(request: Request, sent: Sent) -> None:
    hosts = sent.get(b"Host", ())
    needed = request.clientproto == b"HTTP/1.1"
    if (needed and len(hosts) != 1) or not all(map(is_host, hosts)):
        raise InvalidHost


def _check_expectation(request: Request) -> None:
    if isinstance(request, StreamingMixin):
        expectation = request.expectation  # it was taken out of Twisted's sight
    else:
        expectation = request.getHeader(b"Expect")
    if expectation is not None and expectation.lower() != b"100-continue":
        raise UnmetExpectation


def _upload_id(request: Request) -> str:
    """Take it out of the path; empty at the mount, with or without a slash (T-052)."""
    path = b"/".join(request.postpath or ()).decode("latin-1")
    if not request.path.startswith(b"/"):
        raise UploadNotFound  # Twisted cuts the first byte off, whatever it is
    if path and not is_upload_id(path):
        raise UploadNotFound  # rather than a method that is not allowed (T-269)
    return path


def _check_method(
    request: Request, upload_id: str, uploads: Uploads, settings: WebSettings
) -> None:
    """
    Refuse what the URL does not take; methods have a case.

    Spec: RFC 9110, section 9.1; rows T-063, T-064, T-270.
    """
    if upload_id:
        allowed = upload_methods(uploads, settings)
    else:
        allowed = creation_methods(uploads)
    if request.method.decode("latin-1") not in allowed:
        raise MethodNotAllowed(allowed)
