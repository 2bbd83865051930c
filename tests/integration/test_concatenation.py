"""Concatenation by the real daemon: hashes, long lists, and a server that is busy."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, Running, hash_of, make_bytes, make_file
from tests.integration.daemon import (
    GRACE_S,
    Daemon,
    twistd_program,
    twistd_tus,
    until,
)
from tests.integration.leftovers import without_record
from tests.integration.raw import LIMIT_S

SLOW_DISK = Path(__file__).with_name("slow_disk.py")


def final(*paths: str) -> str:
    """Write the header that asks for a final upload."""
    return f"Upload-Concat: final;{' '.join(paths)}"


def upload_part(daemon: Daemon, content: bytes) -> str:
    """Upload a part and return its path."""
    client = daemon.client()
    lines = (f"Upload-Length: {len(content)}", "Upload-Concat: partial")
    created = client.request("POST", daemon.base_path, *lines)
    assert created.status == 201, created
    path = created.headers["location"].removeprefix(f"http://127.0.0.1:{daemon.port}")
    assert client.patch(path, 0, content).status == 204
    client.close()
    return path


class ConcatenationTests(SynchronousTestCase):
    """``twistd tus`` puts uploads together."""

    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)

    def test_hashes(self) -> None:
        """Every byte of every part is where it belongs (T-165, T-167, T-168)."""
        contents = [make_bytes(n * 7 * MIB + 12_345, seed=20 + n) for n in range(3)]
        paths = [upload_part(self.daemon, content) for content in contents]
        order = (2, 0, 1, 2)
        header = final(*(paths[n] for n in order))
        made = self.daemon.client().request("POST", "/files/", header)
        self.assertEqual(made.status, 201)
        path = made.headers["location"].removeprefix(self.daemon.url)
        digest = hashlib.sha256(b"".join(contents[n] for n in order)).hexdigest()
        stored = self.daemon.content(path)
        self.assertEqual(hash_of(stored), digest)

        for part in paths:
            response = self.daemon.client().request("DELETE", part)
            self.assertEqual(response.status, 204)
        self.assertEqual(hash_of(stored), digest)
        self.assertEqual(self.daemon.offset(f"/files/{path}"), stored.stat().st_size)
        self.assertEqual(without_record(self.daemon.directory), [])

    def test_500(self) -> None:
        """500 parts, here of tusd, make one upload (T-192)."""
        contents = [b"<%d>" % n * (n % 50) for n in range(500)]
        for n, content in enumerate(contents):
            record = {"ID": str(n), "Size": len(content), "IsPartial": True}
            (self.daemon.directory / str(n)).write_bytes(content)
            (self.daemon.directory / f"{n}.info").write_text(json.dumps(record))
        paths = [f"/files/{n}" for n in range(500)]
        made = self.daemon.client().request("POST", "/files/", final(*paths))
        self.assertEqual(made.status, 201, made)
        stored = self.daemon.content(made.headers["location"])
        self.assertEqual(stored.read_bytes(), b"".join(contents))

    def test_reactor_stays_free(self) -> None:
        """While a large copy runs, others are answered as if it did not (T-192)."""
        source = self.daemon.place / "source"
        make_file(source, 128 * MIB, seed=30)
        (self.daemon.directory / "part").hardlink_to(source)
        record = {"ID": "part", "Size": 128 * MIB, "IsPartial": True}
        (self.daemon.directory / "part.info").write_text(json.dumps(record))
        other = self.daemon.create(5)
        asking = self.daemon.client()

        copying = self.daemon.client()
        made: list[int] = []
        paths = ["/files/part"] * 8
        waiting = Running(
            lambda: made.append(
                copying.request("POST", "/files/", final(*paths)).status
            )
        )
        until(lambda: without_record(self.daemon.directory) != [], "a copy begins")
        took_s = []
        while not made and waiting.is_alive():
            began = time.monotonic()
            self.assertEqual(asking.head(other), 0)
            took_s.append(time.monotonic() - began)
        waiting.done()
        self.assertEqual(made, [201])
        self.assertGreater(len(took_s), 50)
        self.assertLess(sorted(took_s)[len(took_s) // 2], 0.02)
        self.assertLess(max(took_s), 1.0)


class SlowCopyTests(SynchronousTestCase):
    """A copy that would take eight seconds."""

    def setUp(self) -> None:
        """Begin one, on a disk that is slow."""
        self.daemon = twistd_program(self, SLOW_DISK)
        self.daemon.start()
        self.part = upload_part(self.daemon, make_bytes(MIB, seed=31))
        self.before = self.names()
        self.client = self.daemon.client()
        self.client.begin("POST", "/files/", final(*[self.part] * 200))
        until(lambda: self.orphans() != [], "a copy begins")

    def names(self) -> list[str]:
        """All files of uploads."""
        return sorted(path.name for path in self.daemon.directory.iterdir())

    def orphans(self) -> list[Path]:
        """All files that have no record."""
        return without_record(self.daemon.directory)

    def test_not_found_meanwhile(self) -> None:
        """Its URL, should anybody guess it, leads nowhere until it is whole (T-191)."""
        (orphan,) = self.orphans()
        client = self.daemon.client()
        until(lambda: orphan.stat().st_size > MIB, "more than a part is copied")
        response = client.request("HEAD", f"/files/{orphan.name}")
        self.assertEqual(response.status, 404)

    def test_client_leaves(self) -> None:
        """When the client has left, the copy ends and its bytes are gone (T-191)."""
        self.client.close()
        until(lambda: self.orphans() == [], "what was copied is removed")
        self.assertEqual(self.names(), self.before)
        self.assertEqual(self.daemon.offset(self.part), MIB)

    def test_sigterm(self) -> None:
        """A stop does not wait for it: 503, and nothing remains (T-241)."""
        until(lambda: self.orphans()[0].stat().st_size > MIB, "it is copied")
        self.daemon.terminate()
        response = self.client.response(LIMIT_S)
        self.assertEqual(response.status, 503)
        self.assertTrue(response.body.startswith(b"ERR_SERVER_SHUTDOWN"))
        stopped = self.daemon.ended()
        self.assertEqual(stopped.code, -15, self.daemon.log)  # no hard end
        self.assertLess(stopped.took_s, GRACE_S)
        self.assertEqual(self.names(), self.before)
