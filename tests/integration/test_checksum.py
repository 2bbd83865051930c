"""Checksums and the daemon: what a kill leaves of a chunk in doubt."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import twistd_tus, until

KILLS = 6


def sha1(content: bytes) -> str:
    """Write the header for some bytes."""
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return f"Upload-Checksum: sha1 {b64encode(digest).decode()}"


class KilledTests(SynchronousTestCase):
    """SIGKILL while a chunk with a checksum comes in."""

    def test_in_mid_chunk(self) -> None:
        """No byte of the chunk counts after it, and the chunk can be sent (T-137)."""
        random = Random(6)
        daemon = twistd_tus(self)
        content = make_bytes(8 * MIB, seed=6)
        path = daemon.create(len(content))
        self.assertEqual(daemon.client().patch(path, 0, content[:1000]).status, 204)
        stored, chunk = daemon.content(path), content[1000:]
        for _ in range(KILLS):
            holder = daemon.client()
            holder.begin_patch(path, 1000, len(chunk), sha1(chunk))
            holder.send(chunk[: random.randint(2 * MIB, len(chunk) - 1)])
            until(lambda: stored.stat().st_size > 1000, "unverified bytes are there")
            self.assertEqual(daemon.offset(path), 1000)
            daemon.kill()
            self.assertGreater(stored.stat().st_size, 1000)
            daemon.start()
            self.assertEqual(daemon.offset(path), 1000)
            self.assertEqual(daemon.client().patch(path, 1000, b"").status, 204)
            self.assertEqual(stored.stat().st_size, 1000)

        sending = daemon.client()
        sending.begin_patch(path, 1000, len(chunk), sha1(chunk))
        sending.send(chunk)
        self.assertEqual(sending.response(30).status, 204)
        self.assertEqual(stored.read_bytes(), content)
        self.assertFalse(stored.with_name(f"{stored.name}.unverified").exists())

    def test_after_an_answer(self) -> None:
        """A chunk that was acknowledged is there after a kill that follows at once."""
        daemon = twistd_tus(self)
        content = make_bytes(4 * MIB, seed=7)
        path = daemon.create(len(content) + 1)
        sending = daemon.client()
        sending.begin_patch(path, 0, len(content), sha1(content))
        sending.send(content)
        status = sending.response(30).status
        daemon.kill()
        self.assertEqual(status, 204)
        daemon.start()
        self.assertEqual(daemon.offset(path), len(content))
        self.assertEqual(daemon.content(path).read_bytes(), content)

    def test_wrong(self) -> None:
        """A large chunk that is wrong is 460, and leaves no byte (T-127)."""
        daemon = twistd_tus(self)
        content = make_bytes(4 * MIB, seed=8)
        path = daemon.create(len(content))
        sending = daemon.client()
        sending.begin_patch(path, 0, len(content), sha1(b"other bytes"))
        sending.send(content)
        self.assertEqual(sending.response(30).status, 460)
        self.assertEqual(daemon.offset(path), 0)
        self.assertEqual(daemon.content(path).stat().st_size, 0)
