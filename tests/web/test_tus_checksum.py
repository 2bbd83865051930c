"""Upload-Checksum, before the body and after it, on the wire."""

from __future__ import annotations

from base64 import b64encode

from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    UPLOAD_BYTES,
    Client,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.protocol.checksum import ALGORITHMS
from tustwisted.protocol.extensions import Extension

ANNOUNCED = b"Trailer: Upload-Checksum"


def checksum(content: bytes, name: str = "sha1") -> bytes:
    """Write the header for some bytes."""
    hashing = ALGORITHMS[name]()
    hashing.update(content)
    return b"Upload-Checksum: %b %b" % (name.encode(), b64encode(hashing.digest()))


def with_trailer(path: bytes, offset: int, pieces: bytes, *trailer: bytes) -> bytes:
    """Write a chunked PATCH with fields behind its body, which are announced."""
    head = patch(path, offset, CHUNKED, ANNOUNCED)
    lines = b"".join(line + b"\r\n" for line in trailer)
    return head + in_chunks(pieces) + b"0\r\n" + lines + b"\r\n"


class _ChecksumCase(TusCase):
    """Has an upload of 9 bytes with the first three in place."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(9)
        self.server.ask(patch(self.path, 0, body=b"abc"))

    def send(self, offset: int, *lines: bytes, body: bytes = b"def") -> Response:
        """Send a PATCH."""
        return self.server.ask(patch(self.path, offset, *lines, body=body))

    def assert_discarded(self, response: Response, status: int, code: str) -> None:
        """It is refused, and what it brought is gone."""
        self.assert_refused(response, status, code)
        self.assert_stored(self.path, b"abc")


class HeaderTests(_ChecksumCase):
    """A checksum before the body."""

    def test_right(self) -> None:
        """With every algorithm the bytes count (T-126, T-131)."""
        for name in ALGORITHMS:
            self.setUp()
            response = self.send(3, checksum(b"def", name))
            self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"6"))
            self.assert_stored(self.path, b"abcdef")

    def test_wrong(self) -> None:
        """Else it is 460, nothing counts, and the right bytes may follow (T-127)."""
        response = self.send(3, checksum(b"xyz"))
        self.assert_discarded(response, 460, "ERR_CHECKSUM_MISMATCH")
        self.assertIsNone(response[b"Upload-Offset"])
        self.assertEqual(self.send(3, checksum(b"def")).status, 204)
        self.assert_stored(self.path, b"abcdef")

    def test_reason_phrase(self) -> None:
        """The status has the reason phrase of the specification (T-127)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, checksum(b"xyz"), body=b"def"))
        line = client.wire.value().partition(b"\r\n")[0]
        self.assertEqual(line, b"HTTP/1.1 460 Checksum Mismatch")

    def test_other_length(self) -> None:
        """A digest that is too long or too short cannot match (T-130)."""
        for digest in (b"a", b"a" * 21):
            line = b"Upload-Checksum: sha1 " + b64encode(digest)
            self.assert_discarded(self.send(3, line), 460, "ERR_CHECKSUM_MISMATCH")

    def test_unsupported(self) -> None:
        """An unknown algorithm is 400 before any byte is taken (T-128)."""
        for name in (b"sha999", b"SHA1"):
            sent = patch(self.path, 3, b"Upload-Checksum: %b YQ==" % name, body=b"def")
            client = self.server.connect()
            client.begin(sent[:-3])
            (response,) = client.responses()
            self.assert_discarded(response, 400, "ERR_UNSUPPORTED_CHECKSUM")

    def test_malformed(self) -> None:
        """What cannot be read is 400, and nothing is stored (T-129)."""
        for value in (b"", b"sha1", b"sha1 ", b"sha1 YQ", b"sha1 Y$==", b"sha1 YQ== x"):
            response = self.send(3, b"Upload-Checksum: " + value)
            self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_twice(self) -> None:
        """Two of them are 400, even if they are equal (T-027)."""
        line = checksum(b"def")
        response = self.send(3, line, line)
        self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_empty_body(self) -> None:
        """It is verified over no bytes as well (T-132)."""
        self.assertEqual(self.send(3, checksum(b""), body=b"").status, 204)
        response = self.send(3, checksum(b"a"), body=b"")
        self.assert_discarded(response, 460, "ERR_CHECKSUM_MISMATCH")

    def test_empty_body_of_a_finished_upload(self) -> None:
        """So it is when the upload takes no more bytes (T-035, T-132)."""
        self.send(3, body=b"defghi")
        self.assertEqual(self.send(9, checksum(b""), body=b"").status, 204)
        self.assertEqual(len(self.server.told), 1)

    def test_of_this_request_alone(self) -> None:
        """It covers the body of its own request, without its framing (T-133)."""
        for offset, piece in ((3, b"de"), (5, b"fg")):
            sent = patch(self.path, offset, checksum(piece), CHUNKED) + in_chunks(
                piece[:1], piece[1:], b""
            )
            self.assertEqual(self.server.ask(sent).status, 204)
        self.assert_stored(self.path, b"abcdefg")

    def test_last_chunk(self) -> None:
        """A wrong one that would complete the upload does not (T-134)."""
        response = self.send(3, checksum(b"x"), body=b"defghi")
        self.assert_discarded(response, 460, "ERR_CHECKSUM_MISMATCH")
        self.assertEqual(self.server.told, [])
        self.assertEqual(self.send(3, checksum(b"defghi"), body=b"defghi").status, 204)
        self.assertEqual(len(self.server.told), 1)

    def test_too_long(self) -> None:
        """A chunk past the upload's end is 413 and discarded as a whole (T-033)."""
        body = b"defghijkl"
        sent = patch(self.path, 3, checksum(body), chunks=[body])
        response = self.server.ask(sent)
        self.assert_discarded(response, 413, "ERR_UPLOAD_SIZE_EXCEEDED")

    def test_wrong_offset(self) -> None:
        """The offset is judged first, malformed headers before it (T-138, T-271)."""
        response = self.send(2, checksum(b"x"))
        self.assert_discarded(response, 409, "ERR_MISMATCHED_OFFSET")
        response = self.send(2, b"Upload-Checksum: sha999 YQ==")
        self.assert_discarded(response, 400, "ERR_UNSUPPORTED_CHECKSUM")
        response = self.server.ask(
            patch(BASE + b"unknown", 0, b"Upload-Checksum: sha999 YQ==", body=b"x")
        )
        self.assertEqual(response.status, 404)
        response = self.server.ask(
            patch(BASE + b"unknown", 0, b"Upload-Checksum: sha1", body=b"x")
        )
        self.assert_refused(response, 400, "ERR_INVALID_CHECKSUM")

    def test_elsewhere(self) -> None:
        """On requests that bring no upload bytes it is ignored (T-148)."""
        bad = b"Upload-Checksum: sha999 !"
        self.assertEqual(self.server.ask(message(b"HEAD", self.path, bad)).status, 200)
        self.assertEqual(self.server.ask(message(b"OPTIONS", BASE, bad)).status, 204)
        created = self.server.ask(message(b"POST", BASE, b"Upload-Length: 1", bad))
        self.assertEqual(created.status, 201)
        deleted = self.server.ask(message(b"DELETE", self.path, bad))
        self.assertEqual(deleted.status, 204)

    def test_switched_off(self) -> None:
        """Without the extension it is ignored and not advertised (T-147)."""
        self.server = Server(switched_off=[Extension.CHECKSUM])
        path = self.server.create(3)
        sent = patch(path, 0, checksum(b"xyz"), body=b"abc")
        self.assertEqual(self.server.ask(sent).status, 204)
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertIsNone(options[b"Tus-Checksum-Algorithm"])
        self.assertNotIn(b"checksum", options[b"Tus-Extension"] or b"")


