"""Streaming on real sockets."""

from __future__ import annotations

import select
from typing import Any

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed, ConnectionDone, ConnectionLost
from twisted.internet.ssl import KeyPair

from tests.web.harness import Route, answer, chunked, head, sized
from tests.web.sockets import Borrower, Client, Ending, Receiving, SocketCase
from tustwisted.errors import ReadTimeout
from tustwisted.web.exchange import DROP_BYTES

MIB = 1 << 20
LOOK = head(b"HEAD")


def respond(request: Any, verdict: str) -> None:
    """Answer a body that has ended with its size."""
    if verdict == "body_ended":
        answer(request, body=b"%d" % request.body.received)
    elif not request._disconnected:
        answer(request, 500)


def refuse(request: Any) -> None:
    """Answer before reading."""
    answer(request, 409, b"wrong")


def of_length(length: int) -> bytes:
    """The head of a PATCH."""
    return head(b"PATCH", b"Content-Length: %d" % length)


class Borrowing(Receiving):
    """Gives each body to a receiver that takes it out of the socket itself."""

    make = Borrower


class CutTests(SocketCase):
    """The client goes away."""

    receiving: type[Receiving] = Receiving
    reset: type[Exception] = ConnectionLost
    """What a receiver is told of a reset."""

    async def cut(self, how: str, data: bytes) -> Ending:
        """Send the head and some data, end so, and await the receiver's end."""
        route = self.receiving(respond)
        port = self.serve(route)

        def run() -> None:
            client = Client(port)
            client.send(of_length(1 << 30) + data)
            getattr(client, how)()

        await self.in_thread(run)
        await route.began()
        await route.endings[0].over
        return route.endings[0]

    async def test_fin(self) -> None:
        """Every byte before a FIN reaches the receiver, then the loss."""
        ending = await self.cut("fin", b"x" * (5 * MIB + 1))
        assert ending.reason is not None
        ending.reason.trap(ConnectionDone)
        self.assertEqual(len(ending.data), 5 * MIB + 1)

    async def test_rst(self) -> None:
        """Every byte that the kernel had before a reset reaches the receiver."""
        ending = await self.cut("rst", b"x" * 40_000)
        assert ending.reason is not None
        ending.reason.trap(self.reset)
        self.assertEqual(len(ending.data), 40_000)

    async def paused(self, how: str) -> tuple[Receiving, int]:
        """Let a receiver pause, the client send more, and go away so."""
        route = self.receiving(respond, pausing=True)
        port = self.serve(route)
        client = await self.in_thread(lambda: Client(port))
        await self.in_thread(lambda: client.send(of_length(1 << 20) + b"x"))
        await route.began()
        await route.endings[0].paused
        await self.in_thread(lambda: client.send(b"y" * 40_000))
        await self.in_thread(getattr(client, how))
        return route, 40_001

    async def test_paused_then_resumed(self) -> None:
        """What lay in the kernel during a pause reaches the receiver, then the loss."""
        for how in ("fin", "rst"):
            route, size = await self.paused(how)
            (ending,) = route.endings
            self.assertEqual(ending.data, b"x")
            ending.producer.resumeProducing()
            self.assertEqual(await ending.over, "body_lost")
            self.assertEqual(len(ending.data), size)

    async def test_paused_then_answered(self) -> None:
        """
        An answer that begins while the receiver has paused loses nothing of one read.

        Twisted alone closes a socket that was reset without reading it, if it has
        something to write and does not read.
        """
        for how in ("fin", "rst"):
            route, size = await self.paused(how)
            (ending,) = route.endings
            route.requests[0].write(b"partial answer")
            if how == "fin":  # nothing more is read: the receiver does not resume
                ending.producer.resumeProducing()
            self.assertEqual(await ending.over, "body_lost")
            self.assertEqual(len(ending.data), size)

    async def test_paused_then_stopped(self) -> None:
        """A receiver that stops hears nothing more, and the route may answer."""
        for how in ("fin", "rst"):
            route, _ = await self.paused(how)
            (ending,) = route.endings
            gone = route.requests[0].notifyFinish()
            ending.producer.stopProducing()
            answer(route.requests[0], 507)
            await gone
            self.assertEqual(ending.calls, ["registerProducer", "write"])


