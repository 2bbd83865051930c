"""POST with the first bytes of its upload, on the wire."""

from __future__ import annotations

from typing import Any

from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    HOST,
    UPLOAD_BYTES,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.protocol.extensions import Extension

SIX = b"Upload-Length: 6"


class CreationWithUploadTests(TusCase):
    """Uploads that begin with bytes."""

    def create(self, *lines: bytes, **sent: Any) -> Response:
        """Create an upload of six bytes."""
        return self.server.ask(
            message(b"POST", BASE, SIX, UPLOAD_BYTES, *lines, **sent)
        )

    def path_of(self, response: Response) -> bytes:
        """Where the upload is that a response tells of."""
        return (response[b"Location"] or b"").removeprefix(b"http://" + HOST)

    def test_some(self) -> None:
        """The bytes are stored, and the answer tells how many (T-083)."""
        response = self.create(body=b"abc")
        self.assertEqual((response.status, response.body), (201, b""))
        self.assertEqual(response[b"Upload-Offset"], b"3")
        self.assert_stored(self.path_of(response), b"abc")
        self.assertEqual(self.server.told, [])

    def test_all(self) -> None:
        """All bytes complete the upload, still with 201 (T-084)."""
        response = self.create(body=b"abcdef")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"6"))
        self.assertEqual(len(self.server.told), 1)

    def test_none(self) -> None:
        """An empty body is fine, and its offset is told (T-085)."""
        for sent in ({"body": b""}, {}):
            response = self.create(**sent)
            self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"0"))

    def test_none_of_nothing(self) -> None:
        """An empty upload is complete, once (T-060, T-085)."""
        sent = message(b"POST", BASE, b"Upload-Length: 0", UPLOAD_BYTES, body=b"")
        response = self.server.ask(sent)
        self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"0"))
        self.assertEqual(len(self.server.told), 1)

    def test_resumed(self) -> None:
        """It goes on with PATCH where it stopped (T-083)."""
        path = self.path_of(self.create(body=b"abc"))
        self.assertEqual(self.server.ask(patch(path, 3, body=b"def")).status, 204)
        self.assert_stored(path, b"abcdef")

    def test_announced_too_long(self) -> None:
        """A body known to be too long creates nothing (T-086)."""
        client = self.server.connect()
        sent = message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abcdefg")
        client.begin(sent[:-7])
        (response,) = client.responses()
        self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
        self.assertIsNone(response[b"Location"])
        self.assertEqual(self.server.ids, [])

    def test_too_long(self) -> None:
        """Of another one the rest is dropped; the answer names the upload (T-087)."""
        response = self.create(chunks=[b"abcd", b"efgh"])
        self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
        self.assertEqual(response[b"Connection"], b"close")
        self.assert_stored(self.path_of(response), b"abcdef")
        self.assertEqual(len(self.server.told), 1)

    def test_chunked(self) -> None:
        """The body may be chunked (T-088)."""
        response = self.create(chunks=[b"ab", b"c"])
        self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"3"))
        self.assert_stored(self.path_of(response), b"abc")

    def test_cut(self) -> None:
        """What came before the connection was lost is kept (T-091)."""
        client = self.server.connect()
        client.begin(message(b"POST", BASE, SIX, UPLOAD_BYTES, CHUNKED))
        client.send(in_chunks(b"abc"))
        client.lose()
        (upload_id,) = self.server.ids
        self.assert_stored(BASE + upload_id.encode(), b"abc")

    def test_expectation(self) -> None:
        """A client that waits for 100 gets it, then the answer (T-093)."""
        client = self.server.connect()
        expecting = b"Expect: 100-continue"
        client.begin(
            message(b"POST", BASE, SIX, UPLOAD_BYTES, expecting, body=b"abc")[:-3]
        )
        self.assertEqual([r.status for r in client.responses()], [100])
        client.send(b"abc")
        self.assertEqual([r.status for r in client.responses()], [100, 201])

    def test_refused_expectation(self) -> None:
        """One that is refused gets no 100 (T-094)."""
        expecting = b"Expect: 100-continue"
        for line, status in ((b"Upload-Length: x", 400), (b"Upload-Length: 2", 413)):
            client = self.server.connect()
            sent = message(b"POST", BASE, line, UPLOAD_BYTES, expecting, body=b"abc")
            client.begin(sent[:-3])
            self.assertEqual([r.status for r in client.responses()], [status])
        self.assertEqual(self.server.ids, [])

    def test_switched_off(self) -> None:
        """Without the extension such a body is discarded (T-092)."""
        self.server = Server(switched_off=[Extension.CREATION_WITH_UPLOAD])
        for sent in ({"body": b"abc"}, {"chunks": [b"abc"]}, {"body": b"much more"}):
            response = self.create(**sent)
            self.assertEqual(response.status, 201)
            self.assertIsNone(response[b"Upload-Offset"])
            self.assert_stored(self.path_of(response), b"")
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"with-upload", options[b"Tus-Extension"] or b"")
