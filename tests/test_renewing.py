"""Certificates that are exchanged under a port that listens."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.integration.certificate import write_certificate
from tests.integration.raw import LIMIT_S
from tustwisted.renewing import RenewedEndpoint, has_certificate


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        assert self.transport is not None
        self.transport.write(data)


class Counting(Factory):
    """Knows for how many ports it works."""

    protocol = Echo


class RenewedTests(TestCase):
    """A port whose certificate changes."""

    timeout = 30

    def setUp(self) -> None:
        """Write a certificate."""
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        self.pem = self.place / "localhost.pem"
        write_certificate(self.pem)
        self.factory = Counting()
        self.ssl = f"ssl:0:interface=127.0.0.1:privateKey={self.pem}"
        self.tls = f"tls:{self.place}:0:interface=127.0.0.1"

    async def listen(self, description: str) -> RenewedEndpoint:
        """Listen until the end of this test."""
        endpoint = RenewedEndpoint(description, reactor)
        self.assertTrue(verifyObject(IStreamServerEndpoint, endpoint))
        self.port: Any = await endpoint.listen(self.factory)
        self.addCleanup(self.port.stopListening)
        return endpoint

    def connect(self) -> ssl.SSLSocket:
        """Connect, outside the reactor's thread."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        where = ("127.0.0.1", self.port.getHost().port)
        plain = socket.create_connection(where, LIMIT_S)
        return context.wrap_socket(plain, server_hostname="localhost")

    async def seen(self) -> bytes | None:
        """Tell which certificate a new connection shows."""

        def look() -> bytes | None:
            with self.connect() as client:
                return client.getpeercert(binary_form=True)

        return await deferToThread(look)

    def renew(self, endpoint: RenewedEndpoint) -> tuple[LogLevel, str]:
        """Read the certificate again; return what is logged of it."""
        with capturedLogs() as events:
            endpoint.renew()
        (event,) = events
        return event["log_level"], formatEvent(event)

    async def test_renewed(self) -> None:
        """New connections show the new certificate as soon as it was read again."""
        for description in (self.ssl, self.tls):
            endpoint = await self.listen(description)
            first = await self.seen()
            write_certificate(self.pem)
            self.assertEqual(await self.seen(), first)
            level, told = self.renew(endpoint)
            self.assertIs(level, LogLevel.info)
            self.assertEqual(
                told, f"--port {description}: the certificate was read again"
            )
            second = await self.seen()
            self.assertNotEqual(second, first)
            self.renew(endpoint)
            self.assertEqual(await self.seen(), second)
            self.assertEqual(self.factory.numPorts, 1)
            await self.port.stopListening()
            self.assertEqual(self.factory.numPorts, 0)

    async def test_open_connections(self) -> None:
        """A connection that is open goes on."""
        endpoint = await self.listen(self.ssl)
        client = await deferToThread(self.connect)
        write_certificate(self.pem)
        self.renew(endpoint)
        await self.seen()

        def talk() -> bytes:
            with client:
                client.sendall(b"hello")
                return client.recv(5)

        self.assertEqual(await deferToThread(talk), b"hello")

    async def test_cannot_be_used(self) -> None:
        """Then the old one stays, and one line says why."""
        endpoint = await self.listen(self.ssl)
        first = await self.seen()
        write_certificate(other := self.place / "other")
        good = self.pem.read_bytes()
        mark = b"-----BEGIN CERTIFICATE"
        key, certificate = good.partition(mark)[0], other.read_bytes().partition(mark)
        for content, problem in (
            (None, "localhost.pem: No such file or directory"),
            (b"nonsense", "the key or the certificate cannot be read ("),
            (key + b"".join(certificate[1:]), "private keys do not match;"),
        ):
            self.pem.unlink(missing_ok=True)
            if content is not None:
                self.pem.write_bytes(content)
            level, told = self.renew(endpoint)
            self.assertIs(level, LogLevel.error)
            self.assertIn(problem, told)
            self.assertNotIn("\n", told)
            self.assertEqual(await self.seen(), first)
            self.assertEqual(self.factory.numPorts, 1)
        self.pem.write_bytes(good)
        self.assertIs(self.renew(endpoint)[0], LogLevel.info)

    async def test_no_file_but_something_else(self) -> None:
        """A pipe does not hold the reactor up, and nothing huge is read."""
        for description in (self.ssl, self.tls):
            self.pem.unlink()
            write_certificate(self.pem)
            endpoint = await self.listen(description)
            for content, problem in (
                (None, "the file is none, but something else"),
                (bytes(2_000_000), "the file is too large"),
            ):
                self.pem.unlink()
                if content is None:
                    os.mkfifo(self.pem)
                else:
                    self.pem.write_bytes(content)
                level, told = self.renew(endpoint)
                self.assertIs(level, LogLevel.error)
                self.assertIn(f"{self.pem}: {problem}; the cert", told)
                with self.assertRaisesRegex(ValueError, problem):
                    RenewedEndpoint(description, reactor)

    def test_path_with_a_colon(self) -> None:
        """The path of such a file may have what else parts words."""
        pem = self.place / "a:b.pem"
        os.mkfifo(pem)
        written = str(pem).replace(":", "\\:")
        with self.assertRaisesRegex(ValueError, "a:b.pem: the file is none"):
            RenewedEndpoint(f"ssl:0:privateKey={written}", reactor)

    def test_does_not_listen(self) -> None:
        """What does not listen has nothing to renew."""
        endpoint = RenewedEndpoint(self.ssl, reactor)
        self.pem.unlink()
        with capturedLogs() as events:
            endpoint.renew()
        self.assertEqual(events, [])

    def test_has_certificate(self) -> None:
        """Only what is told to speak TLS has one."""
        for description in (self.ssl, self.tls):
            self.assertTrue(has_certificate(description))
        for description in ("tcp:80", "unix:ssl", "haproxy:tcp:80"):
            self.assertFalse(has_certificate(description))
