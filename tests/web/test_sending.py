"""Downloads that the kernel brings from the file to a plain connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.tcp import Server
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tests.web.downloads import DownloadCase, ask, connections
from tests.web.sockets import LIMIT_S, CountingSite
from tustwisted.protocol.ranges import ByteRange
from tustwisted.store.openfile import CannotSend
from tustwisted.uploads.reading import Reading
from tustwisted.web.sending import Sending, can_be_sent
from tustwisted.web.transfer import PIECE_BYTES, STALL_S
from tustwisted.web.wants import everything

reactor: Any = _reactor

CONTENT = bytes(range(251)) * 8000
"""About 2 MiB: two turns of the reactor, or more."""

SIZE = 16 * 1024 * 1024
"""More than the kernel holds of one answer."""


def get(path: str, *lines: str, http: str = "HTTP/1.1") -> bytes:
    """Write a request."""
    return "\r\n".join([f"GET {path} {http}", "Host: h", *lines, "", ""]).encode()


def until_end(client: socket.socket) -> bytes:
    """Read until the server closes, or cuts, the connection; in a thread."""
    received = b""
    try:
        while piece := client.recv(2**20):
            received += piece
    except ConnectionResetError:
        pass
    return received


class Timed(Resource):
    """
    Sends one upload by a clock of its own.

    :ivar begun: fires when it is asked for it.
    """

    isLeaf = True

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.clock = Clock()
        self.begun: Deferred[Sending] = Deferred()
        self._reading = reading

    def render_GET(self, request: Any) -> int:
        """Send it, or cut the connection."""
        stalled = request.transport.abortConnection
        part = ByteRange(0, SIZE)
        sending = Sending(request, self._reading, part, self.clock, stalled)
        sent = Deferred.fromCoroutine(sending.run())
        ended = request.notifyFinish().addErrback(lambda _: sent.cancel())
        ended.addCallback(lambda _: self._reading.close())
        sent.addCallback(  # type: ignore[unused-awaitable]
            lambda _: request.finish()
        )
        sent.addErrback(  # type: ignore[unused-awaitable]
            lambda failure: failure.trap(CancelledError)
        )
        self.begun.callback(sending)
        return NOT_DONE_YET


class UnableReading(Reading):
    """An upload on a file system that does not send."""

    def send(self, offset: int, size_bytes: int, socket: int) -> int:
        """Send nothing."""
        raise CannotSend


class NotingSite(CountingSite):
    """
    A site with an access log.

    :ivar sent_bytes: how much was sent for each request.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sent_bytes: list[int] = []

    def log(self, request: Any) -> None:
        """Log a request."""
        self.sent_bytes.append(request.sentLength)


class SendingCase(DownloadCase):
    """Talks to the server over plain TCP."""

    def connect(self) -> socket.socket:
        """Make a connection, which ends with the test."""
        client = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
        self.addCleanup(client.close)
        return client

    def exchange(self, sent: bytes) -> Deferred[bytes]:
        """Send something, and read until the server closes the connection."""
        client = self.connect()
        client.sendall(sent)
        return self.in_thread(lambda: until_end(client))

    async def slow(self, path: str) -> socket.socket:
        """Ask for a large upload, and read only how its answer begins."""
        client = await self.in_thread(lambda: ask(self.port, path))
        self.addCleanup(client.close)
        return client

    async def become(self, is_so: Callable[[], bool]) -> None:
        """Let the reactor turn until something has come about."""
        while not is_so():
            await deferLater(reactor, 0)


