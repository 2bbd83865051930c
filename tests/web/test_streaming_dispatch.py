"""How a streamed request reaches its route, in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import (
    Memory,
    Recorder,
    Route,
    Sink,
    answer,
    chunked,
    head,
    sized,
)
from tustwisted.errors import ReadTimeout

LOOK = head(b"GET")


def served(*pieces: bytes) -> tuple[bytes, list[bytes], list[list[str]], bool]:
    """What a sink answers and receives when a request comes in these pieces."""
    sink = Sink()
    memory = Memory(sink)
    memory.peer.send(*pieces)
    return (
        memory.peer.received(),
        [r.data for r in sink.recorders],
        [r.calls for r in sink.recorders],
        memory.peer.reading,
    )


class EveryCutTests(SynchronousTestCase):
    """A request means the same wherever TCP cuts it."""

    def assert_cuts(self, data: bytes, count: int) -> None:
        """Compare every cut, and single bytes, with one segment."""
        whole = served(data)
        self.assertEqual(whole[0].count(b"HTTP/1.1 200"), count)
        self.assertTrue(whole[-1])
        for i in range(1, len(data)):
            self.assertEqual(served(data[:i], data[i:]), whole, i)
        self.assertEqual(served(*[data[i : i + 1] for i in range(len(data))]), whole)

    def test_length(self) -> None:
        """A body with Content-Length."""
        self.assert_cuts(sized(b"0123456789" * 20), 1)

    def test_chunked(self) -> None:
        """A body in chunks, with an extension and trailers."""
        coded = chunked(b"01234567" * 16, b"abc", b"d").replace(b"3\r\n", b"3;x=1\r\n")
        self.assert_cuts(coded[:-2] + b"A: b\r\nC: d\r\n\r\n", 1)

    def test_expect(self) -> None:
        """A body that is expected to be welcomed."""
        self.assert_cuts(sized(b"0123456789" * 10, b"Expect: 100-continue"), 1)

    def test_pipelined(self) -> None:
        """A PATCH with two requests without bodies behind it."""
        self.assert_cuts(sized(b"0123456789" * 10) + LOOK + LOOK, 3)

    def test_chunked_pipelined(self) -> None:
        """A chunked PATCH, another with a length, and a request without a body."""
        self.assert_cuts(chunked(b"abc", b"de") + sized(b"xyz") + LOOK, 3)


class DispatchTests(SynchronousTestCase):
    """What the route sees."""

    def test_at_header_time(self) -> None:
        """The route is called once, when the headers are complete."""
        route = Route()
        peer = Memory(route).peer
        peer.send(head(b"PATCH", b"Content-Length: 2").replace(b"/u ", b"/a/b?c=d ", 1))
        (request,) = route.requests
        self.assertEqual(request.method, b"PATCH")
        self.assertEqual(request.uri, b"/a/b?c=d")
        self.assertEqual(request.path, b"/a/b")
        self.assertEqual(request.args, {b"c": [b"d"]})
        self.assertEqual(request.clientproto, b"HTTP/1.1")
        self.assertEqual((request.body.length, request.body.received), (2, 0))
        peer.send(b"xy")
        self.assertEqual(len(route.requests), 1)
        self.assertTrue(request.body.complete)

    def test_chunked_has_no_length(self) -> None:
        """The length of a chunked body is None."""
        route = Route()
        Memory(route).peer.send(head(b"PATCH", b"Transfer-Encoding: chunked"))
        self.assertIsNone(route.requests[0].body.length)

    def test_content_fails_loudly(self) -> None:
        """Reading ``content`` raises one sentence that names the way."""
        route = Route()
        peer = Memory(route).peer
        peer.send(head(b"PATCH", b"Content-Length: 2"))
        content = route.requests[0].content
        for read in (content.read, content.readline, content.readlines):
            error = self.assertRaises(RuntimeError, read)
            self.assertIn("request.body.deliver_to", str(error))
        self.assertRaises(RuntimeError, iter, content)
        content.close()

    def test_unaware_route(self) -> None:
        """A route that reads ``content`` is answered with 500, and does not hang."""
        peer = Memory(Route(lambda request: request.content.read())).peer
        peer.send(sized(b"abc"))
        self.assertEqual(peer.statuses(), [500])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_no_body(self) -> None:
        """A request without a body has a Body that ends at once."""
        for lines in ((), (b"Content-Length: 0",), (b"Expect: 100-continue",)):
            sink = Sink()
            peer = Memory(sink).peer
            peer.send(head(b"PATCH", *lines))
            self.assertEqual(
                sink.recorders[0].calls,
                ["registerProducer", "unregisterProducer", "body_ended"],
            )
            self.assertEqual(sink.requests[0].body.length, 0)
            self.assertEqual(peer.statuses(), [200])

    def test_no_body_in_content(self) -> None:
        """Where there is no body, ``content`` is an empty file, truthfully."""
        route = Route()
        Memory(route).peer.send(head(b"PATCH"))
        self.assertEqual(route.requests[0].content.read(), b"")

    def test_read_size(self) -> None:
        """
        Bodies that are known to be large are read in large pieces, and only they.

        A large piece of chunks may hold tens of thousands, parsed without a break.
        """
        for data, size in (
            (head(b"PATCH", b"Content-Length: 65536"), 65536),
            (head(b"PATCH", b"Content-Length: 65537"), 262144),
            (head(b"PATCH", b"Transfer-Encoding: chunked"), 65536),
        ):
            memory = Memory(Sink())
            wire = memory.peer.wire
            memory.peer.send(data)
            self.assertEqual(wire.bufferSize, size)
            memory.peer.send(b"0\r\n\r\n" if b"chunked" in data else b"x" * 65537)
            self.assertEqual(wire.bufferSize, 65536)

    def test_http_1_0(self) -> None:
        """HTTP/1.0 streams as well; the connection closes after the answer."""
        peer = Memory(Sink()).peer
        peer.send(head(b"PUT", b"Content-Length: 2", version=b"HTTP/1.0") + b"ab")
        self.assertEqual(peer.statuses(), [200])
        self.assertTrue(peer.wire.disconnecting)

    def test_collect_in_a_route(self) -> None:
        """A route may take a small body as bytes."""

        def take(request: Any) -> None:
            collected: Deferred[bytes] = request.body.collect(10)
            _ = collected.addCallback(lambda body: answer(request, body=body[::-1]))

        peer = Memory(Route(take)).peer
        peer.send(sized(b"abc"))
        self.assertTrue(peer.received().endswith(b"\r\n\r\ncba"))


class LossTests(SynchronousTestCase):
    """The connection ends in the middle of a body."""

    def test_receiver_before_route(self) -> None:
        """The receiver hears of the loss before ``notifyFinish`` does."""
        order: list[str] = []
        recorder = Recorder()
        recorder.at_end = lambda: order.append("receiver")

        def take(request: Any) -> None:
            request.body.deliver_to(recorder)
            request.notifyFinish().addErrback(lambda _: order.append("route"))

        peer = Memory(Route(take)).peer
        peer.send(head(b"PATCH", b"Content-Length: 9") + b"abc")
        peer.lose(ConnectionLost())
        self.assertEqual(order, ["receiver", "route"])
        self.assertEqual(recorder.data, b"abc")
        assert recorder.reason is not None
        recorder.reason.trap(ConnectionLost)

    def test_answer_into_the_loss(self) -> None:
        """An answer out of ``body_lost`` is lost with the connection, and no error."""
        recorder = Recorder()
        route = Route(lambda request: request.body.deliver_to(recorder))
        memory = Memory(route)
        recorder.at_end = lambda: answer(route.requests[0], 500)
        memory.peer.send(head(b"PATCH", b"Content-Length: 9") + b"abc")
        gone = route.requests[0].notifyFinish()
        memory.peer.lose(ConnectionLost())
        self.failureResultOf(gone, ConnectionLost)
        self.assertEqual(memory.clock.getDelayedCalls(), [])

    def test_malformed_chunk(self) -> None:
        """Twisted answers 400; all that was decoded comes before the loss is told."""
        sink = Sink()
        peer = Memory(sink).peer
        peer.send(head(b"PATCH", b"Transfer-Encoding: chunked"))
        peer.send(b"3\r\nabc\r\n2\r\nde\r\nzz\r\n")
        self.assertEqual(peer.statuses(), [400])
        self.assertTrue(peer.wire.disconnecting)
        self.assertEqual(sink.recorders[0].verdict, "write")
        peer.lose(ConnectionDone())
        self.assertEqual(sink.recorders[0].data, b"abcde")
        self.assertEqual(sink.recorders[0].verdict, "body_lost")

    def test_malformed_chunk_while_paused(self) -> None:
        """Also a receiver that has paused gets all that was decoded."""
        recorder = Recorder(lambda r: r.producer.pauseProducing())
        peer = Memory(Route(lambda request: request.body.deliver_to(recorder))).peer
        peer.send(head(b"PATCH", b"Transfer-Encoding: chunked"))
        peer.send(b"3\r\nabc\r\n2\r\nde\r\nzz\r\n")
        peer.lose(ConnectionDone())
        self.assertEqual((recorder.data, recorder.verdict), (b"abcde", "body_lost"))


class TimeoutTests(SynchronousTestCase):
    """Nobody waits for ever."""

    def test_headers(self) -> None:
        """Twisted's own timeout ends a request whose headers never end."""
        memory = Memory(Sink(), timeout=4)
        memory.peer.send(head(b"PATCH", b"Content-Length: 9")[:-2])
        memory.clock.advance(4)
        self.assertTrue(memory.peer.wire.disconnecting)

    def test_between_requests(self) -> None:
        """Twisted's own timeout is back after a streamed request."""
        memory = Memory(Sink(), timeout=4)
        memory.peer.send(head(b"PATCH", b"Content-Length: 3"))
        memory.clock.advance(30)
        memory.peer.send(b"abc")
        memory.clock.advance(3)
        self.assertFalse(memory.peer.wire.disconnecting)
        memory.clock.advance(1)
        self.assertTrue(memory.peer.wire.disconnecting)

    def test_site_without_timeout(self) -> None:
        """A site without a timeout keeps none."""
        memory = Memory(Sink(), timeout=None)
        memory.peer.send(sized(b"abc"))
        self.assertEqual(memory.clock.getDelayedCalls(), [])

    def test_silent_body(self) -> None:
        """A silent body times out; the route's answer closes the connection."""
        sink = Sink()
        memory = Memory(sink, idle_timeout_s=7.0)
        memory.peer.send(head(b"PATCH", b"Content-Length: 9") + b"abc")
        memory.clock.advance(7)
        reason = sink.recorders[0].reason
        assert reason is not None
        reason.trap(ReadTimeout)
        self.assertEqual(sink.recorders[0].data, b"abc")
        answer(sink.requests[0], 500)
        memory.clock.advance(0)
        self.assertIn(b"Connection: close", memory.peer.received())
        self.assertTrue(memory.peer.wire.half_closed)

    def test_answer_at_once(self) -> None:
        """An answer out of ``body_lost`` itself closes the connection as well."""
        recorder = Recorder()
        route = Route(lambda request: request.body.deliver_to(recorder))
        memory = Memory(route, idle_timeout_s=7.0)
        recorder.at_end = lambda: answer(route.requests[0], 500)
        memory.peer.send(head(b"PATCH", b"Content-Length: 9") + b"abc")
        memory.clock.advance(7)
        memory.clock.advance(0)
        self.assertIn(b"Connection: close", memory.peer.received())
        self.assertTrue(memory.peer.wire.half_closed)

    def test_silent_body_and_route(self) -> None:
        """If the route does not answer a silent body, the connection is aborted."""
        memory = Memory(Sink(), idle_timeout_s=7.0)
        memory.peer.send(head(b"PATCH", b"Content-Length: 9") + b"abc")
        memory.clock.advance(7)
        memory.clock.advance(29)
        self.assertFalse(memory.peer.wire.disconnected)
        memory.clock.advance(1)
        self.assertTrue(memory.peer.wire.disconnected)


