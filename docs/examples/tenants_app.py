"""
A site with a store for each of its hosts, for those who have a session.

Run it with ``twistd -ny tenants_app.py``; PORT and UPLOADS say where it listens and
stores.
"""

import os
from http.cookies import SimpleCookie

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import IResource

from tustwisted.errors import UploadNotFound
from tustwisted.hooks.functions import FunctionHook
from tustwisted.httpanswer import HttpAnswer
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo
from tustwisted.service import UploadsService
from tustwisted.web.choosing import ChoosingResource
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

SESSIONS = {"4f1e7c2d": "ann", "9b03aa51": "bob"}  # the application knows better
HOSTS = ("a.example", "b.example")


async def session_owner(event: Event) -> Answer:
    """Let in who has a session, as its owner."""
    cookies = SimpleCookie((event.request and event.request.header("Cookie")) or "")
    session = cookies.get("session")
    owner = None if session is None else SESSIONS.get(session.value)
    if owner is None:
        return Answer(reject=True, response=HttpAnswer(401, body="log in first\n"))
    return Answer(owner=owner)


class Tenants:
    """Knows the uploads of each host."""

    def __init__(self, directory: str) -> None:
        self.services = {
            host: UploadsService.in_directory(
                reactor,
                os.path.join(directory, host),
                hooks=[FunctionHook("session", {EventType.PRE_ACCESS: session_owner})],
            )
            for host in HOSTS
        }
        self._resources = {
            host: TusResource(service.uploads)
            for host, service in self.services.items()
        }

    def choose(self, request: RequestInfo) -> IResource:
        """Look at the host; this may be ``async``, and ask a database."""
        host = (request.header("Host") or "").partition(":")[0]
        if host not in self._resources:
            raise UploadNotFound
        return self._resources[host]


tenants = Tenants(os.environ.get("UPLOADS", "uploads"))
site = StreamingSite(below("/files/tus/", ChoosingResource(tenants.choose)))

application = Application("tenants")
for uploads in tenants.services.values():
    uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
