"""
A tus server and its clients in memory: raw bytes in, raw bytes out, parsed strictly.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from tests.web.harness import Peer, Wire
from tustwisted.hooks.functions import FunctionHook
from tustwisted.hooks.interfaces import IOutbox
from tustwisted.interfaces import IDataStore, IDisk, IHook
from tustwisted.lock.memory import MemoryLocker
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.limits import LOCK_TIMEOUT_S
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.drain import DrainingSite
from tustwisted.web.resource import TusResource, below
from tustwisted.web.settings import WebSettings
from tustwisted.web.wants import Wants, everything

_T = TypeVar("_T")

BASE = b"/files/"
HOST = b"files.example"
EXTENSIONS = (
    b"creation,creation-with-upload,creation-defer-length,termination,"
    b"checksum,checksum-trailer,concatenation"
)
"""What is offered when nothing is switched off or set up."""

UPLOAD_METHODS = b"HEAD, GET, PATCH, DELETE, OPTIONS"
"""What an upload's URL takes then."""

UPLOAD_BYTES = b"Content-Type: application/offset+octet-stream"
CHUNKED = b"Transfer-Encoding: chunked"
EXPECT = b"Expect: 100-continue"

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\x20-\x7e]+")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x20-\x7e]*)")


def message(
    method: bytes,
    path: bytes,
    *lines: bytes,
    body: bytes | None = None,
    chunks: Sequence[bytes] | None = None,
    tus: bytes | None = b"1.0.0",
    host: bytes | None = HOST,
    http: bytes = b"HTTP/1.1",
) -> bytes:
    """
    Write a request.

    :param body: sent with its Content-Length.
    :param chunks: sent in chunks instead, with the last-chunk marker.
    :param tus: ``Tus-Resumable``; ``None`` leaves it out.
    """
    head = [b"%s %s %s" % (method, path, http)]
    head += [] if host is None else [b"Host: " + host]
    head += [] if tus is None else [b"Tus-Resumable: " + tus]
    head += lines
    sent = body or b""
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    if chunks is not None:
        head.append(CHUNKED)
        sent = in_chunks(*chunks, b"")
    return b"\r\n".join([*head, b"", sent])


def in_chunks(*pieces: bytes) -> bytes:
    """Code pieces as chunks; an empty one is the last-chunk marker."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def patch(path: bytes, offset: int, *lines: bytes, **sent: Any) -> bytes:
    """Write a PATCH with the headers that it needs."""
    needed = (UPLOAD_BYTES, b"Upload-Offset: %d" % offset)
    return message(b"PATCH", path, *needed, *lines, **sent)


@frozen
class Response:
    """One response, as it stood on the wire."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def __getitem__(self, name: bytes) -> bytes | None:
        """The value of a header that is there once at the most."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name!r} is there {len(values)} times"
        return values[0] if values else None

    @property
    def code(self) -> str:
        """The error code of its body; empty when it has none."""
        return self.body.partition(b":")[0].decode("ascii")

    @property
    def facts(self) -> list[tuple[bytes, bytes]]:
        """The headers, sorted, but for the time of day."""
        return sorted(field for field in self.fields if field[0] != b"Date")

    @property
    def is_from_parser(self) -> bool:
        """Twisted's parser wrote it, before there was a request."""
        return self.status == 400 and not self.fields


def parse(wire: bytes, methods: Sequence[bytes], closed: bool) -> list[Response]:
    """
    Read responses; every byte must belong to one.

    :param methods: those of the requests, in order.
    :param closed: the connection ended after the last byte.
    """
    responses: list[Response] = []
    asked = list(methods)
    while wire:
        head, end, wire = wire.partition(b"\r\n\r\n")
        assert end, f"no end of the headers: {head!r}"
        status_line, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(status_line)
        assert status is not None, status_line
        fields = [_FIELD.fullmatch(line) for line in lines]
        assert all(fields), lines
        found = tuple((f[1], f[2]) for f in fields if f)
        response = Response(int(status[1]), found, b"")
        method = b"" if response.status < 200 else asked.pop(0) if asked else b""
        size = _body_size(response, method, len(wire), closed)
        assert len(wire) >= size, f"{size} bytes announced, {wire!r} there"
        responses.append(Response(response.status, found, wire[:size]))
        wire = wire[size:]
    return responses


def _body_size(response: Response, method: bytes, rest: int, closed: bool) -> int:
    length = response[b"Content-Length"]
    assert response[b"Transfer-Encoding"] is None, "no answer of ours is that long"
    if response.status < 200 or response.status in (204, 304):
        assert length is None, "RFC 9110, section 8.6"
        return 0
    if method == b"HEAD" or response.is_from_parser:
        return 0
    if length is None:
        assert closed, "nothing says where the body ends"
        return rest
    return int(length)


