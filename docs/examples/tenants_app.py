"""
A site with several tenants, each of whom has a store of his own, under /files/tus.

Run it with ``twistd -ny tenants_app.py``; PORT and UPLOADS say where it listens and
stores.  Behind a proxy set PUBLIC_URL, or BEHIND_PROXY=1.
"""

import os
from hmac import compare_digest

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.errors import AccessDenied
from tustwisted.protocol.answers import HttpAnswer
from tustwisted.protocol.requests import RequestInfo
from tustwisted.service import UploadsService
from tustwisted.web.choosing import ChoosingResource
from tustwisted.web.resource import TusResource, below
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import StreamingSite

MIB = 1024 * 1024

TOKENS = {b"Bearer scarlet": "red", b"Bearer navy": "blue"}
"""What a real application has a table for."""

MAX_SIZE_BYTES = {"red": 100 * MIB, "blue": 1 * MIB}

application = Application("tenants")
settings = WebSettings(
    behind_proxy="BEHIND_PROXY" in os.environ, public_url=os.environ.get("PUBLIC_URL")
)
resources: dict[str, TusResource] = {}
for tenant, max_size_bytes in MAX_SIZE_BYTES.items():
    uploads = UploadsService.in_directory(
        reactor,
        os.path.join(os.environ.get("UPLOADS", "uploads"), tenant),
        max_size_bytes=max_size_bytes,
    )
    uploads.setServiceParent(application)
    resources[tenant] = TusResource(uploads.uploads, settings)


def choose(request: RequestInfo) -> TusResource:
    """Take the store of whoever asks."""
    if request.method == "OPTIONS":
        return resources["red"]  # browsers ask without a token, and all answer alike
    given = (request.header("Authorization") or "").encode()
    for token, tenant in TOKENS.items():
        if compare_digest(token, given):
            return resources[tenant]
    raise AccessDenied(HttpAnswer(401, {"WWW-Authenticate": "Bearer"}))


site = StreamingSite(below("/files/tus/", ChoosingResource(choose)))
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
