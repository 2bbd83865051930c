"""A site that ends: which connections close, and when."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import H2Wire, Peer, Route, Sink, answer
from tustwisted.web.drain import STREAM_LINGER_S, DrainingSite
from tustwisted.web.wants import everything

_GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def _put(length: int, *pieces: bytes) -> bytes:
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length
    return head + b"".join(pieces)


class DrainingSiteTests(SynchronousTestCase):
    """Idle connections close at once, busy ones after their answer (D12)."""

    def make(self, resource: Any) -> None:
        """Make a site."""
        self.clock = Clock()
        self.site = DrainingSite(resource, wants=everything, reactor=self.clock)

    def drain(self) -> Deferred[None]:
        """Begin to drain."""
        return self.site.drain()

    def test_without_connections_it_is_done_at_once(self) -> None:
        """There is nothing to wait for."""
        self.make(Sink())
        self.successResultOf(self.drain())

    def test_connections_are_counted(self) -> None:
        """Whoever wants to know hears of each connection that comes or goes."""
        counts: list[int] = []
        site = DrainingSite(Sink(), wants=everything, counted=counts.append)
        first, second = Peer(site), Peer(site)
        first.lose()
        second.lose()
        self.assertEqual(counts, [1, 2, 1, 0])

    def test_idle_connections_close_at_once(self) -> None:
        """One without a request, and one whose request was answered."""
        self.make(Sink())
        fresh, used = Peer(self.site), Peer(self.site)
        used.send(_put(3, b"abc"))
        self.assertEqual(used.statuses(), [200])
        drained = self.drain()
        for peer in (fresh, used):
            self.assertTrue(peer.wire.disconnecting)
            self.assertNoResult(drained)
            peer.lose()
        self.successResultOf(drained)

    def test_busy_connection_closes_after_its_answer(self) -> None:
        """A request that is being answered is not cut off."""
        route = Route()
        self.make(route)
        peer = Peer(self.site)
        peer.send(_GET)
        drained = self.drain()
        self.assertFalse(peer.wire.disconnecting)
        answer(route.requests[0])
        self.assertTrue(peer.wire.disconnecting)
        peer.lose()
        self.successResultOf(drained)

    def test_early_answer_keeps_its_own_end(self) -> None:
        """A large body that was answered early is dropped for a while, not reset."""
        self.make(Route(lambda request: answer(request, 503)))
        peer = Peer(self.site)
        peer.send(_put(10**9, b"abc"))
        self.clock.advance(0)
        self.assertEqual(peer.statuses(), [503])
        drained = self.drain()
        self.assertFalse(peer.wire.disconnecting)
        self.assertTrue(peer.wire.half_closed)
        peer.lose()
        self.successResultOf(drained)

    def test_rest_of_a_small_body_makes_the_connection_idle(self) -> None:
        """After a small rest was dropped, the connection closes like any other."""
        self.make(Route(lambda request: answer(request, 409)))
        peer = Peer(self.site)
        peer.send(_put(6, b"abc"))
        peer.send(b"def")
        drained = self.drain()
        self.assertTrue(peer.wire.disconnecting)
        peer.lose()
        self.successResultOf(drained)

    def test_abort_drops_what_is_left(self) -> None:
        """A connection that does not end is dropped."""
        self.make(Route())
        peer = Peer(self.site)
        peer.send(_GET)
        drained = self.drain()
        self.site.abort()
        self.assertTrue(peer.wire.disconnected)
        peer.lose()
        self.successResultOf(drained)

    def test_http_2(self) -> None:
        """A connection of HTTP/2 ends when its last answer has gone out."""
        route = Route()
        self.make(route)
        peer = Peer(self.site, H2Wire())
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        for stream in (1, 3):
            asked = {":method": "GET", ":path": "/", ":scheme": "http"}
            client.send_headers(
                stream, [*asked.items(), (":authority", "h")], end_stream=True
            )
        peer.send(client.data_to_send())
        other = Peer(self.site)
        drained = self.drain()
        self.assertTrue(other.wire.disconnecting)
        other.lose()
        for request in route.requests:
            self.clock.advance(2)
            self.assertFalse(peer.wire.disconnecting)
            answer(request, body=b"abc")
        # Twisted sends the data of the answer in turns of the reactor to come.
        self.assertFalse(peer.wire.disconnecting)
        self.clock.advance(STREAM_LINGER_S)
        self.assertTrue(peer.wire.disconnecting)
        peer.lose()
        self.successResultOf(drained)
        self.assertEqual(len(self.site._requests), 0)

    def test_idle_http_2(self) -> None:
        """A connection of HTTP/2 that was answered is idle like any other."""
        self.make(Sink())
        peer = Peer(self.site, H2Wire())
        peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        drained = self.drain()
        self.assertTrue(peer.wire.disconnecting)
        peer.lose()
        self.successResultOf(drained)

    def test_nothing_remains_of_connections(self) -> None:
        """What is known of a connection goes with it."""
        self.make(Route(lambda request: answer(request, 503)))
        for _ in range(10):
            peer = Peer(self.site)
            peer.send(_put(10**9, b"abc"))
            peer.lose()
        self.assertEqual(len(self.site._connections), 0)
        self.assertEqual(len(self.site._bodies), 0)
        self.assertEqual(len(self.site._requests), 0)
