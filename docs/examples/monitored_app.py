"""
An application that counts what its uploads do, and tells it on another port.

Run it with ``twistd -ny monitored_app.py``; PORT and UPLOADS say where it listens and
stores, and ADMIN where its operators ask.
"""

import os

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site

from tustwisted.adminport import AdminResource
from tustwisted.metrics.counting import Counting
from tustwisted.service import UploadsService
from tustwisted.vitals import Vitals
from tustwisted.web.resource import TusResource
from tustwisted.web.streaming import enable_streaming, under

counting = Counting()
uploads = UploadsService.in_directory(
    reactor, os.environ.get("UPLOADS", "uploads"), observer=counting
)

root = Resource()
root.putChild(b"files", TusResource(uploads.uploads))
site = Site(root)
enable_streaming(site, under("/files"))

admin = Site(AdminResource(Vitals(uploads.uploads, counting)))

application = Application("monitored")
uploads.setServiceParent(application)
for port, each in (("PORT", site), ("ADMIN", admin)):
    number = int(os.environ.get(port, "0"))
    endpoint = TCP4ServerEndpoint(reactor, number, interface="127.0.0.1")
    StreamServerEndpointService(endpoint, each).setServiceParent(application)