class FailedReceiverTests(SynchronousTestCase):
    """A receiver raised: the answer is still the route's to give, but not for ever."""

    def setUp(self) -> None:
        def fail(recorder: Recorder) -> None:
            raise ZeroDivisionError

        self.route = Route(lambda request: request.body.deliver_to(Recorder(fail)))
        self.memory = Memory(self.route)
        self.peer = self.memory.peer

    def begin(self, *pieces: bytes) -> None:
        """Send pieces of a body of nine bytes; the first makes the receiver fail."""
        self.peer.send(head(b"PATCH", b"Content-Length: 9"), *pieces)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_no_answer(self) -> None:
        """Without an answer the connection is aborted, whether the rest came or not."""
        for pieces in ([b"abc"], [b"abc", b"defghi"], [b"abcdefghi"]):
            self.setUp()
            self.begin(*pieces)
            self.memory.clock.advance(29)
            self.assertFalse(self.peer.wire.disconnected)
            self.memory.clock.advance(1)
            self.assertTrue(self.peer.wire.disconnected)

    def test_answer(self) -> None:
        """An answer in time is sent, and is the last one of its connection."""
        for pieces in ([b"abc"], [b"abc", b"defghi"]):
            self.setUp()
            self.begin(*pieces)
            answer(self.route.requests[0], 500)
            self.memory.clock.advance(0)
            self.assertEqual(self.peer.statuses(), [500])
            self.assertIn(b"Connection: close", self.peer.received())
            self.assertTrue(self.peer.wire.half_closed or self.peer.wire.disconnecting)
            self.peer.lose()
            self.assertEqual(self.memory.clock.getDelayedCalls(), [])

    def test_connection_lost(self) -> None:
        """Nothing is left of it when the client leaves."""
        self.begin(b"abc", b"defghi")
        self.peer.lose()
        self.assertEqual(self.memory.clock.getDelayedCalls(), [])


