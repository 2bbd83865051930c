"""
One mount, and which uploads it serves: decided anew for each request.

So each tenant can have a store of his own, with its own directory, limits and hooks.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import NOT_DONE_YET, Request

from tustwisted.errors import TusError
from tustwisted.protocol.requests import RequestInfo
from tustwisted.web.access import request_info
from tustwisted.web.merging import merge_error
from tustwisted.web.problems import respond_internal, respond_with
from tustwisted.web.resource import begin_answer

log = Logger()

Choose: TypeAlias = Callable[[RequestInfo], Awaitable[IResource] | IResource]
"""Takes a request, and returns the resource that is to serve it."""


class ChoosingResource(Resource):
    """
    Gives each request to one of several resources, before its body is read::

        async def choose(request: RequestInfo) -> IResource:
            return tenants[await tenant_of(request.header("Authorization"))]

        site = StreamingSite(below("/files/", ChoosingResource(choose)))

    Each of them is a :class:`~tustwisted.web.resource.TusResource` with uploads of its
    own, which the application starts and stops, and all have the same URLs: an upload
    is found only by requests for which its own resource is chosen.  A site that streams
    for one of them streams for all.

    In a Klein application a route with ``branch=True`` that returns one of several
    resources does the same.

    :param choose: called for every request, be it a preflight, with which browsers send
        no credentials: any resource may answer it, since it looks at no upload.  It
        may raise a :class:`~tustwisted.errors.TusError`, such as
        :class:`~tustwisted.errors.UploadNotFound` for a tenant that there is not.  Any
        other exception is logged, and the client gets 500.  It is cancelled when the
        client leaves.
    """

    isLeaf = True

    def __init__(self, choose: Choose) -> None:
        Resource.__init__(self)
        self._choose = choose

    def render(self, request: Request) -> int:
        """Choose, then let the chosen resource answer."""
        work = Deferred.fromCoroutine(self._chosen(request_info(request)))
        gone: list[Failure] = []

        def leave(failure: Failure) -> None:
            gone.append(failure)
            work.cancel()

        def fail(failure: Failure) -> None:
            if not gone:  # or there is nobody to answer
                _refuse(request, failure)

        def serve(chosen: IResource) -> None:
            if not gone:
                request.render(getChildForRequest(chosen, request))

        request.notifyFinish().addErrback(leave)  # type: ignore[unused-awaitable]
        work.addCallbacks(serve, fail)  # type: ignore[unused-awaitable]
        work.addErrback(request.processingFailed)  # type: ignore[unused-awaitable]
        return NOT_DONE_YET

    async def _chosen(self, request: RequestInfo) -> IResource:
        chosen = self._choose(request)
        if inspect.isawaitable(chosen):
            chosen = await chosen
        return IResource(chosen)  # whatever else it may be is a TypeError


def _refuse(request: Request, failure: Failure) -> None:
    begin_answer(request)
    if isinstance(failure.value, TusError):
        body = respond_with(request, failure.value)
    else:
        log.failure("no resource could be chosen for a request", failure)
        body = respond_internal(request)
    request.write(merge_error(request, failure.value, body))
    request.finish()
