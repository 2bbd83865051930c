"""Several acceptors on one socket."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReadDescriptor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tustwisted.workers.balance import SLACK, Balance, shared_memory
from tustwisted.workers.sharing import COURTESY_S, PAUSE_S, SharedPort


class Reactor(Clock):
    """Knows who reads, and adopts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[object] = []
        self.adopted = 0
        self.problem: Exception | None = None

    def addReader(self, reader: object) -> None:
        """Add one."""
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        """Remove one."""
        if reader in self.readers:
            self.readers.remove(reader)

    def adoptStreamConnection(self, fd: int, family: int, factory: object) -> None:
        """Count it."""
        if self.problem is not None:
            raise self.problem
        self.adopted += 1


class SharedPortTests(SynchronousTestCase):
    """A port whose reactor the test turns."""

    def setUp(self) -> None:
        """Listen."""
        self.reactor = Reactor()
        self.too_many = False
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.port = SharedPort(
            self.reactor, self.listening, Factory(), lambda: self.too_many
        )
        self.port.startListening()
        self.addCleanup(self.port.stopListening)

    def connect(self, count: int = 1) -> None:
        """Connect, without being accepted."""
        for _ in range(count):
            client = socket.create_connection(self.address, 5)
            self.addCleanup(client.close)

    def test_interfaces(self) -> None:
        """It is what it says."""
        self.assertTrue(verifyObject(IListeningPort, self.port))
        self.assertTrue(verifyObject(IReadDescriptor, self.port))

    def test_one_at_a_time(self) -> None:
        """Between two connections other processes have their chance."""
        self.connect(3)
        for count in (1, 2, 3, 3):
            self.port.doRead()
            self.assertEqual(self.reactor.adopted, count)
        self.assertEqual(self.reactor.readers, [self.port])

    def test_lets_others_first(self) -> None:
        """Who has too many waits a moment, then takes one, then waits again."""
        self.connect(2)
        self.too_many = True
        for count in (1, 2):
            self.port.doRead()
            self.assertEqual(self.reactor.readers, [])
            self.reactor.advance(COURTESY_S)
            self.assertEqual(self.reactor.readers, [self.port])
            self.port.doRead()
            self.assertEqual(self.reactor.adopted, count)

    def test_paused(self) -> None:
        """While it is paused nothing makes it read, and nothing after its end."""
        self.too_many = True
        self.port.doRead()
        self.port.stopReading()
        self.reactor.advance(COURTESY_S)
        self.assertEqual(self.reactor.readers, [])
        self.port.startReading()
        self.assertEqual(self.reactor.readers, [self.port])
        self.successResultOf(self.port.stopListening())
        self.port.startReading()
        self.assertEqual(self.reactor.readers, [])

    def test_no_descriptor_left(self) -> None:
        """Without descriptors it leaves the connections to others for a while."""
        self.connect()
        self.reactor.problem = OSError(24, "Too many open files")
        with capturedLogs() as events:
            self.port.doRead()
        self.assertEqual(events[0]["reason"], os.strerror(24))
        self.assertEqual(self.reactor.readers, [])
        self.reactor.advance(PAUSE_S)
        self.assertEqual(self.reactor.readers, [self.port])

    def test_client_that_has_gone(self) -> None:
        """A client that left before it was served is nobody's concern."""
        self.connect()
        self.reactor.problem = OSError(107, "not connected")
        with capturedLogs() as events:
            self.port.doRead()
        self.assertEqual(events, [])
        self.assertEqual(self.reactor.readers, [self.port])

    def test_factory_that_fails(self) -> None:
        """A connection that cannot be served is closed, and the next one comes."""
        self.connect()
        self.reactor.problem = RuntimeError("no")
        self.port.doRead()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.reactor.readers, [self.port])

    def test_socket_that_was_shut_down(self) -> None:
        """When the supervisor has ended the listening, nobody reads for ever."""
        self.listening.shutdown(socket.SHUT_RDWR)
        self.port.doRead()
        self.assertEqual(self.reactor.readers, [])

    def test_stop_while_it_waits(self) -> None:
        """A port that was stopped does not come back."""
        self.too_many = True
        self.port.doRead()
        self.successResultOf(self.port.stopListening())
        self.reactor.advance(1)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.listening.fileno(), -1)

    def test_addresses(self) -> None:
        """It tells where it listens, whatever the family."""
        self.assertEqual(self.port.getHost(), IPv4Address("TCP", *self.address))
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
            host = SharedPort(self.reactor, six, Factory()).getHost()
            self.assertEqual(host, IPv6Address("TCP", *six.getsockname()))
        with socket.socket(socket.AF_UNIX) as unix:
            host = SharedPort(self.reactor, unix, Factory()).getHost()
            self.assertEqual(host, UNIXAddress(""))


