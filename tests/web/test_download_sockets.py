"""Downloads over real sockets, with real files and threads."""

from __future__ import annotations

import socket
import ssl
from functools import partial

from twisted.internet.ssl import KeyPair

from tests.web.downloads import (
    DownloadCase,
    PiecesStore,
    ask,
    connections,
    held_by_kernel,
    held_here,
)
from tests.web.sockets import LIMIT_S
from tustwisted.web.transfer import MOST_BYTES, PIECE_BYTES, UNSENT_BYTES

READERS = 200
SIZE = 16 * 1024 * 1024
HEADERS_BYTES = 1000


class SlowReadersTests(DownloadCase):
    """Many clients that begin to read, and then read no more; the kernel sends."""

    most_here = 0
    """What is here of an answer whose client reads no more, bytes."""

    async def test_little_of_each(self) -> None:
        """
        Of 200 clients each costs little here, and what the kernel may hold; another
        one takes everything meanwhile, and nothing stays open (T-221, T-237).
        """
        path = await self.put(SIZE)
        clients = await self.in_thread(
            lambda: [ask(self.port, path) for _ in range(READERS)]
        )
        for client in clients:
            self.addCleanup(client.close)
        taken = await self.in_thread(lambda: self.take_all(path))
        self.assertEqual(taken, SIZE)

        slow = [c for c in connections() if held_by_kernel(c)]
        self.assertEqual(len(slow), READERS)
        self.assertLessEqual(max(map(held_here, slow)), self.most_here)
        self.assertLess(max(map(held_by_kernel, slow)), UNSENT_BYTES + 3 * PIECE_BYTES)
        self.assert_read_little()

        for client in clients:
            client.close()
        await self.files.all_closed()

    def assert_read_little(self) -> None:
        """Nothing at all was read."""
        self.assertEqual(set(self.files.read_bytes.values()), {0})

    async def test_a_slow_reader_gets_it_all(self) -> None:
        """One that stopped and goes on gets all bytes (T-205)."""
        path = await self.put(SIZE)
        clients = await self.in_thread(lambda: [ask(self.port, path) for _ in "ab"])
        for client in clients:
            taken = await self.in_thread(partial(self.rest_of, client))
            self.assertEqual(taken, SIZE)
        await self.files.all_closed()

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


class PiecesTests(SlowReadersTests):
    """The same piece by piece."""

    store_type = PiecesStore
    most_here = PIECE_BYTES + HEADERS_BYTES

    def slow(self) -> list[int]:
        """How much was read for each of those who have not got all of it, sorted."""
        read = list(self.files.read_bytes.values())
        return sorted(number for number in read if number < SIZE)

    def assert_read_little(self) -> None:
        """For each was read what is here, and what the kernel holds."""
        slow = self.slow()
        self.assertEqual(len(slow), READERS)
        self.assertGreaterEqual(slow[0], PIECE_BYTES)
        self.assertLess(slow[-1], UNSENT_BYTES + 3 * PIECE_BYTES)
        held = [held_here(connection) for connection in connections()]
        self.assertGreaterEqual(len([h for h in held if h]), READERS // 2)

    async def test_tls(self) -> None:
        """Over TLS no more is read ahead, and all arrives (T-205)."""
        path = await self.put(SIZE)
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
