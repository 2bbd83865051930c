"""
Uploads without HTTP: what somebody sends to a port is kept, and its hash is logged.

Run it with ``twistd -ny no_http.py`` and send it something: ``nc -N 127.0.0.1 8080 <
file``.  PORT and UPLOADS say where it listens and stores.
"""

import os
from hashlib import sha256
from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.errors import UploadNotFound
from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.receive.receiver import Receiver
from tustwisted.service import UploadsService
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.uploads import Uploads

log = Logger("intake")

PIECE_BYTES = 128 * 1024
"""What is hashed at once, which takes well below a millisecond."""


@implementer(IHalfCloseableProtocol)
class Intake(Protocol):
    """A connection whose bytes become one upload."""

    transport: Any  # of TCP

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._receiver: Receiver | None = None

    def connectionMade(self) -> None:
        """Read nothing before there is something that takes it."""
        self.transport.pauseProducing()
        taken = Deferred.fromCoroutine(self._take())
        taken.addErrback(self._failed)  # type: ignore[unused-awaitable]

    async def _take(self) -> None:
        # Nobody says how long it will be, so the length is told at the end.
        upload = await self._uploads.create(
            None, Metadata.from_pairs({"from": str(self.transport.getPeer()).encode()})
        )
        receiver = await self._uploads.receive(
            upload.upload_id, Chunk(), self._read_into
        )
        upload = await receiver.outcome()
        whole = Chunk(upload.offset, body_length=0, upload_length=upload.offset)
        receiver = await self._uploads.receive(
            upload.upload_id, whole, Receiver.body_ended
        )
        await receiver.outcome()
        self.transport.write(upload.upload_id.encode() + b"\n")
        self.transport.loseConnection()

    def _read_into(self, receiver: Receiver) -> None:
        self._receiver = receiver
        receiver.registerProducer(self.transport, True)  # it holds the sender back
        self.transport.resumeProducing()

    def _failed(self, failure: Failure) -> None:
        # What came is kept until it expires; nobody knows how to go on with it.
        log.warn("a connection was not taken: {problem}", problem=failure.value)
        self.transport.loseConnection()

    # -- what the transport tells ------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Take some bytes."""
        assert self._receiver is not None  # until then nothing is read
        self._receiver.write(data)

    def readConnectionLost(self) -> None:
        """Take note that this was all."""
        if self._receiver is not None:
            self._receiver.unregisterProducer()
            self._receiver.body_ended()

    def writeConnectionLost(self) -> None:
        """The sender reads no answer; that is his affair."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note that the connection broke, unless all had come before."""
        if self._receiver is not None:
            self._receiver.unregisterProducer()
            self._receiver.body_lost(reason)


class IntakeFactory(Factory):
    """Makes a protocol for each connection."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def buildProtocol(self, addr: object) -> Intake:
        """Take a connection."""
        return Intake(self._uploads)


async def hash_of(uploads: Uploads, upload_id: str) -> str:
    """Read a finished upload from its start to its end, and hash it."""
    reading = await uploads.open(upload_id)
    try:
        digest, offset = sha256(), 0
        while piece := await reading.read(offset, PIECE_BYTES):
            digest.update(piece)
            offset += len(piece)
    finally:
        reading.close()
    return digest.hexdigest()


async def finished(event: Event) -> None:
    """Log the hash of an upload that is there as a whole."""
    upload_id = event.upload.upload_id
    try:
        found = await hash_of(service.uploads, upload_id)
    except UploadNotFound:
        return  # it was removed before this was told
    log.info("{found}  {upload_id}", found=found, upload_id=upload_id)


service = UploadsService.in_directory(
    reactor,
    os.environ.get("UPLOADS", "uploads"),
    hooks=[FunctionHook("hashes", {EventType.POST_FINISH: finished})],
    expire_after_s=3600.0,
)
application = Application("intake")
service.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, IntakeFactory(service.uploads)).setServiceParent(
    application
)
