"""
A program for ``twistd -y`` that is killed in its first finish step.

PORT and UPLOADS say where it listens and stores.  The first event is written to a file
beside the uploads, ``died_at``, and every later one to ``told``.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.events import Event, EventType
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

directory = Path(os.environ["UPLOADS"])
died_at = directory.with_name("died_at")
told = directory.with_name("told")


async def on_finish(event: Event) -> None:
    """Die, or write the event down."""
    if not died_at.exists():
        died_at.write_text(f"{event.event_id}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    with told.open("a") as file:
        file.write(f"{event.event_id}\n")


uploads = UploadsService.in_directory(
    reactor,
    str(directory),
    hooks=[FunctionHook("dies", {EventType.PRE_FINISH: on_finish})],
)
site = StreamingSite(below("/files/", TusResource(uploads.uploads)))
endpoint = TCP4ServerEndpoint(reactor, int(os.environ["PORT"]), interface="127.0.0.1")

application = Application("dies in finish")
uploads.setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
