"""How large the head of a request may be, and what is answered to a larger one."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.web.harness import Memory, Peer, Route, answer
from tustwisted.web.limits import HeaderLimits
from tustwisted.web.request import Streaming
from tustwisted.web.streaming import StreamingSite, enable_streaming, install

HEAD = b"GET /u HTTP/1.1\r\nHost: test\r\n"


def large(size_bytes: int) -> bytes:
    """A request whose head has so many bytes, all in one line but for its begin."""
    taken = len(HEAD.replace(b"\r\n", b"")) + len(b"X: ")
    return HEAD + b"X: " + b"y" * (size_bytes - taken) + b"\r\n\r\n"


def many(count: int) -> bytes:
    """A request with so many header lines."""
    return HEAD + b"X: y\r\n" * (count - 1) + b"\r\n"


class LimitsTests(SynchronousTestCase):
    """A site with limits."""

    def statuses(self, peer: Peer, *pieces: bytes) -> list[int]:
        """Send pieces, and give the answers; after a 400 the connection has ended."""
        peer.send(*pieces)
        if 400 in peer.statuses():
            self.assertTrue(peer.wire.disconnecting)
            self.assertTrue(peer.wire.value().endswith(b" 400 Bad Request\r\n\r\n"))
        return peer.statuses()

    def memory(self, **kwargs: Any) -> Memory:
        """A site that answers all requests."""
        return Memory(Route(answer), **kwargs)

    def test_size(self) -> None:
        """As much as is allowed passes, and one byte more is 400 (T-082)."""
        for size in (16_384, 65_536, 100_000):
            limits = HeaderLimits(size_bytes=size)
            for more, status in ((0, 200), (1, 400)):
                peer = self.memory(header_limits=limits).peer
                self.assertEqual(self.statuses(peer, large(size + more)), [status])

    def test_default(self) -> None:
        """It is 64 KiB and 500 lines, whatever Twisted's own is (T-082)."""
        for sent, status in (
            (large(65_536), 200),
            (large(65_537), 400),
            (many(500), 200),
            (many(501), 400),
        ):
            self.assertEqual(self.statuses(self.memory().peer, sent), [status])

    def test_count(self) -> None:
        """The number of lines has its limit (T-082)."""
        for count, status in ((3, 200), (4, 400)):
            peer = self.memory(header_limits=HeaderLimits(count=3)).peer
            self.assertEqual(self.statuses(peer, many(count)), [status])

    def test_line_without_end(self) -> None:
        """A line is refused when it is too long, not when it ends (T-082)."""
        peer = self.memory().peer
        piece = b"y" * 16_384
        self.assertEqual(self.statuses(peer, HEAD + b"X: ", *[piece] * 3), [])
        self.assertEqual(self.statuses(peer, piece), [400])

    def test_many_lines(self) -> None:
        """Lines that are each short are added up (T-082)."""
        line = b"X: " + b"y" * 197 + b"\r\n"
        for count, status in ((300, 200), (400, 400)):
            sent = HEAD + line * count + b"\r\n"
            self.assertEqual(self.statuses(self.memory().peer, sent), [status])

    def test_next_request(self) -> None:
        """Each request of a connection has the whole (T-082)."""
        peer = self.memory().peer
        pieces = [large(60_000)] * 3
        self.assertEqual(self.statuses(peer, *pieces), [200] * 3)
        self.assertEqual(self.statuses(peer, large(70_000)), [200] * 3 + [400])

    def test_bytes_one_by_one(self) -> None:
        """Where the pieces are cut makes no difference (T-082)."""
        sent = large(20_000)
        peer = self.memory().peer
        pieces = [sent[i : i + 1] for i in range(len(sent))]
        self.assertEqual(self.statuses(peer, *pieces), [200])

    def test_nothing_below_what_twisted_allows(self) -> None:
        """Limits that would refuse ordinary requests, or none, cannot be made."""
        for limits in (
            {"size_bytes": 16_383},
            {"size_bytes": 2**20 + 1},
            {"count": 0},
        ):
            self.assertRaises(ValueError, HeaderLimits, **limits)


class ExistingSiteTests(SynchronousTestCase):
    """Sites of an application."""

    def statuses(self, site: Site, sent: bytes) -> list[int]:
        """Send a request on a new connection, and give the answers."""
        peer = Peer(site)
        peer.send(sent)
        return peer.statuses()

    def site(self) -> Site:
        """A site of Twisted's own."""
        return Site(Route(answer), reactor=Clock())

    def test_left_alone(self) -> None:
        """Without a word they keep what they have (T-082)."""
        site = self.site()
        enable_streaming(site)
        self.assertEqual(self.statuses(site, large(16_000)), [200])
        self.assertEqual(self.statuses(site, large(17_000)), [])

    def test_set(self) -> None:
        """The line that makes them stream can set it (T-082)."""
        site = self.site()
        enable_streaming(site, header_limits=HeaderLimits())
        self.assertEqual(self.statuses(site, large(65_536)), [200])

    def test_kept(self) -> None:
        """Another call without it leaves what the first has set."""
        site: Any = StreamingSite(Route(answer), reactor=Clock())
        factory = site.requestFactory
        enable_streaming(site)
        self.assertIs(site.requestFactory, factory)
        enable_streaming(site, idle_timeout_s=1)
        self.assertEqual(self.statuses(site, large(65_536)), [200])

    def test_without_streaming(self) -> None:
        """They hold although a private name of Twisted is missing."""
        site = self.site()
        install(site, Streaming(), ["_command"], HeaderLimits())
        self.assertEqual(self.statuses(site, large(65_536)), [200])
