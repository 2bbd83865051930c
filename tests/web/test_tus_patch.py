"""PATCH on the wire: what is stored, and how the answer tells it."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.logger import LogLevel, capturedLogs

from tests.receive.support import HandDisk
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    UPLOAD_BYTES,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.receive.choose import IN_PLACE_BYTES


class SSLError(Exception):
    """What OpenSSL raises, and Twisted gives as the reason, if it is installed."""


NO_OFFSETS = (
    b"-1",
    b"+5",
    b"5.0",
    b"0x5",
    b"1e3",
    b"1_0",
    b"\xd9\xa3",  # three, in Arabic-Indic digits
    b"",
    b"5, 5",
    b"5 5",
    b"9223372036854775808",  # 2^63
    b"9" * 19,
    b"0" * 20,
    b"9" * 5000,  # int() of Python would give up
)

EMPTY: tuple[dict[str, Any], ...] = ({"body": b""}, {}, {"chunks": []})
"""The ways to send no bytes."""


class _PatchCase(TusCase):
    """Has an upload of ten bytes, three of them stored."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_upload()

    def begin_upload(self) -> None:
        """Have a new upload, of which nobody was told yet."""
        self.path = self.server.create(10)
        self.assertEqual(self.send(0, body=b"abc").status, 204)
        self.server.told.clear()

    def send(self, offset: int, *lines: bytes, **sent: object) -> Response:
        """Send a PATCH, on a connection of its own."""
        return self.server.ask(patch(self.path, offset, *lines, **sent))

    def assert_unchanged(self) -> None:
        """Nothing was stored since the setting up, and the upload can go on."""
        self.assert_stored(self.path, b"abc")
        self.assertEqual(self.send(3, body=b"").status, 204)

    def assert_appended(self, response: Response, content: bytes) -> None:
        """It is a 204 that tells the new end of these stored bytes."""
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response[b"Upload-Offset"], b"%d" % len(content))
        self.assert_stored(self.path, content)


