"""
Streaming without tus: a PUT is written to a temporary file while it arrives.

The file has no name and goes away at the end; the answer tells how long it was.  Run it
with ``twistd -ny stream_to_file.py``; PORT says where it listens.
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

from tustwisted.errors import ReadTimeout
from tustwisted.interfaces import IBodyReceiver
from tustwisted.web.streaming import BodySource, StreamingSite
from tustwisted.web.wants import under


@implementer(IBodyReceiver)
class ToFile:
    """Writes a body to a temporary file, then answers."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._connected = True
        finished = request.notifyFinish()
        finished.addErrback(self._connection_lost)  # type: ignore[unused-awaitable]
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
        """Answer, if the client is still there: all of the body is."""
        self._file.close()
        if not self._connected:
            return  # a buffered body ends all the same: see BufferedBody
        self._request.write(b"%d bytes\n" % self._size)
        self._request.finish()

    def body_lost(self, reason: Failure) -> None:
        """Answer a client that fell silent; one that left takes no answer."""
        self._file.close()
        if self._connected and reason.check(ReadTimeout):
            self._request.setResponseCode(500)
            self._request.finish()

    def _connection_lost(self, reason: Failure) -> None:
        self._connected = False


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
