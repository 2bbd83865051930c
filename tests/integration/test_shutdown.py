"""SIGTERM: bodies in flight are kept, clients are told, and the end comes in time."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import tuspy
from tests.integration.content import MIB, Running, hash_of, make_file
from tests.integration.daemon import GRACE_S, Stopped, twistd_tus, until
from tests.integration.raw import Client, Response

SIZE = 256 * MIB
ALMOST_ALL = SIZE - MIB  # so that no stop comes too late to be in mid-upload

PROMPTLY_S = 3.0
"""A stop that waits for a hook, a reader or the hard end takes at least so long."""


class ShutdownTests(SynchronousTestCase):
    """The daemon is told to stop."""

    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)
        self.source = self.daemon.place / "source"

    def assert_clean(self, stopped: Stopped, within_s: float = GRACE_S) -> None:
        """
        The process has stopped by itself, in time; a hard end is exit code 1.
        """
        self.assertEqual(stopped.code, 0, self.daemon.log)
        self.assertLess(stopped.took_s, within_s)

    def assert_told(self, response: Response) -> None:
        """The client was told that the server stops."""
        self.assertEqual(response.status, 503)
        self.assertTrue(response.body.startswith(b"ERR_SERVER_SHUTDOWN: "))
        self.assertEqual(response.headers["connection"], "close")

    def test_silent_bodies(self) -> None:
        """Requests that wait for more are told, and all they sent is kept (T-241)."""
        clients: dict[str, Client] = {}
        for number in range(1, 6):
            path = self.daemon.create(MIB)
            clients[path] = self.daemon.client()
            clients[path].begin_patch(path, 0, MIB)
            clients[path].send(b"a" * (100_000 + number))
            self.daemon.until_offset(path, 100_000 + number)
        self.daemon.terminate()
        for client in clients.values():
            self.assert_told(client.response())
            self.assertTrue(client.at_end())
            client.close()
        self.assert_clean(self.daemon.ended(), PROMPTLY_S)

        self.daemon.start()
        for number, path in enumerate(clients, 1):
            self.assertEqual(self.daemon.offset(path), 100_000 + number)

    def test_body_at_full_speed(self) -> None:
        """A client that sends as fast as it can is told, and may resume (T-241)."""
        digest = make_file(self.source, SIZE, seed=7)
        path = self.daemon.create(SIZE)
        client = self.daemon.client()
        sending = Running(lambda: self._send(client, path))
        until(lambda: self.daemon.offset(path) > SIZE // 8, "an eighth is stored")
        told = self.daemon.offset(path)
        self.daemon.terminate()
        stopped = self.daemon.ended()
        sending.done()
        self.assert_clean(stopped)
        with contextlib.suppress(
            ConnectionError
        ):  # our bytes after the answer may have undone it
            self.assert_told(client.response())

        written = self.daemon.content(path).stat().st_size
        self.assertGreaterEqual(written, told)
        self.daemon.start()
        self.assertEqual(tuspy.resume(self.daemon.url, path, self.source), written)
        self.assertEqual(hash_of(self.daemon.content(path)), digest)

    def _send(self, client: Client, path: str) -> None:
        client.begin_patch(path, 0, SIZE)
        with open(self.source, "rb") as file, contextlib.suppress(ConnectionError):
            client.send_file(file, 0, ALMOST_ALL)

    def test_idle_connection(self) -> None:
        """A connection that waits for its next request is closed at once (T-241)."""
        client = self.daemon.client()
        path = client.create("/files/", MIB)
        self.assertEqual(client.head(path), 0)
        never_used = self.daemon.client()
        self.daemon.offset(path)  # by now the other one has been accepted, too
        self.daemon.terminate()
        self.assertTrue(client.at_end(PROMPTLY_S))
        self.assertTrue(never_used.at_end(PROMPTLY_S))
        self.assert_clean(self.daemon.ended(), PROMPTLY_S)

    def test_answer_is_not_undone(self) -> None:
        """
        A client in the middle of its body can send on for a while: no reset comes that
        could destroy the answer before it was read (T-241).
        """
        path = self.daemon.create(SIZE)
        client = self.daemon.client()
        client.begin_patch(path, 0, SIZE)
        client.send(bytes(MIB))
        self.daemon.until_offset(path, MIB)
        self.daemon.terminate()
        self.assert_told(client.response())
        self.assertTrue(client.at_end())
        for _ in range(20):  # one of them would fail, once a reset has come
            client.send(bytes(64 * 1024))
            time.sleep(0.005)
        client.close()
        self.assert_clean(self.daemon.ended())
        self.assertEqual(self.daemon.content(path).stat().st_size, MIB)

    def test_deaf_client(self) -> None:
        """A client that never reads and never stops cannot hold the daemon (T-241)."""
        path = self.daemon.create(2**40)
        client = self.daemon.client()
        client.begin_patch(path, 0, 2**40)
        stop_at = time.monotonic() + 2 * GRACE_S
        sending = Running(lambda: self._send_on(client, stop_at))
        until(lambda: self.daemon.offset(path) > 8 * MIB, "bytes are stored")
        self.daemon.terminate()
        stopped = self.daemon.ended()
        self.assert_clean(stopped)
        sending.done()
        written = self.daemon.content(path).stat().st_size
        self.daemon.start()
        self.assertEqual(self.daemon.offset(path), written)

    def _send_on(self, client: Client, stop_at: float) -> None:
        # Slow enough to spare the disk, fast enough to be heard again and again.
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < stop_at:
                client.send(bytes(64 * 1024))
                time.sleep(0.002)

    def test_no_new_connections(self) -> None:
        """While bodies settle nobody new is let in, and afterwards nobody (T-241)."""
        self.assert_clean(self.daemon.stop(), PROMPTLY_S)
        with self.assertRaises(ConnectionRefusedError):
            self.daemon.client()

    def test_twice(self) -> None:
        """A second SIGTERM while the first is followed does no harm."""
        path = self.daemon.create(MIB)
        client = self.daemon.client()
        client.begin_patch(path, 0, MIB)
        client.send(b"a" * 1000)
        self.daemon.until_offset(path, 1000)
        self.daemon.terminate()
        self.daemon.terminate()
        self.assert_told(client.response())
        client.close()
        self.assert_clean(self.daemon.ended(), PROMPTLY_S)
