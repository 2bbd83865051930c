"""Downloads from the daemon."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import (
    GRACE_S,
    Daemon,
    free_port,
    place_of,
    script,
    twistd_tus,
    until,
)
from tests.integration.raw import Client

SIZE = 32 * MIB

PATIENTLY_S = 6.0
"""More than the stop waits for readers and for the last answers, less than ten."""


class DownloadTests(SynchronousTestCase):
    """What was uploaded comes back."""

    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)

    def put(self, content: bytes) -> str:
        """Upload something."""
        client = self.daemon.client()
        path = client.create(self.daemon.base_path, len(content))
        self.assertEqual(client.patch(path, 0, content).status, 204)
        client.close()
        return path

    def put_hole(self) -> str:
        """Finish an upload that is as large as ever and takes no room."""
        path = self.daemon.create(SIZE)
        os.truncate(self.daemon.content(path), SIZE)
        client = self.daemon.client()
        self.assertEqual(client.patch(path, SIZE, b"").status, 204)
        client.close()
        return path

    def slow(self, path: str) -> Client:
        """Ask for an upload and read nothing but the status."""
        client = self.daemon.client()
        client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        self.assertEqual(client.socket.recv(12), b"HTTP/1.1 200")
        return client

    def descriptors(self) -> int:
        """How many the daemon has open."""
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def test_whole(self) -> None:
        """All bytes come back, also after a restart (T-205)."""
        content = make_bytes(5 * MIB + 17, seed=11)
        path = self.put(content)
        for _ in range(2):
            client = self.daemon.client()
            response = client.request("GET", path)
            self.assertEqual(response.status, 200)
            self.assertEqual(
                hashlib.sha256(response.body).digest(),
                hashlib.sha256(content).digest(),
            )
            self.assertEqual(response.headers["content-length"], str(len(content)))
            self.daemon.stop()
            self.daemon.start()

    def test_parts(self) -> None:
        """An upload can be taken in ranges, all tied together by its ETag (T-217)."""
        content = make_bytes(MIB, seed=12)
        path = self.put(content)
        client, found = self.daemon.client(), b""
        etag = client.request("HEAD", path).headers["etag"]
        while len(found) < len(content):
            last = len(found) + 300_000
            response = client.request(
                "GET", path, f"Range: bytes={len(found)}-{last}", f"If-Range: {etag}"
            )
            self.assertEqual(response.status, 206)
            found += response.body
        self.assertEqual(found, content)
        self.assertEqual(
            client.request("GET", path, f"If-None-Match: {etag}").status, 304
        )

    def test_removed_while_it_is_read(self) -> None:
        """DELETE waits for no reader, and the reader gets it all (T-237)."""
        path = self.put_hole()
        client = self.slow(path)
        self.assertEqual(self.daemon.client().request("DELETE", path).status, 204)
        self.assertFalse(self.daemon.content(path).exists())
        taken, file = 0, client.socket.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        while taken < SIZE:
            piece = file.read(min(MIB, SIZE - taken))
            self.assertTrue(piece)
            taken += len(piece)
        self.assertEqual(self.daemon.client().request("GET", path).status, 404)

    def test_clients_leave(self) -> None:
        """Clients that leave cost nothing and are no news (T-221)."""
        path = self.put_hole()
        clients = [self.slow(path) for _ in range(20)]
        during = self.descriptors()
        for number, client in enumerate(clients):
            if number % 2:
                client.reset()
            else:
                client.close()
        until(lambda: self.descriptors() <= during - 40, "all is closed")
        self.assertNotIn("Traceback", self.daemon.log)
        self.assertNotRegex(self.daemon.log, r"#(warn|error|critical)\]")

    def test_stop(self) -> None:
        """A client that takes nothing is cut when the daemon stops, in time (T-241)."""
        client = self.slow(self.put_hole())
        self.daemon.terminate()
        stopped = self.daemon.ended()
        self.assertEqual(stopped.code, 0, self.daemon.log)
        self.assertLess(stopped.took_s, PATIENTLY_S)
        self.assertLess(stopped.took_s, GRACE_S)
        taken = 0
        try:
            while piece := client.socket.recv(MIB):
                taken += len(piece)
        except ConnectionResetError:
            pass
        self.assertLess(taken, SIZE)
        self.assertNotIn("Traceback", self.daemon.log)


class SettingsTests(SynchronousTestCase):
    """How the daemon is started."""

    def test_no_downloads(self) -> None:
        """With ``--no-downloads`` GET is 405 (T-219)."""
        daemon = twistd_tus(self, "--no-downloads")
        response = daemon.client().request("GET", daemon.create(0))
        self.assertEqual(response.status, 405)
        self.assertNotIn("GET", response.headers["allow"])

    def test_descriptors(self) -> None:
        """The daemon takes all descriptors that it may have: 256 would be few."""
        place, port = place_of(self), free_port()
        limited = (
            "import os, resource, sys; kind = resource.RLIMIT_NOFILE; "
            "most = resource.getrlimit(kind)[1]; resource.setrlimit(kind, (256, most));"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        twistd = (script("twistd"), "-n", "--pidfile=", "tus", "--port", str(port))
        command = (sys.executable, "-c", limited, *twistd)
        daemon = Daemon(self, command, port, place, place / "uploads")
        daemon.start()
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()
        found = re.search(r"^Max open files +(\S+) +(\S+)", limits, re.MULTILINE)
        assert found is not None
        self.assertEqual(found[1], found[2])