class Noted(Protocol):
    """Answers with the names of both ends."""

    def connectionMade(self) -> None:
        """Answer, and close."""
        assert self.transport is not None
        both = (self.transport.getHost(), self.transport.getPeer())
        self.transport.write(repr(both).encode())
        self.transport.loseConnection()


class Received(Protocol):
    """Collects what comes until the end."""

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Collect."""
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        """Tell what came."""
        self.ended.callback(self.data)


class RealReactorTests(TestCase):
    """A port in the reactor that it is made for."""

    timeout = 30

    async def test_serves(self) -> None:
        """Who connects is served, by IPv4, IPv6 and UNIX sockets."""
        path = f"{self.mktemp()}.sock"[-90:]
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(path)
        unix.listen()
        for listening in (
            socket.create_server(("127.0.0.1", 0)),
            socket.create_server(("::1", 0), family=socket.AF_INET6),
            unix,
        ):
            await self.serve(listening)
        self.assertTrue(os.path.exists(path))
        os.unlink(path)

    async def serve(self, listening: socket.socket) -> None:
        """Connect to it once."""
        port = SharedPort(reactor, listening, Factory.forProtocol(Noted))
        port.startListening()
        received = Received()
        with socket.socket(listening.family) as client:
            client.connect(listening.getsockname())
            client.setblocking(False)
            reactor.adoptStreamConnection(  # type: ignore[attr-defined]
                client.fileno(), client.family, Factory.forProtocol(lambda: received)
            )
        kind = type(port.getHost()).__name__.encode()
        self.assertEqual((await received.ended).count(kind), 2)
        await port.stopListening()


class BalanceTests(SynchronousTestCase):
    """Who should let others go first."""

    def setUp(self) -> None:
        """Make three workers."""
        self.fd = shared_memory(3)
        self.addCleanup(os.close, self.fd)
        self.balance = Balance(self.fd, 3)

    def test_alone(self) -> None:
        """A worker takes everything while there is no other."""
        self.balance.tell(2, 10_000)
        self.assertFalse(self.balance.has_too_many(2))

    def test_ahead(self) -> None:
        """A worker that has more than another lets it go first, in any process."""
        other = Balance(self.fd, 3)
        other.tell(1, 0)
        for connections, has_too_many in (
            (0, False),
            (SLACK, False),
            (SLACK + 1, True),
        ):
            self.balance.tell(3, connections)
            self.assertIs(self.balance.has_too_many(3), has_too_many)
        self.assertFalse(self.balance.has_too_many(1))

    def test_many(self) -> None:
        """A few more among many do not matter."""
        self.balance.tell(1, 800)
        self.balance.tell(2, 900)
        self.assertFalse(self.balance.has_too_many(2))
        self.balance.tell(2, 903)
        self.assertTrue(self.balance.has_too_many(2))

    def test_one_that_left(self) -> None:
        """Nobody waits for a worker that takes no connections."""
        self.balance.tell(1, 0)
        self.balance.tell(2, 50)
        self.balance.leave(1)
        self.balance.tell(1, 0)  # it drains
        self.assertFalse(self.balance.has_too_many(2))
        Balance(self.fd, 3).tell(1, 0)  # another process is in its place
        self.assertTrue(self.balance.has_too_many(2))
