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

from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource
from tustwisted.web.streaming import enable_streaming, under


class Guarded:
    """An application that asks who it is."""

    app = Klein()

    def __init__(self, files: TusResource, token: str) -> None:
        self._files = files
        self._expected = b"Bearer " + token.encode()

    @app.route("/files/tus/", branch=True, strict_slashes=False)
    def files(self, request: IRequest) -> TusResource | bytes:
        """Judge the headers; of a request that is refused no body is read."""
        # Browsers ask what they may send before they send any Authorization.
        if request.method == b"OPTIONS" or self._is_known(request):
            return self._files
        request.setResponseCode(401)
        request.setHeader(b"WWW-Authenticate", b"Bearer")
        return b"who are you?\n"

    def _is_known(self, request: IRequest) -> bool:
        return compare_digest(
            request.getHeader(b"Authorization") or b"", self._expected
        )


uploads = UploadsService.in_directory(reactor, os.environ.get("UPLOADS", "uploads"))
guarded = Guarded(TusResource(uploads.uploads), os.environ["TOKEN"])
site = Site(guarded.app.resource())
enable_streaming(site, under("/files/tus"))

application = Application("guarded uploads")
uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
