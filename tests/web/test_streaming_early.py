"""Answers that come before the end of the body, and Expect, in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import Memory, Peer, Recorder, Route, Sink, answer, head, sized
from tustwisted.web.body import AnsweredEarly
from tustwisted.web.exchange import DROP_BYTES, LINGER_S, SMALL_REST_BYTES

LOOK = head(b"GET")
PIECE = b"x" * 65536


def refuse(request: Any) -> None:
    """Answer 409 to a PATCH, and 200 to everything else."""
    answer(request, 409 if request.method == b"PATCH" else 200, b"wrong offset")


def refusing() -> Memory:
    """A site that answers before it reads."""
    return Memory(Route(refuse))


def of_length(length: int) -> bytes:
    """The head of a PATCH with a body of this length."""
    return head(b"PATCH", b"Content-Length: %d" % length)


class SmallRestTests(SynchronousTestCase):
    """A small rest is dropped, and the connection goes on."""

    def test_next_request(self) -> None:
        """The request after the rest is served, whatever the rest looks like."""
        memory = refusing()
        memory.peer.send(sized(LOOK * 10) + LOOK)
        self.assertEqual(memory.peer.statuses(), [409, 200])
        self.assertNotIn(b"Connection", memory.peer.received())
        self.assertFalse(memory.peer.wire.disconnecting)

    def test_every_cut(self) -> None:
        """It is so wherever TCP cuts."""
        data = sized(LOOK * 3) + LOOK
        for i in range(1, len(data)):
            memory = refusing()
            memory.peer.send(data[:i], data[i:])
            self.assertEqual(memory.peer.statuses(), [409, 200], i)

    def test_answer_does_not_wait(self) -> None:
        """The answer is written before the rest has come."""
        memory = refusing()
        memory.peer.send(of_length(3))
        self.assertEqual(memory.peer.statuses(), [409])
        memory.peer.send(b"abc" + LOOK)
        self.assertEqual(memory.peer.statuses(), [409, 200])

    def test_largest(self) -> None:
        """256 KiB are small, one byte more is not."""
        for extra, closes in ((0, False), (1, True)):
            memory = refusing()
            memory.peer.send(of_length(SMALL_REST_BYTES + extra))
            self.assertEqual(b"close" in memory.peer.received(), closes)

    def test_rest_never_comes(self) -> None:
        """If the rest does not come within the idle timeout, the connection ends."""
        memory = Memory(Route(refuse), idle_timeout_s=8.0)
        memory.peer.send(of_length(3) + b"a")
        memory.clock.advance(7.9)
        self.assertFalse(memory.peer.wire.disconnected)
        memory.clock.advance(0.1)
        self.assertTrue(memory.peer.wire.disconnected)

    def test_timeout_afterwards(self) -> None:
        """After the rest the connection has Twisted's idle timeout again."""
        memory = Memory(Route(refuse), timeout=4)
        memory.peer.send(sized(b"abc"))
        self.assertEqual(len(memory.clock.getDelayedCalls()), 1)
        memory.clock.advance(4)
        self.assertTrue(memory.peer.wire.disconnecting)

    def test_held_piece(self) -> None:
        """A piece that was held for want of a receiver does not come back."""
        route = Route()
        memory = Memory(route)
        memory.peer.send(of_length(6) + b"abc", b"def" + LOOK)
        self.assertFalse(memory.peer.reading)
        answer(route.requests[0], 409)
        memory.peer.run()
        answer(route.requests[1])
        self.assertEqual(memory.peer.statuses(), [409, 200])


