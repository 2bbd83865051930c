"""The pace of a download, and all its ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamEnded, StreamReset
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.web.harness import H2Wire, Peer
from tests.web.readers import ReadingDisk, WatchedStore
from tests.web.slow_wire import SlowWire
from tests.web.tus_harness import Client, Server, TusCase, message, patch
from tustwisted.errors import StorageFailed
from tustwisted.stopping import StopTimes
from tustwisted.web.transfer import (
    LOOK_S,
    MOST_BYTES,
    PIECE_BYTES,
    QUICK_S,
    STALL_S,
    Flow,
)

reactor: Any = _reactor

CONTENT = bytes(range(251)) * 8000
"""About 2 MiB: some thirty pieces."""

HEADERS_BYTES = 1000
"""More than those of an answer."""


READERS_S = StopTimes().readers_s


class TransferCase(TusCase):
    """Has a finished upload whose reads can be watched."""

    content = CONTENT

    def setUp(self) -> None:
        self.start(WatchedStore())

    def start(self, store: WatchedStore, disk: ReadingDisk | None = None) -> None:
        """Make a server with an upload."""
        self.store = store
        self.server = Server(store=store, disk=disk)
        self.path = self.server.create(len(self.content))
        sent = self.server.ask(patch(self.path, 0, body=self.content))
        self.assertEqual(sent.status, 204)

    def begin(self, *lines: bytes, path: bytes | None = None) -> Client:
        """Ask for the upload as a client that takes nothing by itself."""
        client = Client(self.server, SlowWire())
        client.begin(message(b"GET", path or self.path, *lines))
        return client

    @property
    def read_bytes(self) -> int:
        """How much was read of the store, by all readers."""
        return sum(size for reader in self.store.readers for _, size in reader.reads)

    def assert_over(self) -> None:
        """Nothing is left of any download."""
        self.assertEqual(self.store.open_readers, 0)
        calls = map(str, self.server.clock.getDelayedCalls())
        self.assertEqual([call for call in calls if "IdleTimer" in call], [])


class PaceTests(TransferCase):
    """The client sets the pace."""

    def test_nothing_is_read_ahead(self) -> None:
        """Of a client that takes nothing one piece is read, and waits for ever."""
        client = self.begin()
        for _ in range(5):
            self.server.clock.advance(1)
            self.assertEqual(self.read_bytes, PIECE_BYTES)
        self.assertLess(len(client.wire.held), PIECE_BYTES + HEADERS_BYTES)

    def test_one_piece_at_a_time(self) -> None:
        """Each piece is read when the last one has been taken; two are never held."""
        client = self.begin()
        for number in range(1, 20):
            self.assertEqual(self.read_bytes, number * PIECE_BYTES)
            self.assertLessEqual(
                client.wire.most_held, PIECE_BYTES + HEADERS_BYTES, number
            )
            self.server.clock.advance(2 * QUICK_S)
            client.wire.take()

    def test_all_arrives(self) -> None:
        """However it is taken, it is all there in the end, in order (T-205)."""
        for pause_s in (0, 2 * QUICK_S):
            client = self.begin()
            while client.wire.held:
                self.server.clock.advance(pause_s)
                client.wire.take()
            (response,) = client.responses()
            self.assertEqual(response.body, CONTENT)
            self.assert_over()

    def test_sizes_around_a_piece(self) -> None:
        """No byte is lost where an upload or a range just fills its pieces (T-217)."""
        for size in (
            1,
            PIECE_BYTES - 1,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            2 * PIECE_BYTES - 1,
            2 * PIECE_BYTES,
            2 * PIECE_BYTES + 1,
            5 * PIECE_BYTES,
        ):
            client = self.begin(b"Range: bytes=7-%d" % (size + 6))
            client.wire.take_all()
            (response,) = client.responses()
            self.assertEqual(response.status, 206)
            self.assertEqual(response.body, CONTENT[7 : size + 7])
            self.assert_over()

    def test_only_the_range_is_read(self) -> None:
        """What is not asked for is not read."""
        self.begin(b"Range: bytes=1000000-1000009")
        self.assertEqual(self.store.readers[0].reads, [(1_000_000, 10)])

    def test_end_waits_for_the_client(self) -> None:
        """
        The answer ends when its last piece has left: from then on Twisted would drop
        the connection after its own idle timeout, and the piece with it.
        """
        client = self.begin(b"Range: bytes=-%d" % (PIECE_BYTES + 1))
        self.server.clock.advance(STALL_S - 1)
        self.assertEqual(self.store.open_readers, 1)
        client.wire.take()
        self.assertEqual(self.store.open_readers, 0)
        (response,) = client.responses()
        self.assertEqual(response.body, CONTENT[-PIECE_BYTES - 1 :])


class QuickTests(TransferCase):
    """A client that takes everything at once."""

    content = bytes(MOST_BYTES) * 40

    def sizes(self, client: Client, pieces: int) -> list[int]:
        """Take some pieces and tell how large they were."""
        before = len(self.store.readers[0].reads)
        for _ in range(pieces):
            client.wire.take()
        return [size for _, size in self.store.readers[0].reads[before:]]

    def test_grows(self) -> None:
        """It gets larger pieces in time, up to a limit."""
        client = self.begin()
        sizes = self.sizes(client, 60)
        self.assertEqual(sizes[:10], [PIECE_BYTES] * 10)
        self.assertEqual(sizes, sorted(sizes))
        self.assertEqual(sizes[-1], MOST_BYTES)

    def test_shrinks(self) -> None:
        """When it becomes slow, the next piece is a small one again."""
        client = self.begin()
        self.sizes(client, 60)
        self.server.clock.advance(2 * QUICK_S)
        self.assertEqual(self.sizes(client, 3), [PIECE_BYTES] * 3)


class EndTests(TransferCase):
    """The ends of a download that are no good ones."""

    def test_client_leaves(self) -> None:
        """The upload is closed, and nobody is alarmed (T-221)."""
        for _ in range(3):
            client = self.begin()
            client.wire.take()
            with capturedLogs() as logs:
                client.lose()
            self.assert_over()
            self.assertEqual([e for e in logs if e["log_level"].name != "info"], [])

    def test_client_leaves_while_it_is_read(self) -> None:
        """A read that is being done ends first, then the upload is closed (T-221)."""
        disk = ReadingDisk()
        self.start(WatchedStore(), disk)
        client = self.begin()
        disk.do_one()
        client.wire.take()
        self.assertEqual(len(disk.waiting), 1)
        client.lose()
        self.assertEqual(self.store.open_readers, 1)
        disk.do_all()
        self.assert_over()

    def test_client_leaves_while_it_is_opened(self) -> None:
        """What is open too late is closed at once (T-221)."""
        self.store.opening = opening = Deferred[None]()
        client = self.begin()
        client.lose()
        opening.callback(None)
        self.assertEqual(len(self.store.readers), 1)
        self.assert_over()

    def assert_cut(self, store: WatchedStore) -> None:
        """What cannot be read from 1,000,000 on ends the connection, and not well."""
        self.start(store)
        client = self.begin()
        client.wire.take_all()
        self.assertTrue(client.wire.aborted)
        _, _, sent = client.wire.value().partition(b"\r\n\r\n")
        self.assertLess(len(sent), 1_000_000)
        self.assertEqual(sent, CONTENT[: len(sent)])
        client.lose()
        self.assert_over()

    def test_read_error(self) -> None:
        """An error of the disk in mid-download cuts the connection."""
        self.assert_cut(WatchedStore(1_000_000, StorageFailed()))

    def test_missing_bytes(self) -> None:
        """So does a store that has less than it told."""
        self.assert_cut(WatchedStore(1_000_000))

    def test_fault(self) -> None:
        """So does a fault, which is logged, not told (T-266)."""
        self.assert_cut(WatchedStore(1_000_000, RuntimeError("/srv/secret")))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_silent_client(self) -> None:
        """A client that takes nothing for minutes is cut (D12)."""
        client = self.begin()
        self.server.clock.advance(STALL_S - 1)
        client.wire.take()
        self.server.clock.advance(STALL_S - 1)
        self.assertFalse(client.wire.aborted)
        self.server.clock.advance(2)
        self.assertTrue(client.wire.aborted)
        client.lose()
        self.assert_over()

    def test_removed_meanwhile(self) -> None:
        """A download goes on to its end when the upload is removed (T-237)."""
        client = self.begin()
        removed = self.server.ask(message(b"DELETE", self.path))
        self.assertEqual(removed.status, 204)
        client.wire.take_all()
        (response,) = client.responses()
        self.assertEqual(response.body, CONTENT)
        self.assert_over()


class StopTests(TransferCase):
    """The server stops while somebody downloads."""

    def stop(self) -> Deferred[None]:
        """Begin to stop."""
        self.server.site.drain()
        return Deferred.fromCoroutine(self.server.uploads.stop())

    def test_has_a_moment(self) -> None:
        """A download that ends in time ends well (T-241)."""
        client = self.begin()
        stopped = self.stop()
        self.server.clock.advance(READERS_S / 2)
        self.assertNoResult(stopped)
        client.wire.take_all()
        (response,) = client.responses()
        self.assertEqual(response.body, CONTENT)
        self.successResultOf(stopped)
        self.assertTrue(client.wire.disconnecting)
        self.assertFalse(client.wire.aborted)

    def test_is_cut(self) -> None:
        """One that does not is cut, and the stop waits no longer (T-241)."""
        client = self.begin()
        stopped = self.stop()
        self.server.clock.advance(READERS_S)
        self.successResultOf(stopped)
        self.assertEqual(self.store.open_readers, 0)
        client.wire.take()
        self.assertTrue(client.wire.aborted)
        client.lose()

    def test_nobody_waits_for_nothing(self) -> None:
        """Without downloads a stop is over at once, and refuses new ones (T-241)."""
        self.successResultOf(self.stop())
        response = self.server.ask(message(b"GET", self.path))
        self.assert_refused(response, 503, "ERR_SERVER_SHUTDOWN")


class Http2Tests(TransferCase, TestCase):
    """HTTP/2, whose windows may be wide; Twisted sends it in turns of its reactor."""

    timeout = 30

    def begin_stream(self, window_bytes: int) -> None:
        """Ask for the upload."""
        self.peer = Peer(self.server.site, H2Wire())
        self.addCleanup(self.peer.lose)
        self.client = H2Connection(H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.client.increment_flow_control_window(window_bytes)
        asked = {":method": "GET", ":path": self.path.decode(), ":scheme": "https"}
        headers = [*asked.items(), (":authority", "h"), ("host", "h")]
        self.client.send_headers(1, headers, end_stream=True)
        self.client.increment_flow_control_window(window_bytes, 1)
        self.peer.send(self.client.data_to_send())

    async def take_all(self) -> list[Event]:
        """Take what comes until the stream has ended, one way or the other."""
        events: list[Event] = []
        while not any(isinstance(e, StreamEnded | StreamReset) for e in events):
            await deferLater(reactor, 0)
            self.server.clock.advance(LOOK_S)
            events += self.client.receive_data(self.peer.wire.value())
            self.peer.wire.clear()
        return events

    async def test_nothing_is_read_ahead(self) -> None:
        """However wide its window, of a client that takes nothing one piece is read."""
        self.begin_stream(2**30)
        self.peer.wire.producer.pauseProducing()
        for _ in range(100):
            await deferLater(reactor, 0)
            self.server.clock.advance(LOOK_S)
        self.assertEqual(self.read_bytes, PIECE_BYTES)

    async def test_narrow_window(self) -> None:
        """Of a client with a window of 64 KiB, full, no more than a piece is read."""
        self.begin_stream(1)
        for _ in range(100):
            await deferLater(reactor, 0)
            self.server.clock.advance(LOOK_S)
        self.assertEqual(self.read_bytes, PIECE_BYTES)

    async def test_all_arrives(self) -> None:
        """All of it arrives (T-205)."""
        self.begin_stream(2**30)
        events = await self.take_all()
        found = b"".join(e.data for e in events if isinstance(e, DataReceived))
        self.assertEqual(found, CONTENT)
        self.assert_over()

    async def test_read_error(self) -> None:
        """An upload that cannot be read on resets the stream."""
        self.start(WatchedStore(1_000_000, StorageFailed()))
        self.begin_stream(2**30)
        events = await self.take_all()
        self.assertIsInstance(events[-1], StreamReset)
        self.assertEqual(len(self.server.site._requests), 0)
        self.assert_over()

    async def begin_on_the_clock(self) -> None:
        """Ask for the upload, and let Twisted send by the server's clock."""
        self.begin_stream(2**30)
        self.peer.protocol._protocol._channel._reactor = self.server.clock
        await deferLater(reactor, 0)  # what it had begun by its own

    async def test_turns_alone(self) -> None:
        """A client that takes everything gets it in turns, without any pause."""
        await self.begin_on_the_clock()
        self.server.clock.advance(0)
        events = self.client.receive_data(self.peer.wire.value())
        found = b"".join(e.data for e in events if isinstance(e, DataReceived))
        self.assertEqual(len(found), len(CONTENT))
        self.assert_over()

    async def test_looks_less_and_less(self) -> None:
        """For one that takes nothing, pauses grow from 1 ms to 50 ms."""
        await self.begin_on_the_clock()
        self.peer.wire.producer.pauseProducing()
        clock = self.server.clock
        clock.advance(0)
        pauses_s = []
        for _ in range(8):
            soonest = min(call.getTime() for call in clock.getDelayedCalls())
            pauses_s.append(round(soonest - clock.seconds(), 6))
            clock.advance(soonest - clock.seconds())
        expected_s = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, LOOK_S, LOOK_S]
        self.assertEqual(pauses_s, expected_s)
        self.assertEqual(self.read_bytes, PIECE_BYTES)


class FlowTests(SynchronousTestCase):
    """How long a client takes, as far as it is known."""

    def test_pauses_do_not_count(self) -> None:
        """What left during a pause may have left at its begin."""
        clock = Clock()
        queues = {1: [b"piece"]}
        connection = SimpleNamespace(_outboundStreamQueues=queues)
        channel = SimpleNamespace(_conn=connection, streamID=1)
        flow = Flow(SimpleNamespace(channel=channel), clock, lambda: None)
        draining = Deferred.fromCoroutine(flow.drained())
        clock.pump([0, 0.001, 0.002, 0.004, 0.008, 0.016])
        queues.clear()
        clock.advance(0.031)
        self.assertNoResult(draining)
        clock.advance(0.001)
        self.assertAlmostEqual(self.successResultOf(draining), 0.031)
        flow.end()
