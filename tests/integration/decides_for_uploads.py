"""
A program for ``twistd -y`` whose hook decides where, how long and how much.

PORT and UPLOADS say where it listens and stores.  The metadata of an upload say what
its hook answers: ``path``, ``limit`` in bytes, ``age`` in seconds.
"""

from __future__ import annotations

import os

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite


def decide(event: Event) -> Answer:
    """Give an upload what its client asks for, which no real hook should do."""
    said = event.upload.metadata.pairs
    return Answer(
        storage_path=said["path"].decode() if "path" in said else None,
        max_size_bytes=int(said["limit"]) if "limit" in said else None,
        expire_after_s=float(said["age"]) if "age" in said else None,
    )


uploads = UploadsService.in_directory(
    reactor,
    os.environ["UPLOADS"],
    hooks=[FunctionHook("decides", {EventType.PRE_CREATE: decide})],
)
site = StreamingSite(below("/files/", TusResource(uploads.uploads)))
endpoint = TCP4ServerEndpoint(reactor, int(os.environ["PORT"]), interface="127.0.0.1")

application = Application("decides for uploads")
uploads.setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
