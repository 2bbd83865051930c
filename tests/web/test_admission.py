"""How many connections there may be, and what becomes of who else comes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IListeningPort, IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock, deferLater
from twisted.internet.tcp import Port
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.server import Request
from zope.interface import implementer

from tests.integration.certificate import write_certificate
from tests.web.harness import H2Wire, Peer, Route, Sink, answer, sized
from tustwisted.web.admission import LOOK_S, SAY_AGAIN_S, Admission
from tustwisted.web.drain import IDLE_S, DrainingSite
from tustwisted.web.wants import everything
from tustwisted.workers.sharing import SharedPort

_reactor: Any = reactor

_GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Reactor(Clock):
    """Knows who reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """Add one."""
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Remove one."""
        if reader in self.readers:
            self.readers.remove(reader)

    removeWriter = removeReader


@implementer(IListeningPort)
class Unpausable:
    """A port that only listens."""

    def startListening(self) -> None:
        """Listen."""

    def stopListening(self) -> None:
        """Stop."""

    def getHost(self) -> IAddress:
        """Tell where."""
        return IPv4Address("TCP", "127.0.0.1", 1)


class InMemory(SynchronousTestCase):
    def setUp(self) -> None:
        """Listen, with a reactor that the test turns."""
        self.reactor = Reactor()
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self.port = SharedPort(self.reactor, listening, Factory())
        self.port.startListening()
        self.addCleanup(self.port.stopListening)

    def connect(self) -> None:
        """Connect, without being accepted."""
        client = socket.create_connection(self.address, 5)
        self.addCleanup(client.close)

    @property
    def accepts(self) -> bool:
        """The port is read."""
        return self.port in self.reactor.readers


class AdmissionTests(InMemory):
    """When the ports are read."""

    def setUp(self) -> None:
        """Let two in."""
        super().setUp()
        self.asked = 0
        self.admission = Admission(self.reactor, 2, self.make_room)
        self.admission.accept_from(self.port)

    def make_room(self) -> None:
        """Count how often that was wanted."""
        self.asked += 1

    def test_other_limit(self) -> None:
        """When there may be more the port is read at once, and with less it is not."""
        self.admission.counted(2)
        self.assertFalse(self.accepts)
        self.admission.limit(3)
        self.assertTrue(self.accepts)
        self.admission.limit(1)
        self.assertFalse(self.accepts)
        self.admission.counted(1)
        self.assertFalse(self.accepts)
        self.admission.counted(0)
        self.assertTrue(self.accepts)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_full(self) -> None:
        """While all are taken the port is not read, and then it is read again."""
        for count, accepts in (
            (1, True),
            (2, False),
            (3, False),
            (2, False),
            (1, True),
        ):
            self.admission.counted(count)
            self.assertIs(self.accepts, accepts, count)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_port_of_later(self) -> None:
        """A port that comes while all are taken is not read before there is room."""
        late = SharedPort(
            self.reactor, socket.create_server(("127.0.0.1", 0)), Factory()
        )
        late.startListening()
        self.addCleanup(late.stopListening)
        self.admission.counted(2)
        self.admission.accept_from(late)
        self.assertNotIn(late, self.reactor.readers)
        self.admission.counted(1)
        self.assertIn(late, self.reactor.readers)

    def test_nobody_waits(self) -> None:
        """While nobody waits, nobody has to go, and there is nothing to say."""
        with capturedLogs() as events:
            self.admission.counted(2)
            self.reactor.advance(0)
            self.reactor.advance(LOOK_S)
        self.assertEqual((self.asked, events), (0, []))

    def test_somebody_waits(self) -> None:
        """While somebody waits, room is asked for at once, and then again and again."""
        self.connect()
        self.admission.counted(2)
        for asked in (1, 2, 3):
            self.reactor.advance(0 if asked == 1 else LOOK_S)
            self.assertEqual(self.asked, asked)

    def test_says_so(self) -> None:
        """The log says it once in a while, however often it happens."""
        self.connect()
        with capturedLogs() as events:
            for _ in range(5):
                self.admission.counted(2)
                self.reactor.advance(0)
                self.admission.counted(1)
            self.assertEqual(len(events), 1)
            self.reactor.advance(SAY_AGAIN_S)
            self.admission.counted(2)
            self.reactor.advance(0)
        self.assertEqual(len(events), 2)
        self.assertEqual(events[0]["log_level"].name, "warn")
        self.assertEqual(events[0]["most"], 2)

    def test_port_of_somebody_else(self) -> None:
        """One that cannot be paused is named, and does no harm."""
        with capturedLogs() as events:
            self.admission.accept_from(Unpausable())
        self.assertIsInstance(events[0]["port"], Unpausable)
        self.admission.counted(2)
        self.admission.counted(1)
        self.assertTrue(self.accepts)

    def test_end(self) -> None:
        """Ports that are to be closed are not read again."""
        self.admission.counted(2)
        self.admission.end()
        self.admission.counted(1)
        self.assertFalse(self.accepts)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class TwistedPortTests(SynchronousTestCase):
    """A port of Twisted takes many connections before it looks at anything else."""

    def test_takes_no_more_than_there_is_room_for(self) -> None:
        """Of five that wait it takes three, and the others when there is room."""
        reactor = Reactor()
        site = DrainingSite(Sink(), reactor=reactor, most_connections=3)
        port = Port(0, site, 50, "127.0.0.1", reactor)
        port.startListening()
        site.accept_from(port)
        clients = [
            socket.create_connection(port.socket.getsockname(), 5) for _ in range(5)
        ]
        port.doRead()
        self.assertNotIn(port, reactor.readers)
        servers = [reader for reader in reactor.readers if reader is not port]
        self.assertEqual(len(servers), 3)
        clients.pop(0).close()
        for server in servers:
            reason = server.doRead()
            if reason is not None:
                server.connectionLost(Failure(reason))
        self.assertIn(port, reactor.readers)
        port.doRead()
        self.assertNotIn(port, reactor.readers)
        site.accept_no_more()
        for end in [*list(reactor.readers), port]:
            end.connectionLost(Failure(ConnectionDone()))
        for client in clients:
            client.close()


class RoomTests(InMemory):
    """Who has to go when somebody waits."""

    def make(self, resource: Any, most: int = 2) -> None:
        """Make a site that lets two in, and let a third one wait."""
        self.refused: list[Request] = []
        self.site = DrainingSite(
            resource,
            wants=everything,
            reactor=self.reactor,
            most_connections=most,
            watch=self.refused.append,
        )
        self.site.accept_from(self.port)
        self.addCleanup(self.site.accept_no_more)
        self.connect()

    def test_the_one_that_is_idle_for_longest(self) -> None:
        """Of those that wait for their next request it is the first that fell idle."""
        self.make(Sink())
        first = Peer(self.site)
        self.reactor.advance(0.1)
        second = Peer(self.site)
        first.send(sized(b"abc"))
        self.reactor.advance(IDLE_S)
        self.reactor.advance(LOOK_S)
        self.assertTrue(second.wire.disconnecting)
        self.assertFalse(first.wire.disconnecting)
        second.lose()
        self.assertTrue(self.accepts)

    def test_not_at_once(self) -> None:
        """A client has a moment for its next request."""
        self.make(Sink())
        peers = [Peer(self.site), Peer(self.site)]
        self.reactor.advance(0)
        self.assertEqual([peer.wire.disconnecting for peer in peers], [False, False])

    def test_none_that_is_busy(self) -> None:
        """Who is being served stays, however long that takes."""
        route = Route()
        self.make(route)
        peers = [Peer(self.site), Peer(self.site)]
        for peer in peers:
            peer.send(_GET)
        self.reactor.pump([LOOK_S] * 10)
        self.assertEqual([peer.wire.disconnecting for peer in peers], [False, False])
        answer(route.requests[1])
        self.reactor.pump([LOOK_S] * 3)
        self.assertEqual([peer.wire.disconnecting for peer in peers], [False, True])

    def test_who_does_not_go(self) -> None:
        """Who was told to end and does not is dropped at the next look."""
        self.make(Sink())
        peers = [Peer(self.site), Peer(self.site)]
        self.reactor.advance(IDLE_S)
        self.assertTrue(peers[0].wire.disconnecting)
        self.assertFalse(peers[0].wire.disconnected)
        self.reactor.advance(LOOK_S)
        self.assertTrue(peers[0].wire.disconnected)
        self.assertFalse(peers[1].wire.disconnecting)

    def test_lower_limit(self) -> None:
        """Who was there before there may be fewer is served as before."""
        route = Route()
        self.make(route)
        peers = [Peer(self.site), Peer(self.site)]
        self.site.limit_connections(1)
        for peer in peers:
            peer.send(_GET)
        self.assertEqual(len(route.requests), 2)
        self.assertEqual(self.refused, [])

    def test_requests_of_http_2(self) -> None:
        """A connection of HTTP/2 has no more requests than there are connections."""
        route = Route()
        self.make(route)
        peer = Peer(self.site, H2Wire())
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        for stream in (1, 3, 5):
            asked = {":method": "GET", ":path": "/", ":scheme": "http"}
            client.send_headers(
                stream, [*asked.items(), (":authority", "h")], end_stream=True
            )
        peer.send(client.data_to_send())
        self.assertEqual(len(route.requests), 2)
        self.reactor.pump([0.1] * 10)
        told: Any = client.receive_data(peer.wire.value())
        heads = {e.stream_id: dict(e.headers) for e in told if hasattr(e, "headers")}
        self.assertEqual(list(heads), [5])
        self.assertEqual(heads[5][b":status"], b"503")
        self.assertEqual(heads[5][b"retry-after"], b"1")
        self.assertEqual([request.code for request in self.refused], [503])


class KindsOfPortsTests(TestCase):
    """Ports in the reactor that they are made for."""

    timeout = 30

    async def until(self, reads: bool, port: Any) -> None:
        """Wait until a port is read, or is not."""
        while (port in _reactor.getReaders()) is not reads:
            await deferLater(_reactor, 0.001, lambda: None)

    async def paused_and_resumed(self, port: Any, client: socket.socket) -> None:
        """Take the one connection that there may be, and end it."""
        client.settimeout(5)
        client.connect(port.socket.getsockname())
        await self.until(False, port)
        client.close()
        await self.until(True, port)
        self.site.accept_no_more()
        await port.stopListening()

    async def test_all(self) -> None:
        """Whatever it listens on, and whatever is spoken there, it can wait."""
        path = Path(self.mktemp())
        path.mkdir()
        certificate = path / "server.pem"
        write_certificate(certificate)
        inherited = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(inherited.close)
        inherited.setblocking(False)
        for description, family in (
            ("tcp:0:interface=127.0.0.1", socket.AF_INET),
            (f"unix:{os.path.relpath(path / 's')}", socket.AF_UNIX),
            (f"ssl:0:privateKey={certificate}:interface=127.0.0.1", socket.AF_INET),
            ("haproxy:tcp:0:interface=127.0.0.1", socket.AF_INET),
            (None, socket.AF_INET),
        ):
            self.site = DrainingSite(Sink(), reactor=_reactor, most_connections=1)
            if description is None:
                port = _reactor.adoptStreamPort(inherited.fileno(), family, self.site)
            else:
                endpoint = serverFromString(_reactor, description)
                port = await endpoint.listen(self.site)
            self.site.accept_from(port)
            await self.paused_and_resumed(port, socket.socket(family))
