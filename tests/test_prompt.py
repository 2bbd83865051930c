"""Connections that send what is written at once, on real sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tustwisted.prompt import PromptReactor
from tustwisted.web.connection import FEW_BYTES, PLAIN_TCP


class Told(Protocol):
    """Tells of its connection's begin and end."""

    def __init__(self) -> None:
        self.made = Deferred[Any]()
        self.lost = Deferred[None]()

    def connectionMade(self) -> None:
        self.made.callback(self.transport)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class PromptTests(TestCase):
    """A server with one connection, and its client in this process."""

    timeout = 30

    async def connect(self) -> Any:
        """Make the connection; returns the server's end."""
        self.protocol = Told()
        factory = Factory.forProtocol(lambda: self.protocol)
        port: Any = PromptReactor(reactor).listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        self.client = socket.create_connection(("127.0.0.1", port.getHost().port), 20)
        self.addCleanup(self.client.close)
        transport = await self.protocol.made
        self.addCleanup(transport.abortConnection)
        return transport

    async def end(self) -> None:
        """Wait for the end of the connection."""
        await self.protocol.lost

    def read(self, size: int) -> bytes:
        """Read so many bytes, or up to the end."""
        with self.client.makefile("rb") as file:
            return file.read(size)

    async def test_at_once(self) -> None:
        """It is sent before the reactor has its turn."""
        transport = await self.connect()
        transport.writeSequence([b"a", b"b"])
        self.client.setblocking(False)
        self.assertEqual(self.client.recv(10), b"ab")

    async def test_few_bytes(self) -> None:
        """So are a few bytes, but not many, which may be one of many pieces."""
        transport = await self.connect()
        transport.write(b"a" * FEW_BYTES)
        transport.write(b"b" * (FEW_BYTES + 1))
        self.client.setblocking(False)
        self.assertEqual(self.client.recv(2 * FEW_BYTES), b"a" * FEW_BYTES)

    async def test_plain(self) -> None:
        """Bytes may be taken out of its socket, and put into it, by others."""
        transport = await self.connect()
        self.assertIn(type(transport), PLAIN_TCP)

    async def test_addresses(self) -> None:
        """It tells both of its ends, and makes no new object when asked again."""
        transport = await self.connect()
        here, peer = transport.getHost(), transport.getPeer()
        self.assertEqual((here.host, here.port), self.client.getpeername())
        self.assertEqual((peer.host, peer.port), self.client.getsockname())
        self.assertIs(transport.getHost(), here)
        self.assertIs(transport.getPeer(), peer)

    async def test_order(self) -> None:
        """What is written while something waits queues up behind it."""
        transport = await self.connect()
        large = b"a" * 8_000_000
        transport.writeSequence([large])
        transport.writeSequence([b"b"])
        transport.write(b"c")
        read = await deferToThread(self.read, len(large) + 2)
        self.assertEqual(read[len(large) - 1 :], b"abc")

    async def test_prompt_again(self) -> None:
        """When all that waited is sent, the next bytes go out at once again."""
        transport = await self.connect()
        transport.write(b"a")
        self.assertEqual(await deferToThread(self.read, 1), b"a")
        transport.writeSequence([b"b"])
        self.client.setblocking(False)
        self.assertEqual(self.client.recv(10), b"b")

    async def test_last_words(self) -> None:
        """What was sent before the connection is closed comes, and then the end."""
        transport = await self.connect()
        transport.writeSequence([b"a"])
        transport.loseConnection()
        transport.writeSequence([b"b"])
        self.assertEqual(await deferToThread(self.read, 10), b"ab")
        await self.end()

    async def test_aborted(self) -> None:
        """Nothing is sent on a connection that was dropped in this turn."""
        transport = await self.connect()
        transport.abortConnection()
        transport.writeSequence([b"a"])
        with self.assertRaises(ConnectionResetError):
            await deferToThread(self.read, 10)
        await self.end()
        transport.writeSequence([b"a"])

    async def test_client_is_gone(self) -> None:
        """An error is told as Twisted tells it: by the end, in a later turn."""
        transport = await self.connect()
        transport.stopReading()
        transport.writeSequence([b"a"])
        self.client.close()  # with a byte unread, which is a reset
        transport.writeSequence([b"b"])
        transport.writeSequence([b"c"])
        await self.end()

    async def test_adopted(self) -> None:
        """A connection that another port has accepted is such a one, too."""
        protocol = Told()
        adopting: Any = PromptReactor(reactor)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            self.addCleanup(client.close)
            accepted, _ = listening.accept()
        with accepted:
            accepted.setblocking(False)
            adopting.adoptStreamConnection(
                accepted.fileno(), socket.AF_INET, Factory.forProtocol(lambda: protocol)
            )
        transport = await protocol.made
        transport.writeSequence([b"a"])
        client.setblocking(False)
        self.assertEqual(client.recv(10), b"a")
        transport.abortConnection()
        await protocol.lost
