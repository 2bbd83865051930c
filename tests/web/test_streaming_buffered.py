"""Routes that stream on sites that do not, and on HTTP/2."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.web.harness import (
    H2Wire,
    Peer,
    Recorder,
    Route,
    answer,
    head,
    sized,
)
from tustwisted.web.buffered import PIECE_BYTES, BufferedBody
from tustwisted.web.collect import BodyTooLarge
from tustwisted.web.interfaces import IBody
from tustwisted.web.request import Streaming
from tustwisted.web.streaming import (
    BodySource,
    StreamingSite,
    enable_streaming,
    install,
)
from tustwisted.web.wants import everything


class Taking(Route):
    """Takes each body through a BodySource."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self.source = BodySource()
        self.recorders: list[Recorder] = []

    def _take(self, request: Any) -> None:
        recorder = Recorder()
        recorder.at_end = lambda: answer(request, body=b"%d" % len(recorder.data))
        self.recorders.append(recorder)
        self.source.body_of(request).deliver_to(recorder)


class BufferedCase(SynchronousTestCase):
    """A plain site."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.route = Route()
        site = Site(self.route, reactor=self.clock)
        self.peer = Peer(site)

    def body(self, data: bytes) -> BufferedBody:
        """The body of a PATCH."""
        self.peer.send(sized(data))
        return BufferedBody(self.route.requests[-1])

    def turn(self, count: int = 1) -> None:
        """Let so many turns of the reactor pass."""
        for _ in range(count):
            self.clock.advance(0)


class BufferedBodyTests(BufferedCase):
    """A body that has come already."""

    def test_interface(self) -> None:
        """It has the interface of a body that streams."""
        body = self.body(b"abc")
        verifyObject(IBody, body)
        self.assertEqual((body.length, body.received, body.complete), (3, 3, True))

    def test_small(self) -> None:
        """A small body is delivered at once, in the order of a streamed one."""
        recorder = Recorder()
        self.body(b"abc").deliver_to(recorder)
        self.assertEqual(recorder.data, b"abc")
        self.assertEqual(
            recorder.calls,
            ["registerProducer", "write", "unregisterProducer", "body_ended"],
        )

    def test_empty(self) -> None:
        """An empty body ends at once."""
        self.peer.send(head(b"PATCH"))
        recorder = Recorder()
        BufferedBody(self.route.requests[0]).deliver_to(recorder)
        self.assertEqual(recorder.verdict, "body_ended")

    def test_pieces(self) -> None:
        """A large body comes in pieces of 256 KiB, all but the first in later turns."""
        sizes: list[int] = []
        recorder = Recorder(lambda r: sizes.append(len(r.data)))
        self.body(b"x" * (3 * PIECE_BYTES)).deliver_to(recorder)
        self.assertEqual(sizes, [PIECE_BYTES])
        self.turn()
        self.assertEqual(sizes, [PIECE_BYTES, 2 * PIECE_BYTES, 3 * PIECE_BYTES])
        self.assertEqual(recorder.verdict, "body_ended")

    def test_pause(self) -> None:
        """Nothing comes while the receiver has paused, not even the end."""
        recorder = Recorder(lambda r: r.producer.pauseProducing())
        self.body(b"x" * (2 * PIECE_BYTES)).deliver_to(recorder)
        for count in (1, 2):
            self.turn(5)
            self.assertEqual(len(recorder.data), count * PIECE_BYTES)
            self.assertEqual(recorder.verdict, "write")
            recorder.producer.resumeProducing()
        self.turn()
        self.assertEqual(recorder.verdict, "body_ended")

    def test_stop(self) -> None:
        """After stopProducing nothing comes, and nothing stays pending."""
        recorder = Recorder()
        body = self.body(b"x" * (2 * PIECE_BYTES))
        body.deliver_to(recorder)
        recorder.producer.stopProducing()
        self.turn()
        self.assertEqual(recorder.calls, ["registerProducer", "write"])

    def test_client_leaves(self) -> None:
        """The receiver gets the whole body though the client has left."""
        recorder = Recorder()
        self.body(b"x" * (2 * PIECE_BYTES)).deliver_to(recorder)
        self.peer.lose(ConnectionDone())
        self.turn(2)
        self.assertEqual((len(recorder.data), recorder.verdict), (524288, "body_ended"))

    def test_client_left_before(self) -> None:
        """A receiver that comes after the client has left learns of the loss."""
        body = self.body(b"abc")
        self.peer.lose(ConnectionDone())
        recorder = Recorder()
        body.deliver_to(recorder)
        self.assertEqual(recorder.calls[1:], ["unregisterProducer", "body_lost"])
        assert recorder.reason is not None
        recorder.reason.trap(ConnectionLost)

    def test_unreadable(self) -> None:
        """A buffer that cannot be read is a lost body."""
        body = self.body(b"abc")

        class Broken:
            closed = False

            def read(self, size: int) -> bytes:
                raise OSError

            def close(self) -> None: ...

        self.route.requests[0].content = Broken()
        recorder = Recorder()
        body.deliver_to(recorder)
        assert recorder.reason is not None
        recorder.reason.trap(OSError)

    def test_failing_receiver(self) -> None:
        """What a receiver raises is logged, and it is told no more."""
        recorder = Recorder(lambda r: 1 // 0)  # type: ignore[arg-type]
        self.body(b"abc").deliver_to(recorder)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(recorder.verdict, "write")

    def test_collect(self) -> None:
        """``collect`` gives all of it, or refuses what is too large."""
        self.assertEqual(self.successResultOf(self.body(b"abc").collect(3)), b"abc")

    def test_collect_too_much(self) -> None:
        """``collect`` refuses what is too large."""
        self.failureResultOf(self.body(b"abcd").collect(3), BodyTooLarge)

    def test_once(self) -> None:
        """A body has one receiver, and ``content`` then tells where it went."""
        body = self.body(b"abc")
        body.deliver_to(Recorder())
        self.assertRaises(RuntimeError, body.deliver_to, Recorder())
        self.assertRaises(RuntimeError, self.route.requests[0].content.read)


class BodySourceTests(SynchronousTestCase):
    """One way for a route, whatever the site."""

    def warnings(self, site: Site, *requests: bytes) -> tuple[list[Any], list[int]]:
        """The warnings while a site answers some requests, and their statuses."""
        peer = Peer(site)
        with capturedLogs() as events:
            peer.send(*requests)
        own = [e for e in events if e["log_namespace"].startswith("tustwisted")]
        return own, peer.statuses()

    def test_plain_site(self) -> None:
        """A plain site works, with exactly one warning that names the line to add."""
        route = Taking()
        site = Site(route, reactor=Clock())
        events, statuses = self.warnings(site, sized(b"abc"), sized(b"de"))
        self.assertEqual(statuses, [200, 200])
        self.assertEqual([r.data for r in route.recorders], [b"abc", b"de"])
        (event,) = events
        line = 'enable_streaming(site, under("/files/tus"))'
        self.assertIn(line, event["log_format"])

    def test_each_resource(self) -> None:
        """Each resource warns for itself."""
        for _ in range(2):
            site = Site(Taking(), reactor=Clock())
            self.assertEqual(len(self.warnings(site, sized(b"abc"))[0]), 1)

    def test_no_body(self) -> None:
        """A request without a body is no reason to warn."""
        site = Site(Taking(), reactor=Clock())
        self.assertEqual(self.warnings(site, head(b"GET")), ([], [200]))

    def test_streaming(self) -> None:
        """A streamed request gives its own body."""
        route = Taking()
        site = StreamingSite(route, wants=everything, reactor=Clock())
        self.assertEqual(self.warnings(site, sized(b"abc")), ([], [200]))
        self.assertIs(route.recorders[0].producer, route.requests[0].body)

    def test_unwanted(self) -> None:
        """A predicate that leaves out requests of the resource is warned of, too."""
        site = StreamingSite(Taking(), reactor=Clock())
        self.assertEqual(len(self.warnings(site, sized(b"abc"))[0]), 1)

    def test_impossible(self) -> None:
        """Where streaming is impossible the site has warned; the resource does not."""
        site = Site(Taking(), reactor=Clock())
        install(site, Streaming(everything), ["_command"])
        self.assertEqual(self.warnings(site, sized(b"abc")), ([], [200]))


class HTTP2Tests(SynchronousTestCase):
    """HTTP/2 stays as Twisted has it."""

    def exchange(self, peer: Peer, client: h2.connection.H2Connection) -> list[Any]:
        """Carry bytes both ways until nothing is left, and list the client's events."""
        events: list[Any] = []
        for _ in range(100):
            out = client.data_to_send()
            into = peer.wire.value()
            if not out and not into:
                return events
            peer.wire.clear()
            if out:
                peer.send(out)
            events += client.receive_data(into)
        raise AssertionError("the two never fall silent")

    def test_patch(self) -> None:
        """A PATCH is served buffered, its body complete, and nobody is warned."""
        clock = Clock()
        route = Taking()
        site = Site(route, reactor=clock)
        enable_streaming(site, everything)
        peer = Peer(site, H2Wire())
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        with capturedLogs() as logged:
            for length in (True, False):
                statuses = self.send_patch(peer, client, clock, length)
                self.assertEqual(statuses, [b"200"])
        self.assertEqual([r.data for r in route.recorders], [b"abcdef"] * 2)
        self.assertIsNone(route.requests[0].body)
        self.assertEqual([e for e in logged if "BodySource" in e["log_namespace"]], [])

    def send_patch(
        self, peer: Peer, client: h2.connection.H2Connection, clock: Clock, length: bool
    ) -> list[bytes]:
        """Send one PATCH, and give the statuses of its answer."""
        stream = client.get_next_available_stream_id()
        headers = [
            (":method", "PATCH"),
            (":path", "/u"),
            (":scheme", "https"),
            (":authority", "test"),
            ("tus-resumable", "1.0.0"),
        ]
        client.send_headers(stream, headers + [("content-length", "6")] * length)
        client.send_data(stream, b"abc")
        events = self.exchange(peer, client)
        client.send_data(stream, b"def", end_stream=True)
        events += self.exchange(peer, client)
        for _ in range(5):
            clock.advance(0)
            events += self.exchange(peer, client)
        answers = [e for e in events if isinstance(e, h2.events.ResponseReceived)]
        return [dict(e.headers)[b":status"] for e in answers]
