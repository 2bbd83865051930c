"""Several requests for one upload, several uploads at once, and a server that stops."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost

from tests.receive.support import HandDisk, ignore
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    Client,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.uploads.limits import LOCK_TIMEOUT_S

LAST_CHUNK = in_chunks(b"")


class _BusyCase(TusCase):
    """Has an upload of nine bytes that a client is sending to."""

    def setUp(self) -> None:
        self.disk = HandDisk()
        self.server = Server(disk=self.disk)
        self.clients: list[Client] = []
        self.path = self.server.create(9)
        self.holder = self.begin(self.path, 0, b"abc")

    def settle(self) -> None:
        """Let the disk do all its work, and the server read what it then wants."""
        for _ in range(3):
            self.disk.do_all()
            for client in self.clients:
                client.run()

    def begin(self, path: bytes, offset: int, *pieces: bytes) -> Client:
        """Begin a chunked PATCH on a connection of its own."""
        client = self.server.connect()
        client.begin(patch(path, offset, CHUNKED), *(in_chunks(p) for p in pieces))
        self.clients.append(client)
        return client

    def statuses(self, client: Client) -> list[int]:
        """The responses that a client has got."""
        return [response.status for response in client.responses()]

    def assert_interrupted(self, client: Client) -> None:
        """The client was told that it was stopped, and its connection ends."""
        (response,) = client.responses()
        self.assert_refused(response, 400, "ERR_UPLOAD_INTERRUPTED")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertTrue(client.closed)

    def assert_free(self) -> None:
        """Nobody holds the upload, and nobody waits for it."""
        lock = self.successResultOf(
            self.server.locker.acquire(self.path[len(BASE) :].decode(), ignore, 1.0)
        )
        lock.release()


class TakeOverTests(_BusyCase):
    """A second PATCH while the first one runs."""

    def test_newcomer_goes_on_where_the_holder_was(self) -> None:
        """The holder is stopped and what it brought is kept (T-230, T-231)."""
        newcomer = self.begin(self.path, 3, b"defghi", b"")
        self.assertEqual(self.statuses(newcomer), [])
        self.settle()
        self.assert_interrupted(self.holder)
        (response,) = newcomer.responses()
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"9"))
        self.assert_stored(self.path, b"abcdefghi")
        self.assertEqual(len(self.server.told), 1)

    def test_sized_holder(self) -> None:
        """Its connection ends even if the rest of its body is small (T-231)."""
        path = self.server.create(9)
        holder = self.server.connect()
        holder.begin(patch(path, 0, body=b"abcdefghi")[:-6])
        newcomer = self.server.connect()
        newcomer.begin(patch(path, 3, body=b"DEFGHI"))
        self.assert_interrupted(holder)
        self.assertEqual(self.statuses(newcomer), [204])
        self.assert_stored(path, b"abcDEFGHI")

    def test_offset_that_was_true_is_behind(self) -> None:
        """Bytes between a HEAD and the PATCH cost one 409 with the offset (T-230)."""
        self.settle()
        told = self.server.offset(self.path)
        self.holder.send(in_chunks(b"def"))
        self.settle()
        late = self.begin(self.path, told, b"DEF", b"")
        (response,) = late.responses()
        self.assert_refused(response, 409, "ERR_MISMATCHED_OFFSET")
        self.assertEqual(response[b"Upload-Offset"], b"6")
        self.assertEqual(self.statuses(self.holder), [])

    def test_bytes_in_flight_count(self) -> None:
        """What the holder brought before it was stopped is in the 409 (T-230)."""
        newcomer = self.begin(self.path, 0, b"ABC", b"")
        self.settle()
        self.assert_interrupted(self.holder)
        (response,) = newcomer.responses()
        self.assert_refused(response, 409, "ERR_MISMATCHED_OFFSET")
        self.assertEqual(response[b"Upload-Offset"], b"3")
        self.assert_stored(self.path, b"abc")

    def test_same_offset(self) -> None:
        """Of two PATCHes at one offset one is stored, never a mixture (T-234)."""
        for loser, winner in ((b"abc", b"ABC"), (b"aaaaaa", b"AA")):
            path = self.server.create(9)
            first = self.begin(path, 0)
            second = self.begin(path, 0)
            first.send(in_chunks(loser))
            second.send(in_chunks(winner), LAST_CHUNK)
            self.settle()
            self.assert_interrupted(first)
            self.assertEqual(self.statuses(second), [204])
            self.assert_stored(path, winner)

    def test_late_data(self) -> None:
        """Nothing that the stopped client still sends is stored (T-235)."""
        newcomer = self.begin(self.path, 3, b"def")
        self.holder.send(in_chunks(b"XXX"))
        self.settle()
        self.holder.send(in_chunks(b"YYY"), LAST_CHUNK)
        newcomer.send(in_chunks(b"ghi"), LAST_CHUNK)
        self.settle()
        self.assert_interrupted(self.holder)
        self.assertEqual(self.statuses(newcomer), [204])
        self.assert_stored(self.path, b"abcdefghi")

    def test_dead_holder(self) -> None:
        """A silent holder is stopped at once, not after a timeout (T-230, T-232)."""
        self.settle()
        newcomer = self.begin(self.path, 3, b"defghi", b"")
        self.settle()
        self.assertEqual(self.statuses(newcomer), [204])
        self.assertEqual(self.server.clock.seconds(), 0)

    def test_three(self) -> None:
        """A second yields to a third, and what both brought is kept (T-230)."""
        second = self.begin(self.path, 3, b"def")
        third = self.begin(self.path, 6, b"ghi", b"")
        self.settle()
        self.assert_interrupted(self.holder)
        self.assert_interrupted(second)
        self.assertEqual(self.statuses(third), [204])
        self.assert_stored(self.path, b"abcdefghi")

    def test_bad_request_stops_nobody(self) -> None:
        """What can be refused without the lock leaves the holder alone (T-271)."""
        self.settle()
        for sent, status in (
            (patch(self.path, 2, body=b"x"), 409),
            (patch(self.path, 3, b"Upload-Offset: 3", body=b"x"), 400),
            (message(b"PATCH", self.path, b"Upload-Offset: 3", body=b"x"), 415),
            (patch(self.path, 3, tus=b"2", body=b"x"), 412),
            (message(b"DELETE", BASE + b"unknown"), 404),
            (patch(self.path, 10, body=b"x"), 409),
            (patch(self.path, 3, body=b"much too long"), 413),
            (patch(self.path, 3, b"Upload-Length: 8", body=b"x"), 400),
        ):
            self.assertEqual(self.server.ask(sent).status, status)
        self.holder.send(in_chunks(b"defghi"), LAST_CHUNK)
        self.settle()
        self.assertEqual(self.statuses(self.holder), [204])


class WaitingTests(_BusyCase):
    """A newcomer that has to wait."""

    def setUp(self) -> None:
        super().setUp()
        self.newcomer = self.begin(self.path, 3, b"defghi", b"")

    def test_lock_timeout(self) -> None:
        """A holder that cannot yield costs 20 s, then it is 423 (T-233)."""
        self.server.clock.advance(LOCK_TIMEOUT_S - 0.001)
        self.assertEqual(self.statuses(self.newcomer), [])
        self.server.clock.advance(0.001)
        (response,) = self.newcomer.responses()
        self.assert_refused(response, 423, "ERR_UPLOAD_LOCKED")
        self.assertEqual(response[b"Retry-After"], b"1")
        self.assertEqual(LOCK_TIMEOUT_S, 20)

    def test_after_the_timeout(self) -> None:
        """The upload is right when the holder's disk comes back (T-233)."""
        self.server.clock.advance(LOCK_TIMEOUT_S)
        self.settle()
        self.assert_interrupted(self.holder)
        self.assert_stored(self.path, b"abc")
        self.assert_free()

    def test_client_that_leaves(self) -> None:
        """A newcomer that leaves waits no longer, and holds nothing (T-239)."""
        self.newcomer.lose(ConnectionLost())
        self.server.clock.advance(LOCK_TIMEOUT_S)
        self.settle()
        self.assertEqual(self.newcomer.responses(), [])
        self.assert_stored(self.path, b"abc")
        self.assert_free()

    def test_silent_wait(self) -> None:
        """The idle timeout does not run while the server makes one wait (T-233)."""
        self.server = Server(disk=self.disk, lock_timeout_s=1000)
        path = self.server.create(9)
        self.begin(path, 0, b"abc")
        newcomer = self.begin(path, 3, b"def")
        self.server.clock.advance(900)
        self.assertEqual(self.statuses(newcomer), [])
        self.settle()
        newcomer.send(in_chunks(b"ghi"), LAST_CHUNK)
        self.settle()
        self.assertEqual(self.statuses(newcomer), [204])