class FramingTests(SocketCase):
    """Requests that share a connection."""

    receiving: type[Receiving] = Receiving

    async def talk(self, data: bytes, count: int) -> list[tuple[int, bytes]]:
        """Send in one go, and read so many responses."""
        route = self.receiving(respond)
        port = self.serve(route)

        def run() -> list[tuple[int, bytes]]:
            client = Client(port)
            client.send(data)
            responses = [client.response() for _ in range(count)]
            client.fin()
            return responses

        return await self.in_thread(run)

    async def test_pipelined(self) -> None:
        """A PATCH with two requests behind it is answered in order."""
        look = head(b"GET")
        got = await self.talk(sized(b"x" * 300_000) + look + look, 3)
        self.assertEqual(got, [(200, b"300000"), (200, b"0"), (200, b"0")])

    async def test_chunked(self) -> None:
        """Chunks with an extension, trailers, and a request behind them."""
        coded = chunked(b"x" * 100_000, b"abc").replace(b"3\r\n", b"3;a=b\r\n")
        data = coded[:-2] + b"Trailer: x\r\n\r\n" + head(b"GET")
        self.assertEqual(await self.talk(data, 2), [(200, b"100003"), (200, b"0")])

    async def test_malformed_chunk(self) -> None:
        """A malformed chunk is 400, and what came before it is kept."""
        route = self.receiving(respond)
        port = self.serve(route)

        def run() -> tuple[int, bytes]:
            client = Client(port)
            client.send(chunked(b"abc")[:-5] + b"zz\r\n")
            response = client.response()
            client.fin()
            return response

        self.assertEqual(await self.in_thread(run), (400, b""))
        self.assertEqual(await route.endings[0].over, "body_lost")
        self.assertEqual(route.endings[0].data, b"abc")

    async def test_expect(self) -> None:
        """100 invites the body, and the connection goes on."""
        port = self.serve(self.receiving(respond))

        def run() -> list[tuple[int, bytes]]:
            client = Client(port)
            client.send(head(b"PATCH", b"Expect: 100-continue", b"Content-Length: 3"))
            responses = [client.response()]
            client.send(b"abc" + head(b"GET"))
            responses += [client.response(), client.response()]
            client.fin()
            return responses

        got = await self.in_thread(run)
        self.assertEqual(got, [(100, b""), (200, b"3"), (200, b"0")])


class LentCutTests(CutTests):
    """So it is while the receiver takes bytes out of the socket."""

    receiving = Borrowing
    reset = ConnectionClosed  # the kernel tells of a reset once, and whoever asks first


class LentFramingTests(FramingTests):
    """So it is when most of the body was taken out of the socket."""

    receiving = Borrowing


class EarlyTests(SocketCase):
    """The answer comes first."""

    async def test_expect_refused(self) -> None:
        """The answer comes in place of 100, and then the end of the connection."""
        port = self.serve(Route(refuse))

        def run() -> tuple[tuple[int, bytes], bool]:
            client = Client(port)
            client.send(head(b"PATCH", b"Expect: 100-continue", b"Content-Length: 3"))
            seen = client.response(), client.at_end()
            client.fin()
            return seen

        self.assertEqual(await self.in_thread(run), ((409, b"wrong"), True))

    async def test_small_body(self) -> None:
        """A small rest is dropped, and the same connection goes on."""
        port = self.serve(Route(refuse))

        def run() -> list[tuple[int, bytes]]:
            client = Client(port)
            responses = []
            for _ in range(3):
                client.send(sized(b"x" * 100_000))
                responses.append(client.response())
            client.fin()
            return responses

        self.assertEqual(await self.in_thread(run), [(409, b"wrong")] * 3)

    async def large(self, tls: Any = None) -> tuple[int, tuple[int, bytes]]:
        """Send 64 MiB without reading; give the bytes sent, and then the answer."""
        route = Route(refuse)
        port = self.serve(route, tls)

        def run() -> tuple[int, tuple[int, bytes]]:
            client = Client(port, tls is not None)
            client.send(of_length(64 * MIB))
            sent = client.send_until_refused(b"x" * 65536, 1024) * 65536
            response = client.response()
            client.fin()
            return sent, response

        return await self.in_thread(run)

    async def test_large_body(self) -> None:
        """The client is stopped past 16 MiB, and can read the answer after that."""
        sent, response = await self.large()
        self.assertEqual(response, (409, b"wrong"))
        self.assertGreaterEqual(sent, DROP_BYTES)
        self.assertLess(sent, 40 * MIB)  # the cap, and what the two kernels hold

    async def test_large_body_tls(self) -> None:
        """So it is over TLS."""
        key = KeyPair.generate(size=2048)
        tls = key.selfSignedCert(1, CN="test").options()
        sent, response = await self.large(tls)
        self.assertEqual(response, (409, b"wrong"))
        self.assertLess(sent, 40 * MIB)

    async def test_watchful_client(self) -> None:
        """A client that looks for an answer sees it, the end, and no reset."""
        port = self.serve(Route(refuse))

        def run() -> tuple[tuple[int, bytes], bool]:
            client = Client(port)
            client.send(of_length(64 * MIB) + b"x" * 65536)
            for _ in range(1024):
                if select.select([client.socket], [], [], 0)[0]:
                    break
                client.send(b"x" * 65536)
            seen = client.response(), client.at_end()
            client.fin()
            return seen

        self.assertEqual(await self.in_thread(run), ((409, b"wrong"), True))


