"""The real daemon and a stream of a real Redis."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.daemon import Daemon, place_of, script, twistd_tus, until
from tests.valkey import Valkey
from tustwisted.hooks.wire import decode_event

LENGTH = 100

SECRET = "s3cret"


class StreamTests(SynchronousTestCase):
    """What stands in the stream."""

    def setUp(self) -> None:
        """Start both."""
        self.valkey = Valkey(self, password=SECRET)
        self.valkey.start()
        self.daemon: Daemon = twistd_tus(
            self,
            *("--hooks-redis-stream", "uploads"),
            *("--hooks-redis-url", self.valkey.url),
        )

    def upload(self) -> str:
        """Upload a little; return the id."""
        client = self.daemon.client()
        path = client.create("/files/", LENGTH)
        self.assertEqual(client.patch(path, 0, b"a" * LENGTH).status, 204)
        return path.rpartition("/")[2]

    def entries(self, *types: bytes) -> list[dict[bytes, bytes]]:
        """Read the entries of some types."""
        found = []
        reply: Any = self.valkey.command("XRANGE", "uploads", "-", "+")
        for _, words in reply:
            entry = dict(zip(words[::2], words[1::2], strict=True))
            if entry[b"type"] in types:
                found.append(entry)
        return found

    def wait_for(self, type: bytes) -> dict[bytes, bytes]:
        """Wait until an entry of a type has come."""
        until(lambda: bool(self.entries(type)), f"{type!r} comes")
        return self.entries(type)[-1]

    def test_life(self) -> None:
        """The life of an upload stands there in order, numbered, in JSON."""
        upload_id = self.upload()
        self.wait_for(b"post-finish")
        entries = self.entries(b"post-create", b"post-finish")
        self.assertEqual([entry[b"sequence"] for entry in entries], [b"1", b"2"])
        self.assertEqual({entry[b"upload"] for entry in entries}, {upload_id.encode()})
        event = decode_event(entries[-1][b"json"])
        self.assertEqual(event.event_id.encode(), entries[-1][b"id"])
        self.assertEqual(event.upload.offset, LENGTH)

    def test_down_and_back(self) -> None:
        """While it is down uploads go on; it is told of them when it is back."""
        self.valkey.kill()
        upload_id = self.upload()
        self.valkey.start()
        self.assertEqual(self.wait_for(b"post-finish")[b"upload"], upload_id.encode())
        (created,) = {entry[b"id"] for entry in self.entries(b"post-create")}
        self.assertIn(upload_id.encode(), created)
        self.assertNotIn(SECRET, self.daemon.log)

    def test_wrong_password(self) -> None:
        """A wrong password ends the start with one sentence."""
        place = place_of(self)
        url = self.valkey.url.replace(SECRET, "wrong")
        words = [script("twistd"), "-n", "--pidfile=", "tus", "--port", "tcp:0"]
        words += ["--hooks-redis-stream", "uploads", "--hooks-redis-url", url]
        other = Daemon(self, words, 0, place, place / "uploads")
        other.launch()
        self.assertEqual(other.ended().code, 1)
        self.assertIn("--hooks-redis-stream uploads: cannot add", other.log)
        self.assertIn("correct", other.log)
        self.assertNotIn("Traceback", other.log)