class FinishingTests(_BusyCase):
    """A newcomer while the holder's upload is being finished."""

    def setUp(self) -> None:
        super().setUp()
        self.finishing: Deferred[None] = Deferred()
        self.server.on_finish = lambda: self.finishing
        self.holder.send(in_chunks(b"defghi"), LAST_CHUNK)
        self.settle()

    def test_waits(self) -> None:
        """The finish step is not stopped, the newcomer waits for it (T-236)."""
        newcomer = self.begin(self.path, 9, b"")
        self.assertEqual(self.statuses(newcomer), [])
        self.assertEqual(self.statuses(self.holder), [])
        self.finishing.callback(None)
        self.assertEqual(self.statuses(self.holder), [204])
        (response,) = newcomer.responses()
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"9"))
        self.assertEqual(len(self.server.told), 1)

    def test_holder_that_leaves(self) -> None:
        """The step goes on when its client is gone, and is told once (T-041)."""
        self.holder.lose(ConnectionLost())
        self.finishing.callback(None)
        self.assertEqual(self.server.offset(self.path), 9)
        self.assertEqual(len(self.server.told), 1)
        self.assert_free()

    def test_head(self) -> None:
        """HEAD does not wait for the finish step (T-019)."""
        self.assertEqual(self.server.offset(self.path), 9)


