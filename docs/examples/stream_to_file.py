"""
Streaming without tus: PUT /name writes the body to a file while it arrives.

Run it with ``twistd -ny stream_to_file.py``; PORT says where it listens.
"""

import os
import tempfile

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IProducer
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from tustwisted.interfaces import IBodyReceiver
from tustwisted.web.streaming import BodySource, StreamingSite
from tustwisted.web.wants import under


@implementer(IBodyReceiver)
class ToFile:
    """Writes a body to a file that has no name yet, then answers."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._size = 0

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Writing takes no time here; a slow receiver would keep the producer."""

    def unregisterProducer(self) -> None:
        """The body comes no more."""

    def write(self, data: bytes) -> None:
        """Take the next piece of the body."""
        self._size += self._file.write(data)

    def body_ended(self) -> None:
        """Answer: all of it is there."""
        self._file.close()
        self._request.write(b"%d bytes\n" % self._size)
        self._request.finish()

    def body_lost(self, reason: Failure) -> None:
        """Nobody is left to answer to."""
        self._file.close()


class Put(Resource):
    """Takes a PUT of any size."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)
        self._bodies = BodySource()

    def render_PUT(self, request: Request) -> int:
        """Begin to read; the answer comes at the end of the body."""
        self._bodies.body_of(request).deliver_to(ToFile(request))
        return NOT_DONE_YET


site = StreamingSite(Put(), wants=under("/"))

application = Application("put")
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
