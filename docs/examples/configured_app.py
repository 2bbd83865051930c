"""
An application whose uploads are configured as those of the daemon are.

Run it with ``twistd -ny configured_app.py``; PORT says where it listens, and TUS_*
variables, or the file that TUS_CONFIG names, say the rest.  TUS_ENABLED=false leaves
the uploads out.
"""

import os

from klein import Klein
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import Site

from tustwisted.config.origins import ConfigurationError
from tustwisted.config.reading import read_settings
from tustwisted.mounting import mount

app = Klein()


@app.route("/")
def home(request: IRequest) -> str:
    """Greet."""
    return "welcome"


@app.route("/files/tus/", branch=True, strict_slashes=False)
def files(request: IRequest) -> IResource:
    """Hand everything below this path to the uploads."""
    return uploads.resource


try:
    # What the application insists on nobody can configure.
    reading = read_settings(os.environ, words={"base-path": ["/files/tus/"]})
except ConfigurationError as error:
    raise SystemExit(f"configured_app: {error}") from error

uploads = mount(reactor, reading.settings)
site = Site(app.resource())
uploads.stream(site)

application = Application("configured")
uploads.service.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
