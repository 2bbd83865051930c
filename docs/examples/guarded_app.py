"""
A Klein application that lets only those upload who know a word.

Run it with ``TOKEN=secret twistd -ny guarded_app.py``; PORT and UPLOADS say where it
listens and stores.
"""

import os
from hmac import compare_digest

from klein import Klein
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource
from tustwisted.web.streaming import enable_streaming, under

EXPECTED = b"Bearer " + os.environ["TOKEN"].encode()


async def admit(event: Event) -> Answer | None:
    """Judge the headers; of a request that is refused no body is read."""
    assert event.request is not None  # an access always has one
    given = event.request.header("Authorization") or ""
    if compare_digest(given.encode(), EXPECTED):
        return None
    unknown = HttpAnswer(401, {"WWW-Authenticate": "Bearer"}, "who are you?\n")
    return Answer(reject=True, response=unknown)


class Guarded:
    """An application that has uploads."""

    app = Klein()

    def __init__(self, files: TusResource) -> None:
        self._files = files

    @app.route("/files/tus/", branch=True, strict_slashes=False)
    def files(self, request: IRequest) -> TusResource:
        """Hand everything below this path to the uploads."""
        return self._files


uploads = UploadsService.in_directory(
    reactor,
    os.environ.get("UPLOADS", "uploads"),
    hooks=[FunctionHook("word", {EventType.PRE_ACCESS: admit})],
)
site = Site(Guarded(TusResource(uploads.uploads)).app.resource())
enable_streaming(site, under("/files/tus"))

application = Application("guarded uploads")
uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
