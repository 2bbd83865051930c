"""
What operators and their machines ask a server, by HTTP beside the uploads.

``/healthz``: the process is alive.  ``/readyz``: uploads are taken.  ``/metrics``: what
was counted, for Prometheus.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    maybeDeferred,
)
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tustwisted.daemon import listen_at, url_of
from tustwisted.metrics.exposing import CONTENT_TYPE, Exposition, Processes
from tustwisted.vitals import IVitals

log = Logger()

MOST_ASKING = 16
"""So many connections there may be; further ones are closed at once."""

_TEXT = b"text/plain; charset=utf-8"


class AdminResource(Resource):
    """
    Has ``healthz``, ``readyz`` and ``metrics`` below it; not for everybody's eyes.

    :param vitals: tells how the server is.
    :param processes: see :class:`~tustwisted.metrics.exposing.Exposition`.
    :param registry: what else ``metrics`` tells, such as an application's own.
    """

    def __init__(
        self,
        vitals: IVitals,
        processes: Processes | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        Resource.__init__(self)
        self.putChild(b"healthz", _Health())
        self.putChild(b"readyz", _Ready(vitals))
        self.putChild(b"metrics", _Metrics(vitals, Exposition(processes, registry)))


class _Page(Resource):
    """A text that may take some time; GET and HEAD."""

    isLeaf = True

    def render_GET(self, request: Request) -> int:
        """Answer later; whoever leaves is not waited for."""
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Content-Type", _TEXT)
        ended = request.notifyFinish()
        work = Deferred.fromCoroutine(self._answer(request, ended))
        ended.addErrback(lambda _: work.cancel())  # type: ignore[unused-awaitable]
        work.addErrback(self._fail, request, ended)  # type: ignore[unused-awaitable]
        return NOT_DONE_YET

    async def _answer(self, request: Request, ended: Deferred[None]) -> None:
        body = await self.text(request)
        if ended.called:  # what several were asked does not end by a cancellation
            return
        request.setHeader(b"Content-Length", b"%d" % len(body))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    def _fail(self, failure: Failure, request: Request, ended: Deferred[None]) -> None:
        if failure.check(CancelledError):
            return
        log.failure("{path} failed", failure, path=request.path.decode("latin-1"))
        if ended.called:
            return
        request.setResponseCode(500)
        request.setHeader(b"Content-Length", b"0")
        request.finish()

    def text(self, request: Request) -> Awaitable[bytes]:
        """Make the answer."""
        raise NotImplementedError


class _Health(_Page):
    async def text(self, request: Request) -> bytes:
        return b"ok\n"


class _Ready(_Page):
    def __init__(self, vitals: IVitals) -> None:
        super().__init__()
        self._vitals = vitals

    async def text(self, request: Request) -> bytes:
        problems = await self._vitals.problems()
        if not problems:
            return b"ok\n"
        request.setResponseCode(503)
        return "".join(f"{problem}\n" for problem in problems).encode()


class _Metrics(_Page):
    def __init__(self, vitals: IVitals, exposition: Exposition) -> None:
        super().__init__()
        self._vitals = vitals
        self._exposition = exposition

    async def text(self, request: Request) -> bytes:
        text = self._exposition.text(await self._vitals.counts())
        request.setHeader(b"Content-Type", CONTENT_TYPE)
        return text


class _Site(Site):
    """Serves an :class:`AdminResource`, and logs nothing of what is asked so often."""

    noisy = False
    displayTracebacks = False

    def log(self, request: HTTPRequest) -> None:
        """Log nothing."""


class _Few(WrappingFactory):
    """Closes connections that are too many: those of uploads are not to suffer."""

    noisy = False

    # Twisted's annotation forgets that there may be none.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """Serve one, if there is room."""
        if len(self.protocols) >= MOST_ASKING:
            return None
        return super().buildProtocol(addr)


class AdminPort:
    """
    Listens for operators.

    :param scheme: of its URL.
    :param reactor: measures how long they may be silent.
    """

    def __init__(
        self,
        scheme: str,
        endpoint: IStreamServerEndpoint,
        resource: AdminResource,
        reactor: Any,
    ) -> None:
        self._scheme = scheme
        self._endpoint = endpoint
        self.site = _Site(resource, reactor=reactor)
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        """
        Listen, and say where in the log.

        :raises CannotListen: that cannot be done.
        """
        self._port = await listen_at(self._endpoint, _Few(self.site), "admin-port")
        url = url_of(self._scheme, self._port.getHost(), "/")
        log.info("health, readiness and metrics are at {url}", url=url)

    def stop(self) -> Deferred[None]:
        """Listen no more; harmless when it never did."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