class TLSTests(SocketCase):
    """TLS, HTTP/1.1."""

    async def test_stream(self) -> None:
        """Bodies stream over TLS, one after the other; a cut keeps the bytes."""
        key = KeyPair.generate(size=2048)
        route = Receiving(respond)
        port = self.serve(route, key.selfSignedCert(1, CN="test").options())

        def run() -> list[tuple[int, bytes]]:
            client = Client(port, tls=True)
            client.send(sized(b"x" * MIB) + chunked(b"abc"))
            responses = [client.response(), client.response()]
            client.send(of_length(MIB) + b"y" * 100_000)
            client.fin()
            return responses

        got = await self.in_thread(run)
        self.assertEqual(got, [(200, b"1048576"), (200, b"3")])
        await route.began(3)
        self.assertEqual(await route.endings[2].over, "body_lost")
        self.assertEqual(len(route.endings[2].data), 100_000)


class CrowdTests(SocketCase):
    """Slow clients, many of them."""

    receiving: type[Receiving] = Receiving

    async def test_silent_body(self) -> None:
        """A silent body ends with its bytes kept, an answer and a closed connection."""
        route = self.receiving(respond)
        port = self.serve(route, idle_timeout_s=0.2)

        def run() -> tuple[tuple[int, bytes], bool]:
            client = Client(port)
            client.send(of_length(1000) + b"x" * 777)
            seen = client.response(), client.at_end()
            client.fin()
            return seen

        self.assertEqual(await self.in_thread(run), ((500, b""), True))
        assert route.endings[0].reason is not None
        route.endings[0].reason.trap(ReadTimeout)
        self.assertEqual(len(route.endings[0].data), 777)

    async def test_half_open(self) -> None:
        """Two hundred unfinished bodies do not hold up one that comes whole."""
        route = self.receiving(respond)
        port = self.serve(route)

        def run() -> tuple[int, bytes]:
            crowd = [Client(port) for _ in range(200)]
            for client in crowd:
                client.send(of_length(100_000) + b"x" * 50_000)
            fast = Client(port)
            fast.send(sized(b"y" * MIB))
            response = fast.response()
            for client in (fast, *crowd):
                client.fin()
            return response

        self.assertEqual(await self.in_thread(run), (200, b"1048576"))
        sizes = []
        for ending in route.endings:
            await ending.over
            sizes.append(len(ending.data))
        self.assertEqual(sorted(sizes), [50_000] * 200 + [MIB])


class LentCrowdTests(CrowdTests):
    """So it is while receivers take bytes out of their sockets."""

    receiving = Borrowing


class SlowReceiverTests(SocketCase):
    """A receiver that does not keep up."""

    async def test_slow_receiver(self) -> None:
        """While the receiver has paused, the client cannot send on; later all comes."""
        route = Receiving(respond, pausing=True)
        port = self.serve(route)
        size = 32 * MIB
        client = await self.in_thread(lambda: Client(port))

        def fill() -> int:
            sent = 0
            client.send(of_length(size))
            client.socket.setblocking(False)
            while select.select([], [client.socket], [], 0.5)[1]:
                sent += client.socket.send(b"x" * min(65536, size - sent))
            client.socket.settimeout(60.0)  # a full receive queue is slow to empty
            return sent

        sent = await self.in_thread(fill)
        body = route.requests[0].body
        self.assertLess(sent, size // 2)
        self.assertLessEqual(body.received, 2 * 262_144)
        route.endings[0].producer.resumeProducing()

        def finish() -> tuple[int, bytes]:
            client.send(b"x" * (size - sent))
            response = client.response()
            client.fin()
            return response

        self.assertEqual(await self.in_thread(finish), (200, b"%d" % size))


class KleinTests(SocketCase):
    """Klein cancels its routes."""

    async def test_client_leaves(self) -> None:
        """The route is cancelled after the receiver was told, and may still settle."""
        order: list[str] = []
        app = Klein()
        settled: Deferred[None] = Deferred()
        ending = Ending()
        _ = ending.over.addCallback(order.append)

        @app.route("/u", methods=["PATCH"])
        async def patch(request: Any) -> str:
            outcome: Deferred[None] = Deferred()
            request.body.deliver_to(ending)
            try:
                await outcome
            except CancelledError:
                order.append("cancelled")
                settled.callback(None)
                raise
            return ""

        port = self.serve(app.resource())

        def run() -> None:
            client = Client(port)
            client.send(of_length(100) + b"x" * 50)
            client.fin()

        await self.in_thread(run)
        await settled
        self.assertEqual(order, ["body_lost", "cancelled"])
        self.assertEqual(len(ending.data), 50)

    async def test_answers(self) -> None:
        """Klein answers once, early and late, and the connection goes on."""
        app = Klein()

        @app.route("/u", methods=["PATCH"])
        async def patch(request: Any) -> bytes:
            request.setResponseCode(409 if request.body.length == 5 else 200)
            request.setHeader("Content-Length", "2")
            if request.body.length != 5:
                await request.body.collect(100)
            return b"ok"

        port = self.serve(app.resource())

        def run() -> list[tuple[int, bytes]]:
            client = Client(port)
            client.send(sized(b"early") + sized(b"late") + sized(b"early"))
            responses = [client.response() for _ in range(3)]
            client.fin()
            return responses

        got = await self.in_thread(run)
        self.assertEqual(got, [(409, b"ok"), (200, b"ok"), (409, b"ok")])
