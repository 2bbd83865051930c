"""What the log says of the life of uploads."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from twisted.logger import LogEvent, capturedLogs, formatEvent

from tests.web.tus_harness import BASE, Server, TusCase, message, patch
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.metadata import Metadata
from tustwisted.web.settings import WebSettings

PEER = "192.168.1.1:54321"
"""The other end of every connection of the harness."""


def said(events: Sequence[LogEvent]) -> list[str]:
    """The lines that are about an upload, without its id."""
    return [
        formatEvent(event).replace(event["upload_id"], "U")
        for event in events
        if "upload_id" in event
    ]


class RequestLogTests(TusCase):
    """A line as web servers write it, for what no other line tells."""

    def test_refused(self) -> None:
        """Only requests that are refused leave one."""
        log = self.server.site.logFile = StringIO()
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"hello"))
        self.server.ask(message(b"GET", path))
        self.assertEqual(log.getvalue(), "")
        self.server.ask(message(b"HEAD", BASE + b"x"))
        self.assertIn('"HEAD /files/x HTTP/1.1" 404 ', log.getvalue())


class LifeLogTests(TusCase):
    """One line for each step, at info; none for a chunk."""

    def test_life(self) -> None:
        """For whom and how long it is, how long it took, and who has removed it."""
        with capturedLogs() as events:
            path = self.server.create(5)
            self.server.clock.advance(1000)
            self.server.ask(patch(path, 0, body=b"ab"))
            self.server.clock.advance(2.55)
            self.server.ask(patch(path, 2, body=b"cde"))
            self.server.ask(message(b"DELETE", path))
        self.assertEqual(
            said(events),
            [
                f"upload U created for {PEER}, 5 bytes",
                "upload U finished, 5 bytes",
                f"upload U terminated by {PEER}",
            ],
        )
        self.assertEqual({event["log_level"].name for event in events}, {"info"})

    def test_time(self) -> None:
        """The time counts from the creation, whoever has sent the rest."""
        self.server.clock.advance(1000)
        path = self.server.create(5)
        self.server.clock.advance(2.55)
        with capturedLogs() as events:
            self.server.ask(patch(path, 0, body=b"hello"))
        self.assertEqual(said(events), ["upload U finished, 5 bytes in 2.5 s"])
        self.assertEqual(events[0]["seconds"], 2.5)

    def test_expired(self) -> None:
        """What is removed for its age is told by its id."""
        self.server = Server(expiration=Expiration(10))
        self.server.create(5)
        self.server.clock.advance(11)
        with capturedLogs() as events:
            sweeping = self.server.uploads.sweep()
            self.server.clock.pump([1, 1])
            self.successResultOf(sweeping)
        self.assertEqual(said(events), ["upload U expired"])

    def test_program(self) -> None:
        """What the program does itself is told as that."""
        with capturedLogs() as events:
            upload = self.successResultOf(self.server.uploads.create(5, Metadata()))
            self.successResultOf(self.server.uploads.terminate(upload.upload_id))
        self.assertEqual(
            said(events),
            [
                "upload U created for the program itself, 5 bytes",
                "upload U terminated by the program itself",
            ],
        )

    def test_concatenation(self) -> None:
        """A final upload tells of how many others it was made."""
        part = self.server.create(1, b"Upload-Concat: partial")
        self.server.ask(patch(part, 0, body=b"a"))
        final = b"Upload-Concat: final;" + part + b" " + part
        with capturedLogs() as events:
            self.server.ask(message(b"POST", BASE, final))
        expected = f"upload U concatenated of 2 others for {PEER}, 2 bytes"
        self.assertEqual(said(events)[0], expected)

    def test_proxy(self) -> None:
        """Behind a proxy that is to be believed it is its client, where it says so."""
        for behind, line, client in (
            (True, b"X-Forwarded-For: 2001:db8::7, 10.0.0.1", "2001:db8::7"),
            (True, b'Forwarded: for="[2001:db8::7]:80";proto=http', "[2001:db8::7]:80"),
            (True, b"Forwarded: for=unknown", "unknown"),
            (True, b"X-Forwarded-For: a\xff b", PEER),
            (True, b"X-Forwarded-For: " + b"1" * 65, PEER),
            (True, b"X-Other: 1", PEER),
            (False, b"X-Forwarded-For: 192.0.2.7", PEER),
        ):
            self.server = Server(settings=WebSettings(behind_proxy=behind))
            with capturedLogs() as events:
                self.server.create(5, line)
            self.assertEqual(events[0]["client"], client, line)
