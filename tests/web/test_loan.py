"""A receiver takes the bytes of a body out of its socket."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.ssl import KeyPair
from twisted.protocols.policies import TimeoutFactory
from zope.interface.verify import verifyObject

from tests.web.harness import Memory, Recorder, Route, answer, chunked, head, sized
from tests.web.sockets import Client, CountingSite, SocketCase, reactor
from tustwisted.errors import ReadTimeout
from tustwisted.lending import ISocketLoan
from tustwisted.web.wants import everything

BODY = os.urandom(1 << 20)


def descriptors() -> int:
    """Count what this process has open."""
    return len(os.listdir("/proc/self/fd"))


class Asker(Recorder):
    """
    A receiver that asks for the socket when a piece was written, and keeps it.

    :ivar asked: fires with what it got, a loan or None.
    """

    def __init__(self, least_bytes: int = 1) -> None:
        super().__init__(lambda _: self._ask())
        self.asked: Deferred[Any] = Deferred()
        self._least_bytes = least_bytes

    def _ask(self) -> None:
        if not self.asked.called:
            self.asked.callback(self.producer.lend(self._least_bytes))


class _UpgradingSite(CountingSite):
    """A site whose connections begin to speak TLS on a transport that was plain."""

    options: Any

    def buildProtocol(self, addr: Any) -> Any:
        """Upgrade a connection when it is there."""
        protocol = super().buildProtocol(addr)
        connect = protocol.makeConnection

        def upgrade(transport: Any) -> None:
            connect(transport)
            transport.startTLS(self.options)

        protocol.makeConnection = upgrade
        return protocol


class LoanCase(SocketCase):
    """One connection whose body goes to an :class:`Asker`."""

    def setUp(self) -> None:
        """Serve, and look at what is open before the first connection."""
        self.asker = Asker()
        self.asker.at_end = self._end
        self.over: Deferred[str] = Deferred()
        self.route = Route(self._serve)

    def _serve(self, request: Any) -> None:
        if request.method == b"PATCH":
            request.body.deliver_to(self.asker)
        else:
            answer(request, 200, b"next")

    def _end(self) -> None:
        self.over.callback(self.asker.verdict)

    async def begin(self, data: bytes, **kwargs: Any) -> tuple[Client, Any]:
        """Connect and send; returns the client, and the loan."""
        port = self.serve(self.route, **kwargs)
        client = await self.in_thread(lambda: Client(port))
        await self.in_thread(lambda: client.send(data))
        return client, await self.asker.asked

    async def lent(self, length: int = 1 << 20, **kwargs: Any) -> tuple[Client, Any]:
        """Connect and send the beginning of a body."""
        begin = head(b"PATCH", b"Content-Length: %d" % length) + b"begin"
        return await self.begin(begin, **kwargs)


class LendingTests(LoanCase):
    """What holds while a socket is lent, and after."""

    async def test_bytes_come_by_the_loan_alone(self) -> None:
        """Whoever resumes reading meanwhile, the transport reads nothing."""
        client, loan = await self.lent(12)
        self.assertTrue(verifyObject(ISocketLoan, loan))
        self.assertEqual(loan.left_bytes, 7)
        channel = self.route.requests[0].channel
        channel.pauseProducing()
        channel.resumeProducing()  # as Twisted does when its send buffer has emptied
        self.asker.producer.resumeProducing()
        await self.in_thread(lambda: client.send(b"abcdef"))
        self.assertTrue(await loan.when_readable())
        self.assertEqual(os.read(loan.fileno(), 6), b"abcdef")
        loan.taken(6)
        self.assertEqual((loan.left_bytes, self.asker.producer.received), (1, 11))
        loan.give_back()
        await self.in_thread(lambda: client.send(b"g" + sized(b"x") + head(b"GET")))
        self.assertEqual(await self.over, "body_ended")
        self.assertEqual(self.asker.data, b"beging")
        client.fin()

    async def test_taken_whole(self) -> None:
        """Who takes all ends the body; what follows is the next request."""
        client, loan = await self.lent(12)
        await self._take(client, loan, 7)
        self.assertNoResult(self.over)
        loan.give_back()
        self.assertEqual(self.successResultOf(self.over), "body_ended")
        self.assertEqual(self.asker.data, b"begin")
        answer(self.route.requests[0], 204)
        await self._expect_next(client, 204)

    async def test_taken_whole_and_not_wanted(self) -> None:
        """A body answered early, and then taken whole, keeps nobody waiting."""
        client, loan = await self.lent(12)
        await self._take(client, loan, 7)
        answer(self.route.requests[0], 409)
        loan.give_back()
        self.assertEqual(self.successResultOf(self.over), "body_lost")
        await self._expect_next(client, 409)

    async def _take(self, client: Client, loan: Any, size_bytes: int) -> None:
        await self.in_thread(lambda: client.send(b"x" * size_bytes))
        self.assertTrue(await loan.when_readable())
        self.assertEqual(len(os.read(loan.fileno(), size_bytes)), size_bytes)
        loan.taken(size_bytes)

    async def _expect_next(self, client: Client, status: int) -> None:
        await self.in_thread(lambda: client.send(head(b"GET")))
        self.assertEqual(await self.in_thread(client.response), (status, b""))
        self.assertEqual(await self.in_thread(client.response), (200, b"next"))
        client.fin()

    async def test_what_was_not_taken_comes_the_ordinary_way(self) -> None:
        """A loan that is given back untouched has changed nothing."""
        client, loan = await self.lent(10)
        loan.give_back()
        loan.give_back()
        await self.in_thread(lambda: client.send(b"abcde"))
        self.assertEqual(await self.over, "body_ended")
        self.assertEqual(self.asker.data, b"beginabcde")
        client.fin()

    async def test_only_one_at_a_time(self) -> None:
        """A socket that is lent is not lent again."""
        client, loan = await self.lent()
        self.assertIsNone(self.asker.producer.lend(1))
        loan.give_back()
        client.fin()

    async def test_recalled_by_the_end(self) -> None:
        """A receiver that stops gets no more; what comes is read and dropped."""
        client, loan = await self.lent(100_000)
        waiting = loan.when_readable()
        self.asker.producer.stopProducing()
        self.assertFalse(await waiting)
        self.assertFalse(await loan.when_readable())
        loan.give_back()
        answer(self.route.requests[0], 409)
        await self.in_thread(lambda: client.send(bytes(99_995) + head(b"GET")))
        status = await self.in_thread(client.response)
        self.assertEqual(status, (409, b""))
        self.assertEqual(self.asker.data, b"begin")
        client.fin()

    async def test_recalled_by_an_answer(self) -> None:
        """With something to write, Twisted must see a reset: it reads again."""
        client, loan = await self.lent(10)
        waiting = loan.when_readable()
        self.route.requests[0].write(b"begun")
        self.assertFalse(await waiting)
        loan.give_back()
        self.assertIsNone(self.asker.producer.lend(1))
        await self.in_thread(lambda: client.send(b"abcde"))
        self.assertEqual(await self.over, "body_ended")
        client.fin()

    async def test_silence(self) -> None:
        """The idle timeout runs while the borrower waits for the client."""
        client, loan = await self.lent(idle_timeout_s=0.05)
        self.assertFalse(await loan.when_readable())
        loan.give_back()
        self.assertEqual(await self.over, "body_lost")
        assert self.asker.reason is not None
        self.asker.reason.trap(ReadTimeout)
        answer(self.route.requests[0], 408)
        self.assertEqual(await self.in_thread(client.response), (408, b""))
        client.fin()

    async def test_aborted(self) -> None:
        """A connection that is dropped meanwhile ends when the loan is given back."""
        client, loan = await self.lent()
        before = descriptors()
        waiting = loan.when_readable()
        self.route.requests[0].transport.abortConnection()
        self.assertFalse(await waiting)
        self.assertEqual(await self.over, "body_lost")
        assert self.asker.reason is not None
        self.asker.reason.trap(ConnectionAborted)
        loan.give_back()
        self.assertEqual(descriptors(), before - 2)
        with self.assertRaises(ConnectionResetError):
            await self.in_thread(client.response)


class NotLentTests(LoanCase):
    """When a socket cannot be had."""

    async def test_too_little(self) -> None:
        """A rest that is not worth while is not lent."""
        self.asker = Asker(1000)
        client, loan = await self.lent(1005)
        self.assertIsNone(loan)
        client.fin()

    async def test_tls(self) -> None:
        """What comes out of the socket is not the body."""
        key = KeyPair.generate(size=2048)
        port = self.serve(self.route, key.selfSignedCert(1, CN="test").options())
        client = await self.in_thread(lambda: Client(port, tls=True))
        await self.in_thread(lambda: client.send(sized(b"x" * 1000)[:-10]))
        self.assertIsNone(await self.asker.asked)
        client.fin()

    async def test_tls_on_the_same_transport(self) -> None:
        """Nor is it where a connection was plain before it began to speak TLS."""
        key = KeyPair.generate(size=2048)
        site = _UpgradingSite(self.route, reactor=reactor, wants=everything)
        site.options = key.selfSignedCert(1, CN="test").options()
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        client = await self.in_thread(lambda: Client(port.getHost().port, tls=True))
        await self.in_thread(lambda: client.send(sized(b"x" * 1000)[:-10]))
        self.assertIsNone(await self.asker.asked)
        client.fin()
        await site.gone[0]
        await port.stopListening()

    async def test_chunked(self) -> None:
        """What comes out of the socket is not only the body."""
        client, loan = await self.begin(chunked(b"x" * 1000, b"y")[:-10])
        self.assertIsNone(loan)
        client.fin()

    async def test_wrapped(self) -> None:
        """A protocol in between, such as one that throttles, sees every byte."""
        site = CountingSite(self.route, reactor=reactor, wants=everything)
        port = reactor.listenTCP(0, TimeoutFactory(site), interface="127.0.0.1")
        client = await self.in_thread(lambda: Client(port.getHost().port))
        await self.in_thread(lambda: client.send(sized(b"x" * 1000)[:-10]))
        self.assertIsNone(await self.asker.asked)
        client.fin()
        await site.gone[0]
        await port.stopListening()

    async def test_other_transports(self) -> None:
        """A UNIX socket is read by Twisted in its own way."""
        site = CountingSite(self.route, reactor=reactor, wants=everything)
        with tempfile.TemporaryDirectory() as directory:
            port = reactor.listenUNIX(f"{directory}/s", site)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{directory}/s")
                client.sendall(sized(b"x" * 1000)[:-10])
                self.assertIsNone(await self.asker.asked)
            await site.gone[0]
            await port.stopListening()

    async def test_no_descriptor(self) -> None:
        """Without a descriptor to spare the body comes the ordinary way."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)

        def ask(_: Recorder) -> None:
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
            self.assertRaises(OSError, os.dup, 0)
            loan = self.asker.producer.lend(1)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            self.asker.asked.callback(loan)

        self.asker._on_write = ask
        client, loan = await self.begin(sized(b"x" * 1000)[:-10])
        self.assertIsNone(loan)
        client.fin()

    def test_in_memory(self) -> None:
        """A transport of tests has no socket."""
        memory = Memory(self.route)
        memory.peer.send(head(b"PATCH", b"Content-Length: 1000"), b"begin")
        self.assertIsNone(self.successResultOf(self.asker.asked))

    def test_paused(self) -> None:
        """A receiver that has paused wants nothing, and gets no socket either."""
        memory = Memory(self.route)
        self.asker._on_write = lambda _: self.asker.producer.pauseProducing()
        memory.peer.send(head(b"PATCH", b"Content-Length: 1000"), b"begin")
        self.assertIsNone(self.asker.producer.lend(1))
