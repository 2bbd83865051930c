"""
Request bodies that stream through Twisted Web.

Twisted calls a resource when the whole body of its request has come (twisted/twisted
#288, #4688).  Here the resource is called when the headers are complete, and takes the
body as it arrives::

    site = StreamingSite(resource)      # or, for a Site that exists already:
    enable_streaming(site, wants=under("/upload"))

    def render_PUT(self, request):
        request.body.deliver_to(receiver)      # an IBodyReceiver
        return NOT_DONE_YET

A site's predicate tells which requests stream.  All others take Twisted's own path,
and so does all of HTTP/2: their ``request.body`` is None, and :class:`BodySource` gives
them a body with the same interface.

If a private name of Twisted that this needs is missing, the site works as without
streaming, and says so once in the log.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.web.http import Request as HTTPRequest
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from zope.interface import directlyProvidedBy, directlyProvides

from tustwisted.web.body import Body
from tustwisted.web.buffered import BufferedBody
from tustwisted.web.interfaces import IBody
from tustwisted.web.limits import HeaderLimits
from tustwisted.web.private import missing_names
from tustwisted.web.request import Streaming, StreamingMixin
from tustwisted.web.wants import Wants, speaks_tus, under

__all__ = [
    "Body",
    "BodySource",
    "BufferedBody",
    "HeaderLimits",
    "IBody",
    "StreamingMixin",
    "StreamingRequest",
    "StreamingSite",
    "Wants",
    "enable_streaming",
    "speaks_tus",
    "under",
]

_log = Logger()


class StreamingRequest(StreamingMixin, Request):
    """The request of a :class:`StreamingSite`."""


class StreamingSite(Site):
    """
    A site whose requests stream when ``wants`` says so.

    Form posts are not parsed into ``request.args``.
    """

    requestFactory = StreamingRequest

    def __init__(
        self,
        resource: IResource,
        requestFactory: type[HTTPRequest] | None = None,
        *,
        wants: Wants = speaks_tus,
        idle_timeout_s: float = 60.0,
        header_limits: HeaderLimits = HeaderLimits(),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        """
        :param requestFactory: a class to combine with :class:`StreamingMixin`.
        :param wants: see :data:`tustwisted.web.wants.Wants`.
        :param idle_timeout_s: how long a body may be silent while its receiver wants
            more, seconds.
        :param header_limits: how large the head of a request may be.
        :param kwargs: what Site takes: reactor, timeout, logPath ...
        """
        kwargs.setdefault("parsePOSTFormSubmission", False)
        super().__init__(resource, requestFactory, **kwargs)
        enable_streaming(self, wants, idle_timeout_s, header_limits)


def enable_streaming(
    site: Site,
    wants: Wants = speaks_tus,
    idle_timeout_s: float = 60.0,
    header_limits: HeaderLimits | None = None,
) -> None:
    """
    Let a site stream the bodies of the requests that ``wants`` chooses.

    It holds for connections made afterwards.  The site's own request class is combined
    with :class:`StreamingMixin`.  The last of several calls counts.

    :param wants: best ``under("/path/of/the/uploads")``.  The default looks only at the
        headers, on all routes of the site: to a form that a client posts with
        ``Tus-Resumable``, the application's route would find no ``args``, and its
        ``content`` could not be read.
    :param idle_timeout_s: how long a body may be silent while its receiver wants more,
        seconds.
    :param header_limits: how large the head of any request to the site may be; None
        leaves what it is: Twisted's own 16384 bytes, if nobody has set another.
    :raises TypeError: ``site.requestFactory`` is no subclass of Twisted's Request.
    """
    streaming = Streaming(wants, idle_timeout_s)
    install(site, streaming, missing_names(), header_limits)


def install(
    site: Site,
    streaming: Streaming,
    missing: list[str],
    header_limits: HeaderLimits | None = None,
) -> None:
    """
    Give a site a request class that streams, or one that does not for want of a name.

    :param missing: see :func:`missing_names`.
    :param header_limits: as :func:`enable_streaming`; they need no private name.
    :raises TypeError: as :func:`enable_streaming`.
    """
    factory: Any = site.requestFactory
    if not (isinstance(factory, type) and issubclass(factory, HTTPRequest)):
        raise TypeError(
            "streaming needs site.requestFactory to be a subclass of "
            f"twisted.web.http.Request, not {factory!r}"
        )
    if missing:
        _log.warn(
            "request bodies are buffered, not streamed: "
            "this version of Twisted has no {names}",
            names=", ".join(missing),
        )
    own = getattr(factory, "header_limits", None)
    wanted = (None if missing else streaming, header_limits or own)
    if issubclass(factory, StreamingMixin) and (factory.streaming, own) == wanted:
        return
    site.requestFactory = _combined(factory, *wanted)


def _combined(
    factory: Any, streaming: Streaming | None, header_limits: HeaderLimits | None
) -> Any:
    if factory is Request:
        factory = StreamingRequest
    mixins = () if issubclass(factory, StreamingMixin) else (StreamingMixin,)
    chosen = {"streaming": streaming, "header_limits": header_limits}
    combined = type(factory.__name__, (*mixins, factory), chosen)
    # Such as INonQueuedRequestFactory, which a subclass does not inherit.
    directlyProvides(combined, directlyProvidedBy(factory))
    return combined


class BodySource:
    """
    Gives a resource the bodies of its requests, streamed or not.

    A resource has one of these; it warns once when the application forgot to make its
    site stream.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._warned = False

    def body_of(self, request: IRequest) -> IBody:
        """
        Take the body of a request; once for each request.

        :returns: ``request.body`` if it is streamed, else a :class:`BufferedBody`.
        """
        if isinstance(request, StreamingMixin) and request.body is not None:
            return request.body
        body = BufferedBody(request)
        if body.length and not self._warned and _could_stream(request):
            self._warned = True
            self._log.warn(
                "request bodies are buffered before they reach {path}: "
                'add the line enable_streaming(site, under("/files/tus")), '
                "with your own path",
                path=request.path.decode("ascii", "backslashreplace"),
            )
        return body

    def has_trailers(self, request: IRequest) -> bool:
        """Tell whether what follows a chunked body can be read; if it streams only."""
        return (
            isinstance(request, StreamingMixin)
            and request.streaming is not None
            and request.clientproto != b"HTTP/2"
        )


def _could_stream(request: IRequest) -> bool:
    """Tell whether a line in the application would have made this request stream."""
    if not isinstance(request, StreamingMixin):
        return True
    return request.streaming is not None and request.clientproto != b"HTTP/2"