class WholeTests(SendingCase):
    """What arrives."""

    async def test_all_arrives(self) -> None:
        """Nothing is read here, and all of it arrives (T-205)."""
        path = await self.put(CONTENT)
        answer = await self.exchange(get(path, "Connection: close"))
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"\r\nContent-Length: %d\r\n" % len(CONTENT), head)
        self.assertTrue(body == CONTENT)
        await self.files.all_closed()

    async def test_fetched(self) -> None:
        """What is not in memory comes from the disk, and is as right."""
        path = await self.put(CONTENT)
        with open(self.file_of(path), "rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        answer = await self.exchange(get(path, "Connection: close"))
        self.assertTrue(answer.endswith(b"\r\n\r\n" + CONTENT))

    async def test_pipelined(self) -> None:
        """On one connection answers follow each other, each whole (T-205, T-217)."""
        path = await self.put(CONTENT)
        half = "Range: bytes=-1000000"
        last = get(path, "Range: bytes=0-9", "Connection: close")
        answers = await self.exchange(get(path) + get(path, half) + get(path) + last)
        for expected in (CONTENT, CONTENT[-1_000_000:], CONTENT, CONTENT[:10]):
            _, _, answers = answers.partition(b"\r\n\r\n")
            self.assertTrue(answers.startswith(expected))
            answers = answers[len(expected) :]
        self.assertEqual(answers, b"")

    async def test_sizes(self) -> None:
        """No byte is lost where a range just fills a piece, or a turn (T-217)."""
        path = await self.put(CONTENT)
        for size in (1, PIECE_BYTES, PIECE_BYTES + 1, 1024 * 1024, 1024 * 1024 + 1):
            part = f"Range: bytes=7-{size + 6}"
            answer = await self.exchange(get(path, part, "Connection: close"))
            self.assertTrue(answer.endswith(b"\r\n\r\n" + CONTENT[7 : size + 7]))

    async def test_old_client(self) -> None:
        """A client of HTTP/1.0 gets it, and the end of the connection."""
        path = await self.put(CONTENT)
        answer = await self.exchange(get(path, http="HTTP/1.0"))
        self.assertTrue(answer.endswith(b"\r\n\r\n" + CONTENT))

    async def test_counted(self) -> None:
        """The access log tells how much was sent."""
        path = await self.put(CONTENT)
        site = NotingSite(self.resource, reactor=reactor, wants=everything)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        await self.exchange(get(path, "Connection: close"))
        self.assertEqual(site.sent_bytes, [len(CONTENT)])
        await site.gone[0]

    async def test_unix_socket(self) -> None:
        """A proxy before it that comes over a UNIX socket gets it as well."""
        path, name = await self.put(CONTENT), self.mktemp()
        site = CountingSite(self.resource, reactor=reactor, wants=everything)
        port = reactor.listenUNIX(name, site)
        self.addCleanup(port.stopListening)
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(LIMIT_S)
        client.connect(name)
        client.sendall(get(path, "Connection: close"))
        answer = await self.in_thread(lambda: until_end(client))
        self.assertTrue(answer.endswith(b"\r\n\r\n" + CONTENT))
        await site.gone[0]

    async def test_system_that_cannot(self) -> None:
        """Where the kernel does not send a file, it is read instead."""
        path = await self.put(SIZE)
        reading = await self.uploads.open(path[1:])
        self.addCleanup(reading.close)
        unable = UnableReading(reading._reader, reading._disk)
        self.port = self.serve(Timed(unable))
        answer = await self.exchange(get(path, "Connection: close"))
        self.assertEqual(answer.count(b"\0"), SIZE)

    async def test_others_write(self) -> None:
        """What somebody writes meanwhile is neither lost nor among the bytes."""
        size = 2**20
        client = await self.slow(await self.put(size))
        (connection,) = connections()
        connection.write(b"later")
        rest = client.makefile("rb")
        await self.in_thread(rest.readline)
        while await self.in_thread(rest.readline) != b"\r\n":
            pass
        received = await self.in_thread(partial(rest.read, size + 5))
        self.assertTrue(received == bytes(size) + b"later")


class EndTests(SendingCase):
    """The ends of a download that are no good ones."""

    async def test_client_leaves(self) -> None:
        """The file is closed, whatever it was that the client did (T-221)."""
        path = await self.put(SIZE)
        for way in (socket.SHUT_RDWR, None):
            client = await self.slow(path)
            if way is None:
                client.close()  # with bytes unread: a reset
            else:
                client.shutdown(way)
            await self.files.all_closed()
            client.close()

    async def test_cut_off(self) -> None:
        """A file that somebody cuts off ends the connection, and not well."""
        path = await self.put(SIZE)
        client = await self.slow(path)
        os.truncate(self.file_of(path), 2**20)
        answer = await self.in_thread(lambda: until_end(client))
        self.assertLess(len(answer), 2**20 + 1000)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        await self.files.all_closed()

    async def test_silent_client(self) -> None:
        """A client that takes nothing for minutes is cut, and no sooner (D12)."""
        path = await self.put(SIZE)
        timed = Timed(await self.uploads.open(path[1:]))
        self.port = self.serve(timed)
        client = await self.slow(path)
        sending = await timed.begun
        timed.clock.advance(STALL_S - 1)
        sent = sending.offset
        await self.in_thread(partial(client.makefile("rb").read, 2**19))
        await self.become(lambda: sending.offset > sent)
        timed.clock.advance(STALL_S - 1)
        self.assertEqual(len(connections()), 1)
        timed.clock.pump([1, 1, 0])
        await self.become(lambda: not connections())
        await self.files.all_closed()
        self.assertEqual(timed.clock.getDelayedCalls(), [])

    async def test_closed_here(self) -> None:
        """A connection that is to be closed in mid-download is closed."""
        client = await self.slow(await self.put(SIZE))
        (connection,) = connections()
        connection.loseConnection()
        answer = await self.in_thread(lambda: until_end(client))
        self.assertLess(len(answer), SIZE)
        await self.files.all_closed()

    async def test_uploads_stop(self) -> None:
        """When the uploads have stopped, who still reads is cut (T-241)."""
        client = await self.slow(await self.put(SIZE))
        for reading in list(self.uploads._readings._open):
            reading.close()
        answer = await self.in_thread(lambda: until_end(client))
        self.assertLess(len(answer), SIZE)
        await self.files.all_closed()


class OtherServer(Server):
    """A connection that may alter what is written to it."""


class ChoiceTests(SendingCase):
    """Which downloads are sent so."""

    async def test_plain_connections_alone(self) -> None:
        """Not over what only pretends to be one, or has begun to speak TLS."""
        upload = await self.put(SIZE)
        reading = await self.uploads.open(upload[1:])
        self.addCleanup(reading.close)
        plain, other = (kind.__new__(kind) for kind in (Server, OtherServer))
        wrapped = ProtocolWrapper(cast(Any, None), cast(Any, None))
        wrapped.transport = plain
        begun = Server.__new__(Server)
        begun.TLS = True
        self.assertTrue(can_be_sent(SimpleNamespace(transport=plain), reading))
        for transport in (other, wrapped, begun, None):
            request = SimpleNamespace(transport=transport)
            self.assertFalse(can_be_sent(request, reading))
