"""Uploads whose length is told later, on the wire."""

from __future__ import annotations

from tests.web.test_tus_checksum import checksum
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

DEFERRED = b"Upload-Defer-Length: 1"


class _DeferredCase(TusCase):
    """Has an upload of unknown length with three bytes."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.defer()

    def defer(self) -> bytes:
        """Create an upload of unknown length, and give it three bytes."""
        created = self.server.ask(message(b"POST", BASE, DEFERRED))
        self.assertEqual(created.status, 201)
        path = (created[b"Location"] or b"").removeprefix(b"http://" + HOST)
        self.assertEqual(self.send(path, 0, body=b"abc").status, 204)
        return path

    def send(self, path: bytes, offset: int, *lines: bytes, **sent: bytes) -> Response:
        """Send a PATCH."""
        return self.server.ask(patch(path, offset, *lines, **sent))

    def assert_deferred(self, offset: int) -> None:
        """The length is unknown, and so much is stored."""
        head = self.server.head(self.path)
        self.assertEqual(head[b"Upload-Defer-Length"], b"1")
        self.assertIsNone(head[b"Upload-Length"])
        self.assertEqual(head[b"Upload-Offset"], b"%d" % offset)

    def assert_length(self, length: int, offset: int) -> None:
        """The length is known, and so much is stored."""
        head = self.server.head(self.path)
        self.assertIsNone(head[b"Upload-Defer-Length"])
        self.assertEqual(head[b"Upload-Length"], b"%d" % length)
        self.assertEqual(head[b"Upload-Offset"], b"%d" % offset)


class CreationTests(_DeferredCase):
    """POST without a length."""

    def test_status(self) -> None:
        """HEAD tells that the length is deferred, and none (T-096)."""
        self.assert_deferred(3)

    def test_other_values(self) -> None:
        """Any value but 1 is 400 (T-097)."""
        for value in (b"0", b"2", b"true", b"01", b"", b"1, 1", b"+1"):
            sent = message(b"POST", BASE, b"Upload-Defer-Length: " + value)
            response = self.server.ask(sent)
            self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH_DEFER")
        self.assertEqual(len(self.server.ids), 1)

    def test_twice(self) -> None:
        """Sent twice it is 400 (T-027)."""
        response = self.server.ask(message(b"POST", BASE, DEFERRED, DEFERRED))
        self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH_DEFER")

    def test_both(self) -> None:
        """With a length as well it is 400 (T-056)."""
        length = b"Upload-Length: 5"
        response = self.server.ask(message(b"POST", BASE, DEFERRED, length))
        self.assert_refused(response, 400, "ERR_AMBIGUOUS_UPLOAD_LENGTH")

    def test_with_bytes(self) -> None:
        """It may bring its first bytes; the length stays unknown (T-089)."""
        response = self.server.ask(
            message(b"POST", BASE, DEFERRED, UPLOAD_BYTES, body=b"abc")
        )
        self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"3"))
        self.path = (response[b"Location"] or b"").removeprefix(b"http://" + HOST)
        self.assert_deferred(3)

    def test_switched_off(self) -> None:
        """Without the extension it is 501, and not advertised (T-098)."""
        self.server = Server(switched_off=[Extension.CREATION_DEFER_LENGTH])
        response = self.server.ask(message(b"POST", BASE, DEFERRED))
        self.assert_refused(response, 501, "ERR_NOT_IMPLEMENTED")
        self.assertEqual(self.server.ids, [])
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"defer", options[b"Tus-Extension"] or b"")


class DeclarationTests(_DeferredCase):
    """PATCH, with the length or without it."""

    def test_without(self) -> None:
        """Without it the upload grows, and is never complete (T-099)."""
        self.assertEqual(self.send(self.path, 3, body=b"de").status, 204)
        self.assert_deferred(5)
        self.assertEqual(self.server.told, [])

    def test_with(self) -> None:
        """With it the length is fixed from then on (T-100)."""
        length = b"Upload-Length: 9"
        self.assertEqual(self.send(self.path, 3, length, body=b"de").status, 204)
        self.assert_length(9, 5)
        self.assertEqual(self.server.told, [])

    def test_last_bytes(self) -> None:
        """The length and the last bytes complete the upload (T-101)."""
        length = b"Upload-Length: 5"
        response = self.send(self.path, 3, length, body=b"de")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"5"))
        self.assert_length(5, 5)
        self.assertEqual(len(self.server.told), 1)

    def test_length_alone(self) -> None:
        """So does the length alone when all bytes are there (T-102)."""
        response = self.send(self.path, 3, b"Upload-Length: 3", body=b"")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"3"))
        self.assert_length(3, 3)
        self.assertEqual(len(self.server.told), 1)

    def test_below_the_offset(self) -> None:
        """A length of less than is stored is 400 (T-103)."""
        response = self.send(self.path, 3, b"Upload-Length: 2", body=b"")
        self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH")
        self.assert_deferred(3)

    def test_malformed(self) -> None:
        """A length that is none is 400 (T-104)."""
        for value in (b"-1", b"x", b"", b"5, 5", b"9223372036854775808"):
            line = b"Upload-Length: " + value
            response = self.send(self.path, 3, line, body=b"d")
            self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH")
        length = b"Upload-Length: 5"
        response = self.send(self.path, 3, length, length, body=b"d")
        self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH")
        self.assert_deferred(3)

    def test_below_the_body(self) -> None:
        """A body that does not fit the length is 413, unread (T-106)."""
        client = self.server.connect()
        sent = patch(self.path, 3, b"Upload-Length: 4", body=b"de")
        client.begin(sent[:-2])
        (response,) = client.responses()
        self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
        self.assert_deferred(3)

    def test_again(self) -> None:
        """The same length may be told again (T-107)."""
        for offset in (3, 4):
            response = self.send(self.path, offset, b"Upload-Length: 9", body=b"d")
            self.assertEqual(response.status, 204)
        self.assert_length(9, 5)

    def test_changed(self) -> None:
        """Another length is 400, and nothing is stored (T-108)."""
        self.send(self.path, 3, b"Upload-Length: 9", body=b"d")
        for length in (b"8", b"10", b"4"):
            line = b"Upload-Length: " + length
            response = self.send(self.path, 4, line, body=b"e")
            self.assert_refused(response, 400, "ERR_INVALID_UPLOAD_LENGTH")
        self.assert_length(9, 4)

    def test_cut(self) -> None:
        """A length that was told outlives the cut of its request (T-109)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, b"Upload-Length: 9", body=b"defghi")[:-4])
        client.lose()
        self.assert_length(9, 5)

    def test_wrong_checksum(self) -> None:
        """With bytes that do not count the length does not either (T-110)."""
        for line, status in (
            (checksum(b"x"), 460),
            (b"Upload-Checksum: sha1", 400),
            (b"Upload-Checksum: sha999 YQ==", 400),
        ):
            length = b"Upload-Length: 5"
            response = self.send(self.path, 3, length, line, body=b"de")
            self.assertEqual(response.status, status)
            self.assert_deferred(3)

    def test_right_checksum(self) -> None:
        """With bytes that count it does (T-100, T-110, T-126)."""
        line = checksum(b"de")
        response = self.send(self.path, 3, b"Upload-Length: 5", line, body=b"de")
        self.assertEqual(response.status, 204)
        self.assert_length(5, 5)
        self.assertEqual(len(self.server.told), 1)

    def test_no_end_without_its_chunk(self) -> None:
        """
        A length that would complete the upload does not, if its chunk does not count:
        one that was cut, and one that is too long (T-033, T-110, T-134, T-135).
        """
        lines = (b"Upload-Length: 3", checksum(b"de"), CHUNKED)
        for sent in (b"", in_chunks(b"de", b"")):
            client = self.server.connect()
            client.begin(patch(self.path, 3, *lines), sent)
            client.lose()
            self.assert_deferred(3)
        self.assertEqual(self.server.told, [])
        self.assertEqual(self.send(self.path, 3, body=b"de").status, 204)
        self.assert_stored(self.path, b"abcde")

    def test_cut_checksum(self) -> None:
        """A cut chunk that has a checksum takes its length along (T-110, T-135)."""
        client = self.server.connect()
        length = b"Upload-Length: 5"
        client.begin(patch(self.path, 3, length, checksum(b"de"), body=b"de")[:-1])
        client.lose()
        self.assert_deferred(3)

    def test_wrong_offset(self) -> None:
        """The offset is judged before the length (T-271)."""
        for offset in (2, 4):
            response = self.send(self.path, offset, b"Upload-Length: 2", body=b"")
            self.assert_refused(response, 409, "ERR_MISMATCHED_OFFSET")


