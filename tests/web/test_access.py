"""Tests for :mod:`tustwisted.web.access`."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel

from tests.web.harness import Peer, Route, Wire
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.requests import RequestInfo
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.caller import Caller, client_of
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.access import Callers, request_info
from tustwisted.web.streaming import StreamingSite
from tustwisted.web.wants import everything


def described(*lines: bytes, request_line: bytes = b"POST /files/?a=b") -> RequestInfo:
    """What becomes of a request of these lines."""
    seen: list[RequestInfo] = []
    site = StreamingSite(
        Route(lambda request: seen.append(request_info(request))), wants=everything
    )
    peer = Peer(site, Wire(peerAddress=IPv4Address("TCP", "192.0.2.7", 49152)))
    peer.send(b"\r\n".join([request_line + b" HTTP/1.1", b"Host: h", *lines, b"", b""]))
    return seen[0]


class RequestInfoTests(SynchronousTestCase):
    """What hooks are told of a request."""

    def test_line(self) -> None:
        """Method and target are as they were sent, the path not decoded."""
        request = described(request_line=b"PATCH /files/a%2Fb?c=d&c")
        self.assertEqual((request.method, request.uri), ("PATCH", "/files/a%2Fb?c=d&c"))

    def test_method(self) -> None:
        """The method is the one that counts."""
        override = b"X-HTTP-Method-Override: head"
        self.assertEqual(described(override).method, "HEAD")
        options = described(override, request_line=b"OPTIONS /")
        self.assertEqual(options.method, "OPTIONS")

    def test_headers(self) -> None:
        """They are spelled as in Go, each with its lines in order."""
        request = described(
            b"X-REQUEST-ID: 1",
            b"upload-offset: 0",
            b"WWW-authenticate: x",
            b"etag: \xe9",
            b"a: 1",
            b"A: 2",
        )
        self.assertEqual(
            request.headers,
            {
                "Host": ("h",),
                "X-Request-Id": ("1",),
                "Upload-Offset": ("0",),
                "Www-Authenticate": ("x",),
                "Etag": ("\xe9",),
                "A": ("1", "2"),
            },
        )

    def test_expectation(self) -> None:
        """It is told, although a streaming request takes it out of Twisted's sight."""
        lines = (b"Expect: 100-continue", b"Content-Length: 3")
        self.assertEqual(described(*lines).header("expect"), "100-continue")


class CallersTests(SynchronousTestCase):
    """Who is let in where there are no hooks."""

    def test_nobody(self) -> None:
        """Nobody in particular, whose request is not described."""
        clock = Clock()
        uploads = Uploads(MemoryStore(), MemoryLocker(clock), ImmediateDisk(), clock)
        request: Any = Request(DummyChannel())
        admitted = Deferred.fromCoroutine(Callers(uploads).admit(request, None))
        caller = self.successResultOf(admitted)
        self.assertEqual((caller.request, caller.owner), (None, None))

    def test_client(self) -> None:
        """His address is known to the log all the same, when it wants to know it."""
        clock = Clock()
        uploads = Uploads(MemoryStore(), MemoryLocker(clock), ImmediateDisk(), clock)
        request: Any = Request(DummyChannel())
        request.client = IPv4Address("TCP", "192.0.2.7", 49152)
        admitted = Deferred.fromCoroutine(Callers(uploads).admit(request, None))
        caller = self.successResultOf(admitted)
        self.assertEqual(client_of(caller), "192.0.2.7:49152")
        self.assertEqual(client_of(Caller()), "an unknown client")


class PeerTests(SynchronousTestCase):
    """Who is at the other end."""

    def peer(self, there: IAddress, here: IAddress | None = None) -> str:
        """What is told of a connection between these."""
        request: Any = Request(DummyChannel())
        request.method, request.uri = b"GET", b"/"
        request.client, request.host = there, here
        return request_info(request).remote_addr

    def test_host_and_port(self) -> None:
        """An address is told with its port, that of IPv6 in brackets."""
        four = IPv4Address("TCP", "192.0.2.7", 49152)
        self.assertEqual(self.peer(four), "192.0.2.7:49152")
        six = IPv6Address("TCP", "2001:db8::7", 49152)
        self.assertEqual(self.peer(six), "[2001:db8::7]:49152")

    def test_unix_socket(self) -> None:
        """A client of a UNIX socket has no name: the socket's is told."""
        here = UNIXAddress(b"/run/tus.sock")
        self.assertEqual(self.peer(UNIXAddress(None), here), "/run/tus.sock")
        self.assertEqual(self.peer(UNIXAddress(None), UNIXAddress(None)), "")
