"""
Takes the routes of a Klein application, without Klein's own resource.

``KleinResource`` serves whatever a route may be and return.  So for each request it
takes the URL apart, binds the map of all routes to it, searches it, and leads what
comes back through half a dozen Deferreds.  Ours are coroutines that return bytes, at
two kinds of URL that are told apart already: the map is asked once, at the start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.server import Request

log = Logger()


class Dispatch:
    """
    Executes the routes of an application for requests that have been judged.

    :param app: its routes are ``/`` and ``/<path:upload_id>``; bound to its instance.
    :param failed: sets the status and headers for what a route has raised, and returns
        the body to send; called while the error is being handled.
    """

    def __init__(
        self, app: Klein, failed: Callable[[Request, Exception], bytes]
    ) -> None:
        self._app = app
        self._failed = failed
        self._endpoints = _endpoints(app)

    def __call__(self, request: Request, upload_id: str) -> None:
        """
        Take a route and answer with what it returns.

        It is cancelled when the client leaves.

        :param upload_id: empty for the creation URL.
        :raises KeyError: no route takes the method there.
        """
        endpoint = self._endpoints[request.method, bool(upload_id)]
        names = {"upload_id": upload_id} if upload_id else {}
        route = self._app.execute_endpoint(endpoint, request, **names)
        ended = request.notifyFinish()
        work = Deferred.fromCoroutine(
            self._answer(request, cast("Awaitable[bytes]", route), ended)
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


def _endpoints(app: Klein) -> dict[tuple[bytes, bool], str]:
    """List what is executed for each method, at the creation URL and at an upload's."""
    urls = app.url_map.bind("")
    return {
        (method.encode("ascii"), is_upload): urls.match(path, method)[0]
        for path, is_upload in (("/", False), ("/id", True))
        for method in urls.allowed_methods(path)
    }