class LimitTests(_DeferredCase):
    """An upload of unknown length, and the maximum size."""

    def setUp(self) -> None:
        self.server = Server(max_size_bytes=5)
        self.path = self.defer()

    def test_length(self) -> None:
        """A length above the maximum is 413, and stays deferred (T-105)."""
        response = self.send(self.path, 3, b"Upload-Length: 6", body=b"d")
        self.assert_refused(response, 413, "ERR_MAX_SIZE_EXCEEDED")
        self.assert_deferred(3)

    def test_announced(self) -> None:
        """A body that is known to be too long is not read (T-111)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, body=b"def")[:-3])
        (response,) = client.responses()
        self.assert_refused(response, 413, "ERR_MAX_SIZE_EXCEEDED")
        self.assert_deferred(3)

    def test_chunked(self) -> None:
        """Of one that is not, as much as may be is stored, then it ends (T-112)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, CHUNKED) + in_chunks(b"defg"))
        response = client.responses()[-1]
        self.assert_refused(response, 413, "ERR_MAX_SIZE_EXCEEDED")
        self.assertEqual(response[b"Connection"], b"close")
        self.assert_deferred(5)

    def test_chunked_at_once(self) -> None:
        """The connection ends also when the whole body came with its head (T-112)."""
        client = self.server.connect()
        response = client.ask(patch(self.path, 3, chunks=[b"defg"]))
        self.assert_refused(response, 413, "ERR_MAX_SIZE_EXCEEDED")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertTrue(client.closed)
        self.assert_deferred(5)

    def test_exactly(self) -> None:
        """At the maximum it is still incomplete, until its length is told (T-113)."""
        self.assertEqual(self.send(self.path, 3, body=b"de").status, 204)
        self.assert_deferred(5)
        self.assertEqual(self.server.told, [])
        response = self.send(self.path, 5, b"Upload-Length: 5", body=b"")
        self.assertEqual(response.status, 204)
        self.assertEqual(len(self.server.told), 1)

    def test_creation(self) -> None:
        """A creation with too many bytes creates nothing, if that is known (T-111)."""
        sent = message(b"POST", BASE, DEFERRED, UPLOAD_BYTES, body=b"abcdef")
        self.assert_refused(self.server.ask(sent), 413, "ERR_MAX_SIZE_EXCEEDED")
        self.assertEqual(len(self.server.ids), 1)