class OtherUploadsTests(_BusyCase):
    """Uploads that have nothing to do with each other."""

    def test_never_wait(self) -> None:
        """While one waits for its disk, others are created and sent (T-238)."""
        other = self.server.create(3)
        response = self.server.ask(patch(other, 0, body=b"xyz"))  # written in place
        self.assertEqual(response.status, 204)
        self.assert_stored(other, b"xyz")
        self.assertEqual(self.statuses(self.holder), [])
        self.assertEqual(len(self.disk.waiting), 1)


class ShutdownTests(_BusyCase):
    """The server stops while a body comes."""

    def stop(self) -> None:
        """Begin to stop, in the order of the daemon."""
        self.drained = self.server.site.drain()
        self.stopped = Deferred.fromCoroutine(self.server.uploads.stop())

    def test_holder_is_told(self) -> None:
        """What came is stored, the client gets 503 and the connection ends (T-241)."""
        self.stop()
        self.assertNoResult(self.stopped)
        self.settle()
        self.successResultOf(self.stopped)
        (response,) = self.holder.responses()
        self.assert_refused(response, 503, "ERR_SERVER_SHUTDOWN")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertTrue(self.holder.closed)
        self.assertEqual(self.server.content(self.path), b"abc")

    def test_sized_holder(self) -> None:
        """Its connection ends even if the rest of its body is small (T-241)."""
        path = self.server.create(9)
        client = self.server.connect()
        client.begin(patch(path, 0, body=b"abcdefghi")[:-6])
        self.stop()
        (response,) = client.responses()
        self.assert_refused(response, 503, "ERR_SERVER_SHUTDOWN")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertEqual(self.server.content(path), b"abc")
        self.settle()

    def test_idle_connection(self) -> None:
        """A connection with no request on it is closed (T-241)."""
        idle = self.server.connect()
        idle.ask(message(b"OPTIONS", self.path))
        self.assertFalse(idle.closed)
        self.stop()
        self.assertTrue(idle.closed)

    def test_waiting_newcomer(self) -> None:
        """Who waits for the upload is told the same (T-241)."""
        newcomer = self.begin(self.path, 3, b"def")
        self.stop()
        self.settle()
        (response,) = newcomer.responses()
        self.assert_refused(response, 503, "ERR_SERVER_SHUTDOWN")
        self.assertEqual(self.server.content(self.path), b"abc")

    def test_new_requests(self) -> None:
        """Whatever is asked while the server stops is told the same (T-241)."""
        self.stop()
        for method in (b"OPTIONS", b"HEAD", b"PATCH", b"POST", b"GET"):
            for path in (self.path, BASE):
                client = self.server.connect()
                response = client.ask(message(method, path))
                self.assertEqual((response.status, method), (503, method))
                self.assertEqual(response[b"Connection"], b"close")
                self.assertTrue(client.closed)
        self.settle()

    def test_new_server_knows_no_old_lock(self) -> None:
        """On the same store, a new server goes on where the old one was (T-242)."""
        self.disk.do_one()  # and then the old one never comes back
        new = Server(store=self.server.store)
        self.assertEqual(new.offset(self.path), 3)
        self.assertEqual(new.ask(patch(self.path, 3, body=b"defghi")).status, 204)
        self.assertEqual(new.content(self.path), b"abcdefghi")
