"""
A Klein application that has routes of its own, and takes uploads under /files/tus.

Run it with ``twistd -ny klein_app.py``; PORT and UPLOADS say where it listens and
stores.  Behind a proxy set PUBLIC_URL, or BEHIND_PROXY=1.
"""

import os

from klein import Klein
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.events import Event, EventType
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import enable_streaming, under

log = Logger("shop")


class Shop:
    """The application as it was, and one route more."""

    app = Klein()

    def __init__(self, files: TusResource) -> None:
        self._files = files

    @app.route("/")
    def home(self, request: IRequest) -> str:
        """Greet."""
        return "welcome"

    @app.route("/comments", methods=["POST"])
    def comment(self, request: IRequest) -> bytes:
        """Take a form, as any Klein route does."""
        return b"thank you, %s" % request.args[b"name"][0]

    @app.route("/files/tus/", branch=True, strict_slashes=False)
    def files(self, request: IRequest) -> TusResource:
        """Hand everything below this path to the uploads."""
        return self._files


async def remember(event: Event) -> None:
    """Do what the application does with a file that is there as a whole."""
    # What clients say are bytes of any kind, and no name for a file of ours.
    name = event.upload.metadata.pairs.get("filename", b"").decode(errors="replace")
    log.info("{name!r} is there: {id}", name=name, id=event.upload.upload_id)


uploads = UploadsService.in_directory(
    reactor,
    os.environ.get("UPLOADS", "uploads"),
    hooks=[FunctionHook("shop", {EventType.POST_FINISH: remember})],
)
settings = WebSettings(
    behind_proxy="BEHIND_PROXY" in os.environ, public_url=os.environ.get("PUBLIC_URL")
)
site = Site(Shop(TusResource(uploads.uploads, settings)).app.resource())
enable_streaming(site, under("/files/tus"))

application = Application("shop")
uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
