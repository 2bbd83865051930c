"""
An application that has uploads in a store of its own, under /files/tus.

Run it with ``PYTHONPATH=. twistd -ny sqlite_app.py``; PORT and UPLOADS say where it
listens and stores.
"""

import os

from sqlite_store import SqliteStore
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.disk import Disk
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

directory = os.environ.get("UPLOADS", "uploads")
disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
store = SqliteStore(directory, disk)
uploads = UploadsService.with_store(reactor, store, disk, directory)

site = StreamingSite(below("/files/tus/", TusResource(uploads.uploads)))
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
application = Application("uploads in SQLite")
uploads.setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