class SecureWire(Wire):
    """A transport that says it is encrypted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        alsoProvides(self, ISSLTransport)

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


class Client(Peer):
    """
    A client on a connection of its own.

    What every response must carry is looked at whenever they are read.
    """

    def __init__(self, server: Server, wire: Wire) -> None:
        super().__init__(server.site, wire)
        self._server = server
        self._methods: list[bytes] = []

    def ask(self, *messages: bytes) -> Response:
        """Send requests one by one, and return the last response."""
        for sent in messages:
            self.begin(sent)
        return self.responses()[-1]

    def begin(self, *pieces: bytes) -> None:
        """Send a request, or its begin, in pieces."""
        self.expect(b"".join(pieces).partition(b" ")[0])
        self.send(*pieces)

    def expect(self, *methods: bytes) -> None:
        """Take note of what was, or will be, asked with :meth:`send`."""
        self._methods += methods

    def responses(self) -> list[Response]:
        """All responses so far, 100 among them."""
        found = parse(self.wire.value(), self._methods, self.wire.disconnecting)
        for response in found:
            if response.status >= 200 and not response.is_from_parser:
                assert response[b"Tus-Resumable"] == b"1.0.0", response
                assert response[b"X-Content-Type-Options"] == b"nosniff", response
        return found

    @property
    def closed(self) -> bool:
        """The server has closed the connection, or its half of it."""
        self._server.clock.advance(0)
        return bool(self.wire.disconnecting or self.wire.half_closed)


class Server:
    """
    The uploads of a store in memory, on a site like the daemon's.

    :ivar told: the finish events, in order.
    :ivar on_finish: what else is done in the finish step.
    """

    def __init__(
        self,
        *,
        store: IDataStore | None = None,
        disk: IDisk | None = None,
        max_size_bytes: int | None = None,
        settings: WebSettings = WebSettings(),  # noqa: B008
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        random_bytes: Callable[[int], bytes] = os.urandom,
        switched_off: Collection[Extension] = (),
        wants: Wants = everything,
        expiration: Expiration = Expiration(),  # noqa: B008
        hooks: Sequence[IHook] = (),
        observer: IObserver = UNOBSERVED,
        outbox: IOutbox | None = None,
    ) -> None:
        self.clock = Clock()
        self.store: Any = store
        if store is None:
            self.store = MemoryStore(seconds=self.clock.seconds)
        self.locker = MemoryLocker(self.clock)
        self.told: list[Event] = []
        self.on_finish: Callable[[], Deferred[None] | None] = lambda: None
        self.uploads = Uploads(
            self.store,
            self.locker,
            ImmediateDisk() if disk is None else disk,
            self.clock,
            max_size_bytes,
            lock_timeout_s,
            hooks=[
                FunctionHook("harness", {EventType.PRE_FINISH: self._finish}),
                *hooks,
            ],
            random_bytes=random_bytes,
            now_s=self.clock.seconds,
            switched_off=switched_off,
            expiration=expiration,
            observer=observer,
            outbox=outbox,
        )
        started = Deferred.fromCoroutine(self.uploads.start())
        assert started.called, "nothing in memory takes time to start"
        resource = TusResource(self.uploads, settings)
        self.site: Any = DrainingSite(
            below(BASE.decode(), resource, settings.cors, resource.watch),
            wants=wants,
            reactor=self.clock,
        )

    async def _finish(self, event: Event) -> None:
        self.told.append(event)
        waits = self.on_finish()
        if waits is not None:
            await waits

    def connect(self, address: IAddress | None = None, tls: bool = False) -> Client:
        """
        Open a connection.

        :param address: of the server's end.
        """
        return Client(self, (SecureWire if tls else Wire)(hostAddress=address))

    def ask(self, *messages: bytes) -> Response:
        """Send requests on a connection of their own; return the last response."""
        return self.connect().ask(*messages)

    def create(self, length: int, *lines: bytes) -> bytes:
        """Create an upload, giving its path."""
        created = self.ask(
            message(b"POST", BASE, b"Upload-Length: %d" % length, *lines)
        )
        assert created.status == 201, created
        location = created[b"Location"]
        assert location is not None
        return location.removeprefix(b"http://" + HOST)

    def head(self, path: bytes) -> Response:
        """Ask how far an upload is."""
        return self.ask(message(b"HEAD", path))

    def offset(self, path: bytes) -> int:
        """The offset that HEAD tells."""
        return int(self.head(path)[b"Upload-Offset"] or b"-1")

    def content(self, path: bytes) -> bytes:
        """The stored bytes."""
        content: bytes = self.store.content(path.removeprefix(BASE).decode())
        return content

    @property
    def ids(self) -> list[str]:
        """All uploads that there are."""
        return list(self.store._uploads)


class TusCase(SynchronousTestCase):
    """Has a server, and says what an error looks like."""

    def setUp(self) -> None:
        self.server = Server()

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Do some work that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def assert_refused(self, response: Response, status: int, code: str) -> None:
        """It is an error of this status, with a line of text that begins so (T-265)."""
        self.assertEqual((response.status, response.code), (status, code))
        self.assertRegex(response.body, rb"\AERR_[A-Z_]+: [\x20-\x7e]+\n\Z")
        self.assertEqual(response[b"Content-Type"], b"text/plain; charset=utf-8")

    def assert_stored(self, path: bytes, content: bytes) -> None:
        """These bytes are stored, and the offset says so."""
        self.assertEqual(self.server.content(path), content)
        self.assertEqual(self.server.offset(path), len(content))
