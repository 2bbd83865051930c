"""
One POST to somebody whom nothing is believed: bounded, and ended when it is cancelled.

By treq, without what it does for those who browse: cookies, redirects and unpacking,
by which a short reply could become a long one.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from attrs import define, field, frozen
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from tustwisted.hooks.connection import BoundedFactory

IDLE_S = 30.0
"""An idle connection is kept for so long."""


class NoReply(Exception):
    """The network failed, or the other side does not speak HTTP; ``str()`` says how."""


@frozen
class Reply:
    """What came back."""

    status: int
    headers: Headers
    body: bytes | None
    """``None``: it is longer than it may be, and was not read to its end."""

    may_be_cut: bool = False
    """Nothing came, and nothing told how long that was to be: who knows."""


@define(eq=False, repr=False)
class Poster:
    """
    Posts to one URL over connections that are kept.

    :param max_idle: as many connections are kept while they are idle.
    :param connect_timeout_s: how long one may take to be there.
    """

    _reactor: Any
    _url: bytes
    _max_idle: int
    _connect_timeout_s: float

    _pool: _Pool = field(init=False)
    _client: HTTPClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pool = _Pool(self._reactor, self._max_idle)
        agent = Agent.usingEndpointFactory(
            self._reactor,
            _SameEndpoint(self._reactor, self._connect_timeout_s),
            self._pool,
        )
        no_cookies = IndexableCookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = HTTPClient(_AsItIs(agent), no_cookies)

    async def post(
        self, headers: Mapping[str, Sequence[str]], body: bytes, limit_bytes: int
    ) -> Reply:
        """
        Post once, and read what comes back.

        A kept connection may have been closed by the other side just now; then another
        one is taken at once.

        :param limit_bytes: a longer reply is not read.
        :raises NoReply: none came, or only a part of one.
        """
        while True:
            posting = _left_at_once(
                self._client.request(
                    "POST",
                    self._url,
                    headers=Headers(headers),
                    data=body,
                    allow_redirects=False,
                    unbuffered=True,
                    reactor=self._reactor,
                )
            )
            was_kept = self._pool.was_kept
            try:
                response = await posting
                return await _read(response, limit_bytes)
            except ResponseNeverReceived as error:
                if not was_kept or not _is_closed(error):
                    raise NoReply(_problem(error)) from error
            except _NETWORK_ERRORS as error:
                raise NoReply(_problem(error)) from error

    async def close(self) -> None:
        """Close the connections that are idle; it may be used again."""
        await self._pool.closeCachedConnections()


@implementer(IAgent)
@define(eq=False, repr=False)
class _AsItIs:
    """Asks for a reply that is not packed, and has none unpacked."""

    _agent: Agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        headers = Headers() if headers is None else headers
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        requesting = self._agent.request(method, uri, headers, bodyProducer)
        return requesting.addCallback(_unmarked)


def _unmarked(response: IResponse) -> IResponse:
    response.headers.removeHeader(b"Content-Encoding")
    return response


@implementer(IAgentEndpointFactory)
@define(eq=False, repr=False)
class _SameEndpoint:
    """Makes an endpoint once: the name of its host is worked on each time."""

    _reactor: Any
    _timeout_s: float
    _endpoint: IStreamClientEndpoint | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        if self._endpoint is None:
            host = uri.host.decode("ascii")
            self._endpoint = HostnameEndpoint(
                self._reactor, host, uri.port, self._timeout_s
            )
            if uri.scheme == b"https":
                # OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR tell whom it trusts.
                self._endpoint = wrapClientTLS(
                    optionsForClientTLS(host), self._endpoint
                )
            self._endpoint = _Quiet(self._endpoint)
        return self._endpoint


@implementer(IStreamClientEndpoint)
@define(eq=False, repr=False)
class _Quiet:
    """Connects without a line in the log for each connection."""

    _endpoint: IStreamClientEndpoint

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        protocolFactory.noisy = False
        return self._endpoint.connect(protocolFactory)


class _Pool(HTTPConnectionPool):
    """Tells whether the connection that was asked for last is one that was kept."""

    # POST would never be tried again, but each kept connection would be wrapped.
    retryAutomatically = False
    cachedConnectionTimeout = IDLE_S  # type: ignore[assignment]
    # Private, and the only way to other connections (Twisted 26.10).
    _factory = BoundedFactory

    was_kept = False

    def __init__(self, reactor: Any, max_idle: int) -> None:
        super().__init__(reactor)
        self.maxPersistentPerHost = max_idle

    def getConnection(
        self, key: Hashable, endpoint: IStreamClientEndpoint
    ) -> Deferred[Any]:
        """Take or make one; the one that is there at once was kept."""
        connection: Deferred[Any] = super().getConnection(key, endpoint)
        self.was_kept = connection.called
        return connection


_NETWORK_ERRORS = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestTransmissionFailed,
    ResponseFailed,
)


def _left_at_once(requesting: Deferred[Any]) -> Deferred[IResponse]:
    """
    Return the same, but for what comes of a cancellation: that alone, and at once.

    To Twisted's client, a request that was cancelled is a connection that broke.
    """

    def leave(waiting: Deferred[IResponse]) -> None:
        waiting.errback(CancelledError())
        requesting.cancel()

    waiting: Deferred[IResponse] = Deferred(leave)

    def tell(result: IResponse | Failure) -> None:
        if waiting.called:
            return
        if isinstance(result, Failure):
            waiting.errback(result)
        else:
            waiting.callback(result)

    requesting.addBoth(tell)  # type: ignore[unused-awaitable] # it ends in `waiting`
    return waiting


def _is_closed(error: ResponseNeverReceived) -> bool:
    return all(reason.check(ConnectionClosed) for reason in error.reasons)


def _problem(error: Exception) -> str:
    """Say what is wrong; Twisted's own text is a list of objects."""
    reasons = getattr(error, "reasons", None) or [Failure(error)]
    return "; ".join(
        str(reason.value) or reason.type.__name__ for reason in reasons
    ).rstrip(".")


async def _read(response: IResponse, limit_bytes: int) -> Reply:
    """Read the body; when that is cancelled, or it is too long, the connection ends."""
    reader = _Reader(limit_bytes)
    response.deliverBody(reader)
    body = await reader.done
    may_be_cut = body == b"" and reader.is_unframed
    return Reply(response.code, response.headers, body, may_be_cut)


class _Reader(Protocol):
    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: list[bytes] = []
        self._is_too_long = False
        self.is_unframed = False
        self.done: Deferred[bytes | None] = Deferred(lambda _: self._leave())

    def dataReceived(self, data: bytes) -> None:
        self._limit_bytes -= len(data)
        if self._limit_bytes >= 0:
            self._pieces.append(data)
        elif not self._is_too_long:
            self._is_too_long = True
            self._leave()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Also told when all has come and the connection is kept: that is ResponseDone.
        # Nobody hears of the end before it: the connection is back in the pool then.
        if self.done.called:
            return
        if self._is_too_long:
            self.done.callback(None)
        # PotentialDataLoss: HTTP/1.0, whose end is that of the connection.
        elif reason.check(ResponseDone, PotentialDataLoss):
            self.is_unframed = reason.check(PotentialDataLoss) is not None
            self.done.callback(b"".join(self._pieces))
        else:
            self.done.errback(reason)

    def _leave(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
