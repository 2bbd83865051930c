"""The same descriptions where it is listened and where it is served."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.integration.certificate import write_certificate
from tustwisted.workers.inheriting import (
    AdoptingReactor,
    HoldingReactor,
    InheritingReactor,
    without_activation,
)


class Hello(Protocol):
    """Says so."""

    def connectionMade(self) -> None:
        """Say so, and close."""
        assert self.transport is not None
        self.transport.write(b"hello")
        self.transport.loseConnection()


class BothTests(TestCase):
    """One process holds, another one serves; here both are this one."""

    timeout = 30

    async def serve(self, description: str) -> tuple[Any, Any]:
        """Listen as a supervisor and then as its worker does."""
        holding = HoldingReactor(reactor)
        held = await serverFromString(holding, description).listen(Factory())
        inherited = (socket.socket(fileno=os.dup(p.fileno())) for p in holding.ports)
        serving = InheritingReactor(reactor, inherited, lambda: False)
        factory = Factory.forProtocol(Hello)
        port = await serverFromString(serving, description).listen(factory)
        self.addCleanup(holding.close)
        self.addCleanup(port.stopListening)
        return held, port

    async def test_ports(self) -> None:
        """Both have the same address, and the one that holds does not accept."""
        for description in (
            "tcp:0:interface=127.0.0.1",
            r"tcp:0:interface=\:\:1",
            r"haproxy:tcp\:0:interface=127.0.0.1",
        ):
            held, port = await self.serve(description.replace("\\:0", ":0"))
            self.assertEqual(held.getHost(), port.getHost())
            self.assertNotIn(held, reactor.getReaders())
            self.assertIn(port, reactor.getReaders())

    async def test_unix(self) -> None:
        """A worker's end leaves the socket's path, a supervisor's removes it."""
        path = f"{self.mktemp()}.sock"[-90:]
        held, port = await self.serve(f"unix:{path}")
        await port.stopListening()
        self.assertTrue(os.path.exists(path))
        await held.stopListening()
        self.assertFalse(os.path.exists(path))

    async def test_tls_is_where_it_is_served(self) -> None:
        """The worker's factory speaks TLS, whatever way TLS was asked for."""
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / "server.pem"
        write_certificate(path)
        for description in (
            f"ssl:0:privateKey={path}:interface=127.0.0.1",
            rf"tls:{directory}:0:interface=\:\:1",
        ):
            _, port = await self.serve(description)
            protocol = port._factory.buildProtocol(None)
            self.assertIsInstance(protocol, TLSMemoryBIOProtocol)

    async def test_more_than_was_inherited(self) -> None:
        """A worker never opens a port of its own."""
        serving = InheritingReactor(reactor, iter(()), lambda: False)
        endpoint = serverFromString(serving, "tcp:0:interface=127.0.0.1")
        failure = self.failureResultOf(endpoint.listen(Factory()))
        failure.trap(LookupError)

    def test_other_things_are_the_reactors(self) -> None:
        """All but listening is what it was."""
        holding = HoldingReactor(reactor)
        self.assertTrue(IReactorCore.providedBy(holding))
        self.assertTrue(IReactorTime.providedBy(holding))
        self.assertEqual(holding.callLater, reactor.callLater)


class AdoptingTests(TestCase):
    """One process serves a socket that somebody else opened."""

    timeout = 30

    async def test_unix_socket_stays(self) -> None:
        """Its path is there after a stop, and who connects waits for the next one."""
        path = os.path.relpath(self.mktemp())
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            for _ in range(2):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(20)
                    client.connect(path)
                    port = AdoptingReactor(reactor).adoptStreamPort(
                        listening.fileno(), socket.AF_UNIX, Factory.forProtocol(Hello)
                    )
                    self.assertEqual(await deferToThread(client.recv, 5), b"hello")
                await maybeDeferred(port.stopListening)


class ActivationTests(SynchronousTestCase):
    """Sockets that systemd opened."""

    def test_descriptions(self) -> None:
        """To a worker they are sockets like the others."""
        for description, expected in (
            ("systemd:domain=INET:name=tus", "tcp:0"),
            ("systemd:domain=UNIX:index=0", "tcp:0"),
            ("haproxy:systemd:domain=INET:name=tus", "haproxy:tcp:0"),
            ("tcp:1080", "tcp:1080"),
            ("unix:/run/systemd:mode=660", "unix:/run/systemd:mode=660"),
        ):
            self.assertEqual(without_activation(description), expected)
