"""The real daemon forgets what nobody goes on with, and clears up after a crash."""

from __future__ import annotations

import os
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import Daemon, twistd_tus, until

AGE_S = 2
DAYS_AGO_S = 3 * 86400


class ExpirationCase(SynchronousTestCase):
    """A daemon that keeps unfinished uploads for two seconds."""

    def setUp(self) -> None:
        """Start it."""
        self.daemon = twistd_tus(self, "--expire-after", f"{AGE_S}s")

    def begin(self, content: bytes = b"abc", length: int = MIB) -> str:
        """Begin an upload with some bytes."""
        path = self.daemon.create(length)
        self.assertEqual(self.daemon.client().patch(path, 0, content).status, 204)
        return path

    def is_gone(self, path: str) -> bool:
        """Whether neither bytes nor record are there."""
        stored = self.daemon.content(path)
        return not stored.exists() and not record_of(self.daemon, path).exists()

    def status(self, path: str) -> int:
        """What HEAD answers."""
        client = self.daemon.client()
        status = client.request("HEAD", path).status
        client.close()
        return status


def record_of(daemon: Daemon, path: str) -> Path:
    """Tell where the record of an upload lies."""
    stored = daemon.content(path)
    return stored.with_name(f"{stored.name}.info")


class SweepTests(ExpirationCase):
    """Uploads that are left alone."""

    def test_left_alone(self) -> None:
        """An upload goes when its time is over, and the log says so (T-156)."""
        path = self.begin()
        finished = self.begin(b"x" * 10, 10)
        until(lambda: self.status(path) != 200, "the upload expires")
        self.assertIn(self.status(path), (404, 410))
        until(lambda: self.is_gone(path), "the upload is swept")
        self.assertEqual(self.status(path), 404)
        self.assertEqual(self.daemon.offset(finished), 10)
        upload_id = path.rpartition("/")[2]
        self.assertIn(f"upload {upload_id} expired", self.daemon.log)
        until(
            lambda: (
                re.search(r"swept in .* 1 expired, 0 skipped", self.daemon.log)
                is not None
            ),
            "the sweep is told of",
        )

    def test_date(self) -> None:
        """The answers tell a moment that is the age away (T-149, T-150, T-153)."""
        client = self.daemon.client()
        created = client.post("/files/", 10)
        path = "/files/" + created.headers["location"].rpartition("/")[2]
        stored = client.patch(path, 0, b"abc")
        for response in (created, stored):
            expires = parsedate_to_datetime(response.headers["upload-expires"])
            self.assertApproximates(expires.timestamp(), time.time() + AGE_S, 2)

    def test_in_use(self) -> None:
        """An upload that a silent client holds is skipped, and can go on (T-158)."""
        content = make_bytes(MIB, seed=21)
        path = self.daemon.create(MIB)
        holder = self.daemon.client()
        holder.begin_patch(path, 0, MIB)
        holder.send(content[:1000])
        self.daemon.until_offset(path, 1000)
        other = self.begin()  # its last byte is later
        until(lambda: self.is_gone(other), "the other upload is swept")
        until(
            lambda: re.search(r"[1-9] skipped as locked", self.daemon.log) is not None,
            "the upload is skipped",
        )
        holder.send(content[1000:])
        self.assertEqual(holder.response().status, 204)
        self.assertEqual(self.daemon.content(path).read_bytes(), content)


class RestartTests(ExpirationCase):
    """What a daemon that was killed has left."""

    def test_expired_while_it_was_dead(self) -> None:
        """An upload of an earlier life is swept by the next one (T-156)."""
        path, finished = self.begin(), self.begin(b"x" * 10, 10)
        self.daemon.kill()
        then = time.time() - DAYS_AGO_S
        for name in (path, finished):
            os.utime(self.daemon.content(name), (then, then))
        self.assertFalse(self.is_gone(path))

        self.daemon.start()
        until(lambda: self.is_gone(path), "the upload is swept")
        self.assertEqual(self.daemon.offset(finished), 10)

    def test_leftovers(self) -> None:
        """A removal cut short is ended; what came lately stays, however it is dated."""
        self.daemon.kill()
        directory = self.daemon.directory
        orphans = [f"{7:032x}.removed", f"2024/05/{8:032x}.removed"]
        others = [
            f"{9:032x}",
            f"{9:032x}.info.tmp",
            "report.pdf",
            "torn.info",
            ".hidden",
        ]
        then = time.time() - DAYS_AGO_S
        (directory / "2024" / "05").mkdir(parents=True)
        for name in orphans + others:
            (directory / name).write_bytes(b"abc")
            os.utime(directory / name, (then, then))

        self.daemon.start()
        until(
            lambda: not any((directory / name).exists() for name in orphans),
            "the orphans are swept",
        )
        until(lambda: not (directory / "2024").exists(), "the directories are gone")
        for name in others:
            self.assertEqual((directory / name).read_bytes(), b"abc")
        until(lambda: self.daemon.log.count("swept in") > 2, "it sweeps on")
        self.assertEqual(self.daemon.log.count("torn.info is left alone"), 1)

    def test_stop_in_a_sweep(self) -> None:
        """A daemon that sweeps many uploads stops at once, and goes on later."""
        self.daemon.kill()
        then = time.time() - DAYS_AGO_S
        names = [f"{number:032x}" for number in range(2000)]
        for name in names:
            record = f'{{"ID":"{name}","Size":9,"State":"receiving","Created":1}}'
            (self.daemon.directory / f"{name}.info").write_text(record)
            (self.daemon.directory / name).write_bytes(b"abc")
            os.utime(self.daemon.directory / name, (then, then))

        self.daemon.start()
        until(lambda: " expired" in self.daemon.log, "the sweep begins")
        stopped = self.daemon.stop()
        self.assertEqual(stopped.code, 0)
        self.assertLess(stopped.took_s, 3)
        self.assertTrue(any((self.daemon.directory / name).exists() for name in names))
        self.assertNotIn("Traceback", self.daemon.log)

        self.daemon.start()
        until(
            lambda: not any((self.daemon.directory / name).exists() for name in names),
            "the rest is swept",
        )
