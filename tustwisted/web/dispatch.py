"""
Takes the routes of a Klein application, without Klein's own resource.

``KleinResource`` serves whatever a route may be and return.  So for each request it
takes the URL apart, binds the map of all routes to it, searches it, and leads what
comes back through half a dozen Deferreds.  Ours are coroutines that return bytes, at
two kinds of URL that are told apart already: the map is asked once, at the start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.server import Request

log = Logger()


class Routes(Protocol):
    """Has the routes of an application as its methods."""

    app: Klein
    """Knows them as ``/`` and ``/<path:upload_id>``, and by their own names."""

    def failed(self, request: Request, error: Exception) -> bytes:
        """
        Set the status and headers for what a route has raised.

        It is called while the error is being handled.

        :returns: the body to send.
        """


class Dispatch:
    """Takes routes for requests that have been judged."""

    def __init__(self, routes: Routes) -> None:
        self._failed = routes.failed
        self._routes = _methods(routes)

    def __call__(self, request: Request, upload_id: str) -> None:
        """
        Take a route and answer with what it returns.

        It is cancelled when the client leaves.

        :param upload_id: empty for the creation URL.
        :raises KeyError: no route takes the method there.
        """
        route = self._routes[request.method, bool(upload_id)]
        names = (upload_id,) if upload_id else ()
        ended = request.notifyFinish()
        work = Deferred.fromCoroutine(
            self._answer(request, route(request, *names), ended)
        )
        work.addErrback(  # type: ignore[unused-awaitable]
            lambda failure: log.failure("an answer could not be written", failure)
        )
        ended.addErrback(lambda _: work.cancel())  # type: ignore[unused-awaitable]

    async def _answer(
        self, request: Request, route: Awaitable[bytes], ended: Deferred[None]
    ) -> None:
        try:
            body = await route
        except Exception as error:
            if not ended.called:
                body = self._failed(request, error)
            elif not isinstance(error, CancelledError):
                log.failure("a request failed that nobody waits for any more")
        if not ended.called:
            request.write(body)
            request.finish()


def _methods(
    routes: Routes,
) -> dict[tuple[bytes, bool], Callable[..., Awaitable[bytes]]]:
    """
    List what serves each method at the creation URL, and at an upload's.

    They are called by themselves: Klein would make a Deferred of each coroutine, 11 us.
    """
    urls: Any = routes.app.url_map.bind("")
    return {
        (method.encode("ascii"), is_upload): getattr(
            routes, urls.match(path, method)[0]
        )
        for path, is_upload in (("/", False), ("/id", True))
        for method in urls.allowed_methods(path)
    }