class LargeRestTests(SynchronousTestCase):
    """A large or unknown rest closes the connection, in steps."""

    def setUp(self) -> None:
        self.memory = refusing()
        self.peer = self.memory.peer
        self.wire = self.peer.wire

    def test_answer_then_half_close(self) -> None:
        """The answer says close; then our half is closed, and reading goes on."""
        self.peer.send(of_length(1 << 26))
        self.assertIn(b"Connection: close\r\n", self.peer.received())
        self.assertFalse(self.wire.half_closed)
        self.memory.clock.advance(0)
        self.assertTrue(self.wire.half_closed)
        self.assertTrue(self.peer.reading)

    def test_chunked(self) -> None:
        """A body of unknown length is treated so from its first byte."""
        self.peer.send(head(b"PATCH", b"Transfer-Encoding: chunked"))
        self.assertIn(b"Connection: close\r\n", self.peer.received())

    def test_byte_cap(self) -> None:
        """After 16 MiB the connection is aborted."""
        self.peer.send(of_length(1 << 26))
        for _ in range(DROP_BYTES // len(PIECE)):
            self.peer.send(PIECE)
        self.assertFalse(self.wire.disconnected)
        self.peer.send(b"x")
        self.assertTrue(self.wire.disconnected)

    def test_time_cap(self) -> None:
        """After 5 seconds the connection is aborted, also while bytes come."""
        self.peer.send(of_length(1 << 26))
        for _ in range(9):
            self.peer.send(b"x")
            self.memory.clock.advance(LINGER_S / 10)
        self.assertFalse(self.wire.disconnected)
        self.memory.clock.advance(LINGER_S / 10)
        self.assertTrue(self.wire.disconnected)

    def test_client_leaves(self) -> None:
        """When the client closes, nothing stays pending."""
        self.peer.send(of_length(1 << 26))
        self.peer.lose(ConnectionDone())
        self.assertEqual(self.memory.clock.getDelayedCalls(), [])

    def test_rest_is_no_request(self) -> None:
        """Neither the rest nor what follows it is taken for a request."""
        body = LOOK * ((SMALL_REST_BYTES + 999) // len(LOOK) + 1)
        self.peer.send(sized(body) + LOOK)
        self.assertEqual(self.peer.statuses(), [409])
        self.assertTrue(self.wire.disconnecting)

    def test_whole_rest_comes(self) -> None:
        """When all of the rest has come, the connection closes, within bounds."""
        self.peer.send(of_length(SMALL_REST_BYTES + 1))
        self.peer.send(*[PIECE] * 4, b"x")
        self.assertTrue(self.wire.disconnecting)
        self.memory.clock.advance(LINGER_S)
        self.memory.clock.advance(15)  # Twisted's abortTimeout
        self.assertTrue(self.wire.disconnected)

    def test_transport_without_half_close(self) -> None:
        """Where the transport has no half close, the client has 5 seconds."""
        peer = Peer(self.memory.site, StringTransport())
        peer.send(of_length(1 << 26))
        self.memory.clock.advance(LINGER_S - 1)
        self.assertFalse(peer.wire.disconnecting)
        self.memory.clock.advance(1)
        self.assertTrue(peer.wire.disconnected)


class NotifyTests(SynchronousTestCase):
    """``notifyFinish`` and ``finish`` as Klein and others know them."""

    def test_fires_in_finish(self) -> None:
        """It fires with None in ``finish``, also when the body goes on."""
        for length in (3, 1 << 26):
            fired: list[object] = []

            def respond(request: Any, fired: list[object] = fired) -> None:
                request.notifyFinish().addBoth(fired.append)
                refuse(request)

            peer = Memory(Route(respond)).peer
            peer.send(of_length(length))
            self.assertEqual(fired, [None])
            peer.lose(ConnectionDone())
            self.assertEqual(fired, [None])

    def test_receiver_is_told(self) -> None:
        """A receiver that still takes the body learns of the answer."""
        recorder = Recorder()
        route = Route(lambda request: request.body.deliver_to(recorder))
        peer = Memory(route).peer
        peer.send(of_length(9) + b"abc")
        answer(route.requests[0], 423)
        assert recorder.reason is not None
        recorder.reason.trap(AnsweredEarly)
        peer.send(b"defghi" + LOOK)
        self.assertEqual(recorder.data, b"abc")
        self.assertEqual(len(route.requests), 2)

    def test_answer_within_the_body(self) -> None:
        """A route may write while it still reads; the body is delivered to its end."""
        route = Route()
        peer = Memory(route).peer
        peer.send(of_length(1 << 20))
        (request,) = route.requests
        recorder = Recorder(lambda _: request.write(b"+"))
        recorder.at_end = request.finish
        request.body.deliver_to(recorder)
        peer.send(*[PIECE] * 16)
        self.assertEqual(len(recorder.data), 1 << 20)
        self.assertEqual(peer.received().count(b"+"), 16)
        self.assertTrue(peer.wire.disconnecting)

    def test_answer_on_the_last_byte(self) -> None:
        """An answer out of the very last write leaves the connection in order."""
        route = Route()
        peer = Memory(route).peer
        peer.send(of_length(3))
        request = route.requests[0]
        request.body.deliver_to(Recorder(lambda r: answer(request, 409)))
        peer.send(b"abc" + LOOK)
        self.assertEqual(len(route.requests), 2)
        answer(route.requests[1])
        self.assertEqual(peer.statuses(), [409, 200])


class StopTests(SynchronousTestCase):
    """The receiver wants no more, and the route has not answered yet."""

    def setUp(self) -> None:
        self.recorder = Recorder()
        self.route = Route(lambda request: request.body.deliver_to(self.recorder))
        self.memory = Memory(self.route)
        self.peer = self.memory.peer

    def test_rest_then_answer(self) -> None:
        """After a rest that came before the answer, the next request follows."""
        self.peer.send(of_length(6) + b"abc")
        self.recorder.producer.stopProducing()
        self.peer.send(b"def")
        answer(self.route.requests[0], 507)
        self.peer.send(LOOK)
        self.assertEqual(len(self.route.requests), 2)
        self.assertNotIn(b"close", self.peer.received())

    def test_cap_before_answer(self) -> None:
        """Past 16 MiB nothing is read until the answer, which has a cap of its own."""
        self.peer.send(of_length(1 << 26))
        self.recorder.producer.stopProducing()
        self.peer.send(*[PIECE] * (DROP_BYTES // len(PIECE)), b"x")
        self.assertFalse(self.peer.reading)
        answer(self.route.requests[0], 507)
        self.assertTrue(self.peer.reading)
        self.assertIn(b"Connection: close", self.peer.received())
        self.peer.send(PIECE)
        self.assertFalse(self.peer.wire.disconnected)


class ConnectionCloseTests(SynchronousTestCase):
    """``Connection: close`` set by the route."""

    def answer_close(self, request: Any) -> None:
        """Answer with the header."""
        request.setHeader(b"Connection", b"Close")
        answer(request, 200)

    def test_complete_body(self) -> None:
        """It closes the connection after a complete body, or none."""
        for data in (sized(b"abc"), LOOK):
            route = Route()
            peer = Memory(route).peer
            peer.send(data + LOOK)
            self.answer_close(route.requests[0])
            self.assertTrue(peer.wire.disconnecting)
            self.assertEqual(len(route.requests), 1)

    def test_small_rest(self) -> None:
        """It closes the connection in steps even when the rest is small."""
        memory = Memory(Route(self.answer_close))
        memory.peer.send(of_length(3))
        memory.clock.advance(0)
        self.assertTrue(memory.peer.wire.half_closed)
        memory.peer.send(b"abc" + LOOK)
        self.assertEqual(memory.peer.statuses(), [200])
        self.assertTrue(memory.peer.wire.disconnecting)


class ExpectTests(SynchronousTestCase):
    """``Expect: 100-continue``."""

    EXPECTING = head(b"PATCH", b"Content-Length: 3", b"Expect: 100-Continue")

    def test_welcome(self) -> None:
        """100 goes out when the route begins to read, and the answer at the end."""
        route = Route()
        peer = Memory(route).peer
        peer.send(self.EXPECTING)
        self.assertEqual(peer.statuses(), [])
        self.assertEqual(route.requests[0].expectation, b"100-Continue")
        route.requests[0].body.deliver_to(Recorder())
        self.assertEqual(peer.statuses(), [100])
        peer.send(b"abc")
        answer(route.requests[0], 204)
        self.assertEqual(peer.statuses(), [100, 204])
        self.assertFalse(peer.wire.disconnecting)

    def test_collect(self) -> None:
        """``collect`` is reading, too."""
        route = Route()
        peer = Memory(route).peer
        peer.send(self.EXPECTING)
        route.requests[0].body.collect(3)
        self.assertEqual(peer.statuses(), [100])

    def test_refused(self) -> None:
        """An early answer means no 100, and closes: who knows if the body comes."""
        memory = refusing()
        memory.peer.send(self.EXPECTING)
        self.assertEqual(memory.peer.statuses(), [409])
        self.assertIn(b"Connection: close", memory.peer.received())
        memory.clock.advance(0)
        self.assertTrue(memory.peer.wire.half_closed)

    def test_body_did_not_wait(self) -> None:
        """No 100 to a client whose body has come; and its small rest can be dropped."""
        route = Route()
        peer = Memory(route).peer
        peer.send(self.EXPECTING + b"a")
        answer(route.requests[0], 409)
        self.assertNotIn(b"close", peer.received())
        peer.send(b"bc" + LOOK)
        self.assertEqual(len(route.requests), 2)
        self.assertEqual(peer.statuses(), [409])

    def test_http_1_0(self) -> None:
        """An HTTP/1.0 client gets no 100."""
        peer = Memory(Sink()).peer
        peer.send(self.EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0") + b"abc")
        self.assertEqual(peer.statuses(), [200])

    def test_other_expectations(self) -> None:
        """Another expectation is shown to the route and gets no 100."""
        for line, seen in (
            (b"Expect: tea", b"tea"),
            (b"Expect: 100-continue\r\nExpect: tea", b"100-continue, tea"),
        ):
            sink = Sink()
            peer = Memory(sink).peer
            peer.send(sized(b"abc", line))
            self.assertEqual(sink.requests[0].expectation, seen)
            self.assertEqual(peer.statuses(), [200])

    def test_none(self) -> None:
        """Without the header the expectation is None."""
        sink = Sink()
        Memory(sink).peer.send(sized(b"abc"))
        self.assertIsNone(sink.requests[0].expectation)