class AppendTests(_PatchCase):
    """Bodies that fit."""

    def test_answer(self) -> None:
        """204 tells the new offset, no type and no Location (T-021, T-049)."""
        response = self.send(3, body=b"defg")
        self.assert_appended(response, b"abcdefg")
        self.assertEqual(response[b"Tus-Resumable"], b"1.0.0")
        self.assertIsNone(response[b"Content-Type"])
        self.assertIsNone(response[b"Location"])

    def test_shorter_than_the_rest(self) -> None:
        """It leaves the upload unfinished, and nobody is told (T-038)."""
        self.assert_appended(self.send(3, body=b"defghi"), b"abcdefghi")
        self.assertEqual(self.server.told, [])

    def test_reaches_the_length(self) -> None:
        """The last byte completes the upload, which is told once (T-039)."""
        self.assert_appended(self.send(3, body=b"defghij"), b"abcdefghij")
        (event,) = self.server.told
        self.assertEqual(event.upload.upload_id, self.path.removeprefix(BASE).decode())
        self.assertEqual((event.upload.offset, event.upload.length), (10, 10))

    def test_told_after_the_last_byte_is_stored(self) -> None:
        """When the event comes, all bytes are in the store (T-039)."""
        stored: list[bytes] = []
        self.server.on_finish = lambda: stored.append(self.server.content(self.path))
        self.send(3, body=b"defghij")
        self.assertEqual(stored, [b"abcdefghij"])

    def test_empty_body(self) -> None:
        """A body of no bytes, announced or not, changes nothing (T-034)."""
        for sent in EMPTY:
            self.assert_appended(self.send(3, **sent), b"abc")
        self.assertEqual(self.server.told, [])

    def test_chunks(self) -> None:
        """Of a chunked body the decoded bytes are stored, no framing (T-031)."""
        self.assert_appended(self.send(3, chunks=[b"d", b"efg", b"hi"]), b"abcdefghi")

    def test_chunk_extensions_and_trailers(self) -> None:
        """Chunk extensions and trailer fields are not stored (T-031)."""
        coded = b'2;a=1;b="c"\r\nde\r\n0003\r\nfgh\r\n0;x\r\nUpload-Offset: 9\r\n\r\n'
        response = self.server.ask(patch(self.path, 3, CHUNKED) + coded)
        self.assert_appended(response, b"abcdefgh")

    def test_every_cut(self) -> None:
        """Wherever TCP cuts a request, sized or chunked, it is the same (T-021)."""
        for kind in ({"body": b"de\r\n\0"}, {"chunks": [b"de\r\n", b"\0"]}):
            for cut in range(1, len(patch(self.path, 0, **kind))):
                path = self.server.create(5)
                sent = patch(path, 0, **kind)
                client = self.server.connect()
                client.begin(sent[:cut], sent[cut:])
                (response,) = client.responses()
                self.assertEqual((response.status, cut), (204, cut))
                self.assertEqual(self.server.content(path), b"de\r\n\0")

    def test_large_body(self) -> None:
        """A body that does not go the way of small ones arrives, too (T-021)."""
        body = bytes(range(256)) * (IN_PLACE_BYTES // 128)
        path = self.server.create(len(body))
        response = self.server.ask(patch(path, 0, body=body))
        self.assertEqual(response[b"Upload-Offset"], b"%d" % len(body))
        self.assertEqual(self.server.content(path), body)

    def test_content_type_is_compared_loosely(self) -> None:
        """Letter case and parameters of the type do not matter (T-023)."""
        for i, value in enumerate(
            (
                b"Application/Offset+Octet-Stream",
                b"application/offset+octet-stream; charset=UTF-8",
                b"application/offset+octet-stream;x",
            )
        ):
            offset = b"Upload-Offset: %d" % (3 + i)
            type_ = b"Content-Type: " + value
            sent = message(b"PATCH", self.path, type_, offset, body=b"x")
            self.assertEqual(self.server.ask(sent).status, 204)

    def test_leading_zeros(self) -> None:
        """``003`` is three (T-026)."""
        for digits in (b"003", b"0000000000000000003"):
            offset = b"Upload-Offset: " + digits
            sent = message(b"PATCH", self.path, UPLOAD_BYTES, offset, body=b"")
            self.assertEqual(self.server.ask(sent)[b"Upload-Offset"], b"3")

    def test_content_encoding(self) -> None:
        """Encoded bytes are stored as they come (T-046)."""
        response = self.send(3, b"Content-Encoding: gzip", body=b"\x1f\x8b\x08")
        self.assert_appended(response, b"abc\x1f\x8b\x08")

    def test_headers_of_creation(self) -> None:
        """Headers that belong to a creation are ignored (T-047)."""
        lines = (
            b"Upload-Metadata: not base64!",
            b"Upload-Defer-Length: 7",
            b"Upload-Concat: final;/files/x",
        )
        self.assert_appended(self.send(3, *lines, body=b"d"), b"abcd")
        head = self.server.head(self.path)
        for name in (b"Upload-Metadata", b"Upload-Defer-Length", b"Upload-Concat"):
            self.assertIsNone(head[name])


class RefusedTests(_PatchCase):
    """Requests that are refused from their headers."""

    def test_content_type(self) -> None:
        """Any other type, or none, is 415 and tells the right one (T-022)."""
        offset = b"Upload-Offset: 3"
        for lines in (
            (),
            (b"Content-Type:",),
            (b"Content-Type: application/octet-stream",),
            (b"Content-Type: application/offset+octet-stream2",),
            (b"Content-Type: application/offset octet-stream",),
            (UPLOAD_BYTES, b"Content-Type: text/plain"),
        ):
            sent = message(b"PATCH", self.path, offset, *lines, body=b"def")
            response = self.server.ask(sent)
            self.assert_refused(response, 415, "ERR_INVALID_CONTENT_TYPE")
            accepted = response[b"Accept-Patch"]
            self.assertEqual(accepted, b"application/offset+octet-stream")
        self.assert_unchanged()

    def test_no_offset(self) -> None:
        """Without Upload-Offset it is 400 (T-024)."""
        sent = message(b"PATCH", self.path, UPLOAD_BYTES, body=b"def")
        self.assert_refused(self.server.ask(sent), 400, "ERR_INVALID_OFFSET")
        self.assert_unchanged()

    def test_bad_offset(self) -> None:
        """What is no offset is 400, never 500 (T-025)."""
        for value in NO_OFFSETS:
            offset = b"Upload-Offset: " + value
            sent = message(b"PATCH", self.path, UPLOAD_BYTES, offset, body=b"def")
            self.assert_refused(self.server.ask(sent), 400, "ERR_INVALID_OFFSET")
        self.assert_unchanged()

    def test_offset_twice(self) -> None:
        """An offset that is sent twice is 400, also when both are equal (T-027)."""
        for other in (b"3", b"4"):
            response = self.send(3, b"Upload-Offset: " + other, body=b"def")
            self.assert_refused(response, 400, "ERR_INVALID_OFFSET")
        self.assert_unchanged()

    def test_wrong_offset(self) -> None:
        """An offset below or above the stored one is 409 and tells it (T-028)."""
        for offset in (0, 2, 4, 10, 11, 2**63 - 1):
            for sent in ({"body": b"def"}, {"chunks": [b"def"]}, {"body": b""}):
                response = self.send(offset, **sent)
                self.assert_refused(response, 409, "ERR_MISMATCHED_OFFSET")
                self.assertEqual(response[b"Upload-Offset"], b"3")
        self.assert_unchanged()

    def test_wrong_offset_before_the_body(self) -> None:
        """The 409 does not wait for the body (T-028)."""
        response = self.server.ask(patch(self.path, 4, body=b"def")[:-3])
        self.assertEqual(response.status, 409)
        self.assert_unchanged()

    def test_unknown_upload(self) -> None:
        """It is 404, and tells no offset (T-029)."""
        for name in (b"unknown", b"%2e%2e", b"x.info"):
            response = self.server.ask(patch(BASE + name, 0, body=b"abc"))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
            self.assertIsNone(response[b"Upload-Offset"])

    def test_too_long(self) -> None:
        """A body announced past the length is 413, unread, and closes (T-030)."""
        for surplus in (1, 100, 2**40):
            client = self.server.connect()
            announced = b"Content-Length: %d" % (7 + surplus)
            response = client.ask(patch(self.path, 3, announced) + b"defg")
            self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
            self.assertEqual(response[b"Connection"], b"close")
            self.assertTrue(client.closed)
        self.assert_unchanged()


class PastTheEndTests(_PatchCase):
    """Chunked bodies that turn out to be too long, and uploads that are complete."""

    def test_surplus_is_dropped(self) -> None:
        """The upload is completed, the surplus dropped, the answer 413 (T-032)."""
        for pieces in ([b"defghijX"], [b"defghij", b"X"], [b"def", b"ghijXYZ", b"X"]):
            self.begin_upload()
            client = self.server.connect()
            response = client.ask(patch(self.path, 3, chunks=pieces))
            self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
            self.assertEqual(response[b"Connection"], b"close")
            self.assertTrue(client.closed)
            self.assert_stored(self.path, b"abcdefghij")
            self.assertEqual(len(self.server.told), 1)

    def test_surplus_in_a_segment_of_its_own(self) -> None:
        """It is the same when the surplus comes later (T-032)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, CHUNKED), in_chunks(b"defghij"))
        self.assertEqual(client.responses(), [])
        client.send(in_chunks(b"X"))
        self.assertEqual(client.responses()[-1].status, 413)
        self.assert_stored(self.path, b"abcdefghij")

    def test_complete_and_empty(self) -> None:
        """An empty body on a completed upload is 204, told no second time (T-035)."""
        self.send(3, body=b"defghij")
        for sent in EMPTY:
            self.assert_appended(self.send(10, **sent), b"abcdefghij")
        self.assertEqual(len(self.server.told), 1)

    def test_complete_and_more(self) -> None:
        """Any byte for a completed upload is 413, and not stored (T-036)."""
        self.send(3, body=b"defghij")
        for sent in ({"body": b"X"}, {"chunks": [b"X"]}, {"chunks": [b"XY", b"Z"]}):
            response = self.send(10, **sent)
            self.assert_refused(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")
            self.assert_stored(self.path, b"abcdefghij")
        self.assertEqual(len(self.server.told), 1)

    def test_complete_and_wrong_offset(self) -> None:
        """Another offset than the length is 409 and tells the length (T-037)."""
        self.send(3, body=b"defghij")
        for offset in (0, 9, 11):
            for body in (b"", b"X"):
                response = self.send(offset, body=body)
                self.assert_refused(response, 409, "ERR_MISMATCHED_OFFSET")
                self.assertEqual(response[b"Upload-Offset"], b"10")


class CutTests(_PatchCase):
    """Connections that are lost in the middle."""

    def test_sized(self) -> None:
        """Wherever it is cut, what came is kept and the rest can follow (T-040)."""
        sent = patch(self.path, 3, body=b"defghij")
        begin = sent.index(b"defghij")
        for cut in (*range(1, begin, 9), *range(begin, len(sent))):
            self.begin_upload()
            sent = patch(self.path, 3, body=b"defghij")
            client = self.server.connect()
            client.begin(sent[:cut])
            client.lose(ConnectionLost())
            self.assertEqual(client.responses(), [])
            kept = max(0, cut - begin)
            self.assert_stored(self.path, b"abcdefghij"[: 3 + kept])
            self.assertEqual(self.server.told, [])
            rest = b"defghij"[kept:]
            self.assert_appended(self.send(3 + kept, body=rest), b"abcdefghij")

    def test_chunked(self) -> None:
        """Of a chunked body the decoded bytes are kept, wherever it is cut (T-042)."""
        head, coded = patch(self.path, 3, CHUNKED), in_chunks(b"de", b"f", b"ghi", b"")
        data = [coded.index(b"de"), coded.index(b"de") + 1, coded.index(b"f")]
        data += [coded.index(b"ghi") + i for i in range(3)]
        for cut in range(len(coded)):
            self.begin_upload()
            head = patch(self.path, 3, CHUNKED)
            client = self.server.connect()
            client.begin(head + coded[:cut])
            client.lose(ConnectionLost())
            kept = sum(1 for position in data if position < cut)
            self.assert_stored(self.path, b"abcdefghi"[: 3 + kept])
            self.assertEqual(client.responses(), [])

    def test_chunked_without_its_marker(self) -> None:
        """With all bytes there the upload is complete, marker or not (T-042)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, CHUNKED) + in_chunks(b"defghij"))
        self.assertEqual(self.server.told, [])
        client.lose(ConnectionLost())
        self.assert_stored(self.path, b"abcdefghij")
        self.assertEqual(len(self.server.told), 1)

    def test_after_the_last_byte(self) -> None:
        """A client that leaves before its answer has a complete upload (T-041)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        body = b"x" * (IN_PLACE_BYTES + 1)
        path = self.server.create(len(body))
        client = self.server.connect()
        client.begin(patch(path, 0, body=body))
        client.lose(ConnectionLost())
        self.assertEqual(self.server.told, [])
        disk.do_all()
        self.assertEqual(self.server.offset(path), len(body))
        self.assertEqual(len(self.server.told), 1)
        self.assertEqual(client.responses(), [])

    def test_in_the_store_later(self) -> None:
        """What came is also kept when the store is slower than the cut (T-040)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        path = self.server.create(9)
        client = self.server.connect()
        for piece in (patch(path, 0, CHUNKED), in_chunks(b"ab"), in_chunks(b"cd")):
            client.send(piece)
        client.lose(ConnectionLost())
        disk.do_all()
        self.assertEqual(self.server.content(path), b"abcd")

    def test_is_no_fault(self) -> None:
        """
        A cut connection is nothing that an operator must read of (T-040).

        Not even one that a client cut by an error of TLS.
        """
        for reason in (ConnectionLost(), SSLError([("SSL routines", "", "bad mac")])):
            self.begin_upload()
            with capturedLogs() as events:
                client = self.server.connect()
                client.begin(patch(self.path, 3, body=b"defghij")[:-3])
                client.lose(reason)
            loud = [e for e in events if e["log_level"] >= LogLevel.warn]
            self.assertEqual(loud, [])
            self.assert_stored(self.path, b"abcdefg")