class CutTests(_ChecksumCase):
    """A checksummed chunk that does not come to its end."""

    def begin(self) -> Client:
        """Send a part of a chunk."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, checksum(b"defghi"), body=b"defghi")[:-2])
        return client

    def test_never_told(self) -> None:
        """HEAD beside it tells the old offset (T-136)."""
        self.begin()
        self.assertEqual(self.server.offset(self.path), 3)

    def test_disconnect(self) -> None:
        """What came before the cut is discarded (T-135)."""
        client = self.begin()
        client.lose()
        self.assert_stored(self.path, b"abc")

    def test_silence(self) -> None:
        """So it is when the client falls silent (T-135)."""
        client = self.begin()
        self.server.clock.advance(61)
        self.assert_discarded(client.responses()[-1], 500, "ERR_READ_TIMEOUT")

    def test_take_over(self) -> None:
        """Whoever takes the upload over begins at the old offset (T-135, T-136)."""
        client = self.begin()
        self.assertEqual(self.send(3, body=b"DEF").status, 204)
        response = client.responses()[-1]
        self.assert_refused(response, 400, "ERR_UPLOAD_INTERRUPTED")
        self.assert_stored(self.path, b"abcDEF")

    def test_shutdown(self) -> None:
        """A server that stops discards it (T-135)."""
        client = self.begin()
        self.do(self.server.uploads.stop())
        self.assert_refused(client.responses()[-1], 503, "ERR_SERVER_SHUTDOWN")
        self.assertEqual(self.server.content(self.path), b"abc")


class TrailerTests(_ChecksumCase):
    """A checksum behind the body."""

    def test_right(self) -> None:
        """With every algorithm the bytes count (T-139)."""
        for name in ALGORITHMS:
            self.setUp()
            sent = with_trailer(self.path, 3, b"def", checksum(b"def", name))
            self.assertEqual(self.server.ask(sent).status, 204)
            self.assert_stored(self.path, b"abcdef")

    def test_cut_anywhere(self) -> None:
        """However the request is cut into pieces, it is verified (T-139)."""
        for back in range(1, 120):
            self.setUp()
            sent = with_trailer(self.path, 3, b"def", checksum(b"def"))
            cut = len(sent) - back
            client = self.server.connect()
            client.begin(sent[:cut], sent[cut:])
            self.assertEqual(client.responses()[-1].status, 204)
            self.assert_stored(self.path, b"abcdef")

    def test_wrong(self) -> None:
        """A mismatch is 460 (T-140)."""
        response = self.server.ask(with_trailer(self.path, 3, b"def", checksum(b"xyz")))
        self.assert_discarded(response, 460, "ERR_CHECKSUM_MISMATCH")

    def test_bad(self) -> None:
        """An algorithm that is unknown, or no sense, is 400 (T-141)."""
        for line, code in (
            (b"Upload-Checksum: sha999 YQ==", "ERR_UNSUPPORTED_CHECKSUM"),
            (b"Upload-Checksum: sha1", "ERR_INVALID_CHECKSUM"),
            (b"Upload-Checksum:", "ERR_INVALID_CHECKSUM"),
        ):
            response = self.server.ask(with_trailer(self.path, 3, b"def", line))
            self.assert_discarded(response, 400, code)
        line = checksum(b"def")
        response = self.server.ask(with_trailer(self.path, 3, b"def", line, line))
        self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_missing(self) -> None:
        """One that was announced and did not come is 400 (T-142)."""
        response = self.server.ask(with_trailer(self.path, 3, b"def"))
        self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_both(self) -> None:
        """A checksum before the body and an announced one are 400 at once (T-143)."""
        client = self.server.connect()
        client.begin(patch(self.path, 3, checksum(b"def"), CHUNKED, ANNOUNCED))
        (response,) = client.responses()
        self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_without_chunks(self) -> None:
        """A body that has no trailer can announce none (T-144)."""
        response = self.send(3, ANNOUNCED)
        self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_not_announced(self) -> None:
        """One that was not announced is ignored (T-145)."""
        head = patch(self.path, 3, CHUNKED)
        sent = head + in_chunks(b"def") + b"0\r\n" + checksum(b"xyz") + b"\r\n\r\n"
        self.assertEqual(self.server.ask(sent).status, 204)
        self.assert_stored(self.path, b"abcdef")

    def test_announced_among_others(self) -> None:
        """The announcement is a list of names without case (T-139, T-142)."""
        for line in (b"Trailer: X, upload-CHECKSUM ", b"Trailer: X\r\n" + ANNOUNCED):
            head = patch(self.path, 3, CHUNKED, line)
            response = self.server.ask(head + in_chunks(b"def", b""))
            self.assert_discarded(response, 400, "ERR_INVALID_CHECKSUM")

    def test_other_fields(self) -> None:
        """Whatever else is behind the body counts for nothing (T-146)."""
        fields = (
            b"Upload-Offset: 0",
            b"Content-Length: 9",
            b"Upload-Length: 6",
            b"odd",
        )
        line = checksum(b"def")
        sent = with_trailer(self.path, 3, b"def", *fields, line)
        client = self.server.connect()
        self.assertEqual(client.ask(sent).status, 204)
        self.assertEqual(client.ask(message(b"HEAD", self.path)).status, 200)
        self.assert_stored(self.path, b"abcdef")
        self.assertEqual(self.server.head(self.path)[b"Upload-Length"], b"9")

    def test_switched_off(self) -> None:
        """Without the extension the announcement says nothing (T-147)."""
        self.server = Server(switched_off=[Extension.CHECKSUM_TRAILER])
        self.path = self.server.create(3)
        sent = with_trailer(self.path, 0, b"abc", checksum(b"xyz"))
        self.assertEqual(self.server.ask(sent).status, 204)
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"trailer", options[b"Tus-Extension"] or b"")


class CreationTests(TusCase):
    """A checksum of the bytes that create an upload."""

    def create(self, *lines: bytes, body: bytes) -> Response:
        """Create an upload of six bytes with its first ones."""
        needed = (b"Upload-Length: 6", UPLOAD_BYTES)
        return self.server.ask(message(b"POST", BASE, *needed, *lines, body=body))

    def test_right(self) -> None:
        """They count (T-090)."""
        response = self.create(checksum(b"abc"), body=b"abc")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (201, b"3"))

    def test_wrong(self) -> None:
        """If they are wrong, nothing remains, and no Location is told (T-090)."""
        for lines, status in (
            ((checksum(b"xyz"),), 460),
            ((b"Upload-Checksum: sha999 YQ==",), 400),
            ((b"Upload-Checksum: sha1",), 400),
        ):
            response = self.create(*lines, body=b"abc")
            self.assertEqual(response.status, status)
            self.assertIsNone(response[b"Location"])
            self.assertEqual(self.server.ids, [])

    def test_trailer(self) -> None:
        """So it is when the checksum comes behind them (T-090, T-141, T-142)."""
        for line, status in (
            (checksum(b"abc"), 201),
            (checksum(b"xyz"), 460),
            (b"Upload-Checksum: sha999 YQ==", 400),
            (b"X: y", 400),
        ):
            self.setUp()
            head = message(
                b"POST", BASE, b"Upload-Length: 6", UPLOAD_BYTES, CHUNKED, ANNOUNCED
            )
            sent = head + in_chunks(b"abc") + b"0\r\n" + line + b"\r\n\r\n"
            response = self.server.ask(sent)
            self.assertEqual(response.status, status)
            self.assertEqual(len(self.server.ids), int(status == 201))
            self.assertEqual(response[b"Location"] is None, status != 201)