class BackPressureTests(SynchronousTestCase):
    """Reading stops and goes on for two reasons: the receiver's and Twisted's."""

    def setUp(self) -> None:
        self.sink = Sink()
        self.peer = Memory(self.sink).peer
        self.peer.send(head(b"PATCH", b"Content-Length: 100000"))
        self.recorder = self.sink.recorders[0]

    def test_pause_and_resume(self) -> None:
        """The transport pauses with the receiver; nothing more is read meanwhile."""
        self.recorder.producer.pauseProducing()
        self.peer.send(b"x" * 60000, b"y" * 40000)
        self.assertEqual(self.peer.unread_bytes, 100000)
        self.recorder.producer.resumeProducing()
        self.peer.run()
        self.assertEqual(len(self.recorder.data), 100000)
        self.assertEqual(self.peer.statuses(), [200])

    def test_never_paused(self) -> None:
        """What its receiver has not paused is not resumed, but for Twisted's sake."""
        calls = []
        self.peer.wire.resumeProducing = lambda: calls.append("resumed")
        self.peer.send(b"x" * 100000)
        self.assertEqual(self.peer.statuses(), [200])
        self.assertEqual(calls, ["resumed"])  # at the end of any request

    def test_full_send_buffer(self) -> None:
        """While Twisted waits for its send buffer, the receiver resumes in vain."""
        self.recorder.producer.pauseProducing()
        self.peer.wire.producer.pauseProducing()
        self.recorder.producer.resumeProducing()
        self.assertFalse(self.peer.reading)
        self.peer.wire.producer.resumeProducing()
        self.assertTrue(self.peer.reading)

    def test_empty_send_buffer(self) -> None:
        """When Twisted resumes while the receiver has paused, one piece is held."""
        self.peer.wire.producer.pauseProducing()
        self.recorder.producer.pauseProducing()
        self.peer.wire.producer.resumeProducing()
        self.peer.send(b"x" * 50000, b"y" * 50000)
        self.assertEqual((self.recorder.data, self.peer.unread_bytes), (b"", 50000))
        self.recorder.producer.resumeProducing()
        self.peer.run()
        self.assertEqual(len(self.recorder.data), 100000)

    def test_paused_at_the_end(self) -> None:
        """A pause that lasts past the end of the body does not stop the connection."""
        self.recorder.producer.pauseProducing()
        self.peer.protocol.dataReceived(b"x" * 100000 + LOOK)
        self.assertTrue(self.peer.reading)
        self.assertEqual(self.peer.statuses(), [])
        self.recorder.producer.resumeProducing()
        self.peer.run()
        self.assertEqual(self.peer.statuses(), [200, 200])

    def test_eager_requests(self) -> None:
        """Behind a complete body Twisted's limit holds, and all goes on after it."""
        route = Route(lambda request: request.body.deliver_to(Recorder()))
        peer = Memory(route).peer
        peer.send(sized(b"abc"), *[LOOK * 100] * 10)
        self.assertFalse(peer.reading)
        self.assertGreater(peer.unread_bytes, 0)
        for n in range(1, 1002):
            self.assertEqual(len(route.requests), n)
            answer(route.requests[-1])
            peer.run()
        self.assertTrue(peer.reading)
        self.assertEqual(len(peer.statuses()), 1001)
