"""TusResource in an application's own site, which may not stream."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.web.tus_harness import Client, Response, TusCase, message, patch
from tustwisted.web.resource import TusResource
from tustwisted.web.streaming import enable_streaming

MOUNT = b"/app/tus"


class _EmbeddedCase(TusCase):
    """Has a resource mounted two levels deep, and an upload."""

    streams = True

    def setUp(self) -> None:
        super().setUp()
        root, app = Resource(), Resource()
        root.putChild(b"app", app)
        app.putChild(b"tus", TusResource(self.server.uploads))
        clock = self.server.clock
        self.site = Site(root, reactor=clock)
        if self.streams:
            enable_streaming(self.site)
        self.server.site = self.site
        created = self.ask(message(b"POST", MOUNT, b"Upload-Length: 9"))
        self.location = created[b"Location"] or b""
        self.path = self.location.removeprefix(b"http://files.example")

    def ask(self, sent: bytes, client: Client | None = None) -> Response:
        """Ask, and let the reactor turn until all is done."""
        client = client or self.server.connect()
        client.begin(sent)
        self.server.clock.pump([0] * 5)
        return client.responses()[-1]

    def content(self) -> bytes:
        """What is stored."""
        content: bytes = self.server.store.content(
            self.path.rpartition(b"/")[2].decode()
        )
        return content


class StreamingSiteTests(_EmbeddedCase):
    """A site that streams what speaks tus."""

    def test_location(self) -> None:
        """It is below the mount, wherever that is (T-053)."""
        self.assertRegex(
            self.location, rb"\Ahttp://files\.example/app/tus/[0-9a-f]{32}\Z"
        )

    def test_trailers(self) -> None:
        """What follows a body can be read, so checksum-trailer is offered (T-010)."""
        options = self.ask(message(b"OPTIONS", MOUNT))
        self.assertIn(b"checksum-trailer", options[b"Tus-Extension"] or b"")

    def test_upload(self) -> None:
        """Pieces make a whole (T-021)."""
        for offset, piece in ((0, b"abc"), (3, b"defghi")):
            response = self.ask(patch(self.path, offset, body=piece))
            told = response[b"Upload-Offset"]
            self.assertEqual(
                (response.status, told), (204, b"%d" % (offset + len(piece)))
            )
        self.assertEqual(self.content(), b"abcdefghi")
        self.assertEqual(len(self.server.told), 1)

    def test_refusals(self) -> None:
        """Errors are the same as anywhere (T-022, T-028, T-029, T-030)."""
        for sent, status in (
            (message(b"PATCH", self.path, body=b"x"), 415),
            (patch(self.path, 1, body=b"x"), 409),
            (patch(MOUNT + b"/unknown", 0, body=b"x"), 404),
            (patch(self.path, 0, body=b"0123456789"), 413),
            (patch(self.path, 0, tus=None, body=b"x"), 412),
        ):
            self.assertEqual(self.ask(sent).status, status)
        self.assertEqual(self.content(), b"")

    def test_head(self) -> None:
        """The offset is told (T-013)."""
        self.ask(patch(self.path, 0, body=b"abc"))
        self.assertEqual(self.server.offset(self.path), 3)


class PlainSiteTests(StreamingSiteTests):
    """A site without streaming: the same, once each body is there."""

    streams = False

    def test_trailers(self) -> None:
        """They are lost, so checksum-trailer is not offered (T-010)."""
        options = self.ask(message(b"OPTIONS", MOUNT))
        self.assertNotIn(b"trailer", options[b"Tus-Extension"] or b"")
        self.assertIn(b"checksum", options[b"Tus-Extension"] or b"")

    def test_identity_coding(self) -> None:
        """``identity``, which Twisted lets pass, is 501 (T-259)."""
        line = b"Transfer-Encoding: identity"
        response = self.ask(patch(self.path, 0, line, body=b"abc"))
        self.assert_refused(response, 501, "ERR_NOT_IMPLEMENTED")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertEqual(self.content(), b"")

    def test_cut(self) -> None:
        """Of a body that breaks off nothing comes here; nothing is wrong (T-040)."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, body=b"abcdefghi")[:-1])
        client.lose(ConnectionLost())
        self.assertEqual(self.server.offset(self.path), 0)

    def test_warning(self) -> None:
        """The log says, once, what the application forgot."""
        with capturedLogs() as events:
            for offset, piece in ((0, b"abc"), (3, b"def")):
                self.ask(patch(self.path, offset, body=piece))
        (warning,) = [e for e in events if "enable_streaming" in e["log_format"]]
        self.assertEqual(self.content(), b"abcdef")
        self.assertEqual(warning["log_level"].name, "warn")
