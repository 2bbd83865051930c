"""Downloads over real sockets, with real files and threads."""

from __future__ import annotations

import os
import socket
import ssl
from functools import partial
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import KeyPair

from tests.web.sockets import LIMIT_S, SocketCase
from tustwisted.disk import Disk
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.metadata import Metadata
from tustwisted.service import UploadsService
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource
from tustwisted.web.transfer import MOST_BYTES, PIECE_BYTES, UNSENT_BYTES

reactor: Any = _reactor

READERS = 200
SIZE = 16 * 1024 * 1024
HEADERS_BYTES = 1000


class CountingFiles(OsFiles):
    """
    Files that count what is read.

    :ivar read_bytes: of each file that is open for reading, by descriptor.
    """

    def __init__(self) -> None:
        self.read_bytes: dict[int, int] = {}
        self._all_closed: Deferred[None] | None = None

    def open_to_read(self, path: str) -> int:
        """Open, and count from now on."""
        fd = super().open_to_read(path)
        self.read_bytes[fd] = 0
        return fd

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read and count."""
        piece = super().pread(fd, size, offset)
        self.read_bytes[fd] += len(piece)
        return piece

    def close(self, fd: int) -> None:
        """Close; in a thread."""
        self.read_bytes.pop(fd, None)
        super().close(fd)
        reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        if not self.read_bytes and self._all_closed is not None:
            all_closed, self._all_closed = self._all_closed, None
            all_closed.callback(None)

    def all_closed(self) -> Deferred[None]:
        """Wait until nothing is open for reading; once only."""
        if not self.read_bytes:
            return succeed(None)
        self._all_closed = Deferred()
        return self._all_closed.addTimeout(LIMIT_S, reactor)


def ask(port: int, path: str) -> socket.socket:
    """Ask for an upload, and read the first bytes of the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(LIMIT_S)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert client.recv(15) == b"HTTP/1.1 200 OK"
    return client


class SlowReadersTests(SocketCase):
    """Many clients that begin to read, and then read no more."""

    def setUp(self) -> None:
        """Serve an empty directory."""
        self.files = CountingFiles()
        disk = Disk(reactor)
        self.directory = self.mktemp()
        store = FileStore(self.directory, disk, files=self.files)
        self.uploads = Uploads(store, MemoryLocker(reactor), disk, reactor)
        service = UploadsService(self.uploads, disk)
        service.startService()
        self.addCleanup(service.stopService)
        self.resource = TusResource(self.uploads)
        self.port = self.serve(self.resource)

    async def put(self) -> str:
        """Finish an upload that is one large hole; return its path."""
        upload = await self.uploads.create(SIZE, Metadata())
        os.truncate(os.path.join(self.directory, upload.upload_id), SIZE)
        await self.uploads.finish(upload.upload_id)
        return f"/{upload.upload_id}"

    def slow(self) -> list[int]:
        """How much was read for each of those who have not got all of it, sorted."""
        read = list(self.files.read_bytes.values())
        return sorted(number for number in read if number < SIZE)

    async def test_one_piece_each(self) -> None:
        """
        Of 200 clients each costs one piece in memory, and what the kernel may hold;
        another one takes everything meanwhile, and nothing stays open (T-221, T-237).
        """
        path = await self.put()
        clients = await self.in_thread(
            lambda: [ask(self.port, path) for _ in range(READERS)]
        )
        for client in clients:
            self.addCleanup(client.close)
        taken = await self.in_thread(lambda: self.take_all(path))
        self.assertEqual(taken, SIZE)

        slow = self.slow()
        self.assertEqual(len(slow), READERS)
        self.assertGreaterEqual(slow[0], PIECE_BYTES)
        self.assertLess(slow[-1], UNSENT_BYTES + 3 * PIECE_BYTES)
        held = [self.held(transport) for transport in reactor.getWriters()]
        self.assertGreaterEqual(len(held), READERS // 2)  # others fitted so far
        self.assertLessEqual(max(held), PIECE_BYTES + HEADERS_BYTES)

        for client in clients:
            client.close()
        await self.files.all_closed()

    async def test_a_slow_reader_gets_it_all(self) -> None:
        """One that stopped and goes on gets all bytes (T-205)."""
        path = await self.put()
        clients = await self.in_thread(lambda: [ask(self.port, path) for _ in "ab"])
        for client in clients:
            taken = await self.in_thread(partial(self.rest_of, client))
            self.assertEqual(taken, SIZE)
        await self.files.all_closed()

    async def test_tls(self) -> None:
        """Over TLS no more is read ahead, and all arrives (T-205)."""
        path = await self.put()
        key = KeyPair.generate(size=2048)
        port = self.serve(self.resource, key.selfSignedCert(1, CN="test").options())
        client = await self.in_thread(lambda: self.ask_tls(port, path))
        (slow,) = self.slow()
        self.assertLess(slow, UNSENT_BYTES + 3 * PIECE_BYTES)
        taken = await self.in_thread(lambda: self.rest_of(client))
        self.assertEqual(taken, SIZE)
        await self.files.all_closed()

    def ask_tls(self, port: int, path: str) -> socket.socket:
        """Ask for an upload over TLS, and read nothing; in a thread."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        client = context.wrap_socket(plain)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        self.assertEqual(client.recv(12), b"HTTP/1.1 200")
        # By then nothing more comes: another client gets all in the meantime.
        self.assertEqual(self.take_all(path), SIZE)
        return client

    def take_all(self, path: str) -> int:
        """Download everything, as fast as it comes; in a thread."""
        return self.rest_of(ask(self.port, path))

    def rest_of(self, client: socket.socket) -> int:
        """Read the rest of an answer; return how many bytes of the upload came."""
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1)
            taken = 0
            while taken < SIZE:
                piece = client.recv(MOST_BYTES)
                assert piece.strip(b"\0") == b"", "these are no bytes of the hole"
                taken += len(piece) or SIZE
            return taken

    @staticmethod
    def held(transport: Any) -> int:
        """What a connection holds that the kernel would not take."""
        held: int = len(transport.dataBuffer) + transport._tempDataLen
        return held
