"""
A plain Twisted Web site that serves a directory, and takes uploads under /files/tus.

Run it with ``twistd -ny plain_site.py``; PORT, UPLOADS and PAGES say where it listens,
stores, and finds its pages.  Keep the uploads outside of the directory of the pages:
File would list them, and show as HTML whatever somebody sent.  Behind a proxy set
PUBLIC_URL, or BEHIND_PROXY=1.
"""

import os

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import File

from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import enable_streaming, under

uploads = UploadsService.in_directory(reactor, os.environ.get("UPLOADS", "uploads"))
settings = WebSettings(
    behind_proxy="BEHIND_PROXY" in os.environ, public_url=os.environ.get("PUBLIC_URL")
)

root = File(os.environ.get("PAGES", "pages"))
files = Resource()
root.putChild(b"files", files)
files.putChild(b"tus", TusResource(uploads.uploads, settings))

site = Site(root)
enable_streaming(site, under("/files/tus"))

application = Application("pages")
uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
