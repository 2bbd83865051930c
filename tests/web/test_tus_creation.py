"""POST on the creation URL, on the wire."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import fail

from tests.web.tus_harness import (
    BASE,
    HOST,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.metadata import Metadata

NO_LENGTHS = (
    b"-1",
    b"+5",
    b"5.0",
    b"0x5",
    b"1e3",
    b"1_0",
    b"\xd9\xa3",  # three, in Arabic-Indic digits
    b"\xc2\xb2",  # a superscript two, which str.isdigit() takes
    b"",
    b"5, 5",
    b"five",
    b"9223372036854775808",  # 2^63
    b"9" * 19,
    b"0" * 20,
    b"9" * 5000,  # int() of Python would give up
)

METADATA: dict[bytes, dict[str, bytes]] = {
    b"": {},
    b"filename d29ybGQ=,is_confidential": {
        "filename": b"world",
        "is_confidential": b"",
    },
    b"a ,b YQ==": {"a": b"", "b": b"a"},
    b"a YQ==, b Yg==": {"a": b"a", "b": b"b"},
    b"a YQ==  ,  b Yg==": {"a": b"a", "b": b"b"},
    b"a YQ==,,b Yg==": {"a": b"a", "b": b"b"},
    b"a YQ==,": {"a": b"a"},
    b"Name YQ==,name Yg==": {"Name": b"a", "name": b"b"},
    b"raw /4AAwyg=": {"raw": b"\xff\x80\0\xc3("},
    b"!#$%&'*+-./:;<=>?@[\\]^_`{|}~ YQ==": {"!#$%&'*+-./:;<=>?@[\\]^_`{|}~": b"a"},
}
"""What may be sent, and what it means (T-067 to T-071, T-075, T-078)."""

BAD_METADATA = {
    b"a YQ$=": "T-072, bad alphabet",
    b"a _-8=": "T-072, the alphabet of URLs",
    b"a YQ": "T-072, no padding",
    b"a YQ=": "T-072, too little padding",
    b"a YQ===": "T-072, too much padding",
    b"a Y\tQ==": "T-072, inner whitespace",
    b"a YQ== x": "T-073, a third word",
    b"a  YQ==": "T-073, two spaces",
    b"a YQ==,a Yg==": "T-074, a key twice",
    b"a,a": "T-074, a bare key twice",
    b"x YQ==, YQ==,y Yg==": "T-076, an empty key",
    b"\xc3\xa9 YQ==": "T-077, no ASCII",
    b"a\tb YQ==": "T-077, a tab",
    b"\x7f YQ==": "T-077, a control character",
    b"\x01 YQ==": "T-077, a control character",
}


class _CreationCase(TusCase):
    """Creates uploads, or is not allowed to."""

    def create(self, *lines: bytes, path: bytes = BASE, **sent: Any) -> Response:
        """Ask for an upload of five bytes, unless the lines say otherwise."""
        if not any(line.startswith(b"Upload-Length") for line in lines):
            lines = (b"Upload-Length: 5", *lines)
        return self.server.ask(message(b"POST", path, *lines, **sent))

    def assert_created(self, response: Response) -> bytes:
        """It is a 201 and nothing more; give the path of the upload."""
        self.assertEqual((response.status, response.body), (201, b""))
        self.assertIsNone(response[b"Upload-Offset"])
        location = response[b"Location"] or b""
        return location.removeprefix(b"http://files.example")

    def assert_not_created(self, response: Response, status: int, code: str) -> None:
        """It is an error without a Location, and there is no upload."""
        self.assert_refused(response, status, code)
        self.assertIsNone(response[b"Location"])
        self.assertEqual(self.server.ids, [])


class CreatedTests(_CreationCase):
    """Creations that succeed."""

    def test_answer(self) -> None:
        """201 tells where the upload is, and its offset is zero (T-050, T-051)."""
        response = self.create()
        path = self.assert_created(response)
        self.assertEqual(response[b"Content-Length"], b"0")
        self.assertIsNone(response[b"Content-Type"])
        self.assertEqual(response[b"Tus-Resumable"], b"1.0.0")
        head = self.server.head(path)
        self.assertEqual((head.status, head[b"Upload-Offset"]), (200, b"0"))
        self.assertEqual(head[b"Upload-Length"], b"5")
        self.assertEqual(self.server.told, [])

    def test_trailing_slash(self) -> None:
        """The creation URL works with and without its slash, and a query (T-052)."""
        for url in (b"/files", b"/files/", b"/files?a=b", b"/files/?a"):
            path = self.assert_created(self.create(path=url))
            self.assertRegex(path, rb"\A/files/[0-9a-f]{32}\Z")
            self.assertEqual(self.server.offset(path), 0)

    def test_slashes_too_many(self) -> None:
        """More slashes than one lead nowhere (T-052)."""
        response = self.create(path=b"/files//")
        self.assert_not_created(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_id(self) -> None:
        """It has 128 bits from the random source and URL-safe letters (T-054)."""
        asked: list[int] = []

        def source(count: int) -> bytes:
            asked.append(count)
            return bytes(range(200, 200 + count))

        self.server = Server(random_bytes=source)
        path = self.assert_created(self.create(b"Upload-Metadata: filename eA=="))
        self.assertEqual(path, BASE + bytes(range(200, 216)).hex().encode())
        self.assertEqual(asked, [16])

    def test_equal_requests(self) -> None:
        """Two equal requests give two uploads (T-054)."""
        same = b"Upload-Metadata: filename eA=="
        first, second = (self.assert_created(self.create(same)) for _ in range(2))
        self.assertNotEqual(first, second)
        self.server.ask(patch(first, 0, body=b"abc"))
        self.assertEqual(self.server.offset(second), 0)

    def test_empty_upload(self) -> None:
        """An upload of no bytes is complete at once, and told once (T-060)."""
        path = self.assert_created(self.create(b"Upload-Length: 0"))
        head = self.server.head(path)
        self.assertEqual(head[b"Upload-Offset"], b"0")
        self.assertEqual(head[b"Upload-Length"], b"0")
        self.assertEqual(len(self.server.told), 1)

    def test_patch_of_an_empty_upload(self) -> None:
        """An empty PATCH on it is 204, and it is not told again (T-061)."""
        path = self.assert_created(self.create(b"Upload-Length: 0"))
        for sent in (patch(path, 0, body=b""), patch(path, 0, chunks=[])):
            response = self.server.ask(sent)
            self.assertEqual(response.status, 204)
            self.assertEqual(response[b"Upload-Offset"], b"0")
        self.assertEqual(len(self.server.told), 1)

    def test_body_of_another_type(self) -> None:
        """A body that is no upload bytes is discarded (T-062)."""
        for type_ in (b"application/json", b"application/x-www-form-urlencoded", b""):
            lines = [b"Content-Type: " + type_] if type_ else []
            path = self.assert_created(self.create(*lines, body=b"a=b"))
            self.assert_stored(path, b"")
        form = b"Content-Type: multipart/form-data; boundary=x"
        path = self.assert_created(self.create(form, body=b"--x\r\nno form\r\n"))
        self.assert_stored(path, b"")

    def test_body_does_not_become_a_request(self) -> None:
        """After a discarded body the connection goes on with what follows (T-062)."""
        client = self.server.connect()
        length = b"Upload-Length: 5"
        inner = message(b"POST", BASE, length)
        client.expect(b"POST", b"HEAD")
        client.send(message(b"POST", BASE, length, body=inner) + message(b"HEAD", BASE))
        self.assertEqual([r.status for r in client.responses()], [201, 405])
        self.assertEqual(len(self.server.ids), 1)

    def test_failed_finish_step(self) -> None:
        """An upload of no bytes that cannot be finished is told where it is (T-060)."""
        self.server.on_finish = lambda: fail(ValueError("no"))
        response = self.server.ask(message(b"POST", BASE, b"Upload-Length: 0"))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        path = (response[b"Location"] or b"").removeprefix(b"http://" + HOST)
        self.assertEqual(self.server.head(path).status, 200)

    def test_largest_length(self) -> None:
        """The longest upload has 2^63-1 bytes; zeros may stand before (T-026)."""
        for digits in (b"9223372036854775807", b"0000000000000000005", b"007"):
            path = self.assert_created(self.create(b"Upload-Length: " + digits))
            told = self.server.head(path)[b"Upload-Length"]
            self.assertEqual(told, b"%d" % int(digits))

    def test_maximum_size(self) -> None:
        """A length equal to the maximum is taken (T-059)."""
        self.server = Server(max_size_bytes=10)
        self.assert_created(self.create(b"Upload-Length: 10"))


class RefusedTests(_CreationCase):
    """Creations that are refused."""

    def test_no_length(self) -> None:
        """Without any word of the length it is 400 (T-055)."""
        for lines in ((), (b"Upload-Metadata: a YQ==",)):
            response = self.server.ask(message(b"POST", BASE, *lines))
            self.assert_not_created(response, 400, "ERR_INVALID_UPLOAD_LENGTH")

    def test_bad_length(self) -> None:
        """What is no length is 400, never 500 (T-057)."""
        for value in NO_LENGTHS:
            response = self.create(b"Upload-Length: " + value)
            self.assert_not_created(response, 400, "ERR_INVALID_UPLOAD_LENGTH")

    def test_length_twice(self) -> None:
        """A length that is sent twice is 400, also when both are equal (T-027)."""
        for other in (b"5", b"6"):
            response = self.create(b"Upload-Length: 5", b"Upload-Length: " + other)
            self.assert_not_created(response, 400, "ERR_INVALID_UPLOAD_LENGTH")

    def test_length_and_deferral(self) -> None:
        """A length that is told and put off as well is 400 (T-056)."""
        response = self.create(b"Upload-Length: 5", b"Upload-Defer-Length: 1")
        self.assert_not_created(response, 400, "ERR_AMBIGUOUS_UPLOAD_LENGTH")

    def test_too_large(self) -> None:
        """A length above the maximum is 413 (T-058)."""
        self.server = Server(max_size_bytes=10)
        for length in (11, 2**63 - 1):
            response = self.create(b"Upload-Length: %d" % length)
            self.assert_not_created(response, 413, "ERR_MAX_SIZE_EXCEEDED")

    def test_concatenation_is_off(self) -> None:
        """Upload-Concat is 501 while the extension is off (T-190)."""
        self.server = Server(switched_off=[Extension.CONCATENATION])
        final = b"Upload-Concat: final;/files/a /files/b"
        for sent in (
            message(b"POST", BASE, final),
            message(b"POST", BASE, b"Upload-Concat: partial", b"Upload-Length: 5"),
            message(b"POST", BASE, b"Upload-Concat: odd", b"Upload-Length: 5"),
        ):
            response = self.server.ask(sent)
            self.assert_not_created(response, 501, "ERR_NOT_IMPLEMENTED")

    def test_refused_before_the_body(self) -> None:
        """An error does not wait for a body that was announced (T-055)."""
        sent = message(b"POST", BASE, body=b"abc")[:-3]
        response = self.server.ask(sent)
        self.assert_not_created(response, 400, "ERR_INVALID_UPLOAD_LENGTH")


class MetadataTests(_CreationCase):
    """Upload-Metadata, from the wire to the application."""

    def pairs(self, *lines: bytes) -> dict[str, bytes]:
        """Create an upload, and give its metadata as an application sees it."""
        path = self.assert_created(self.create(b"Upload-Length: 0", *lines))
        metadata = self.server.told.pop().upload.metadata
        told = self.server.head(path)[b"Upload-Metadata"] or b""
        self.assertEqual(told, metadata.header.encode("ascii"))
        return dict(metadata.pairs)

    def test_refusal_is_short(self) -> None:
        """Of a long key that is refused, the answer shows the beginning alone."""
        key = b"k" * 7000
        for value in (key + b" !", key + b" YQ== YQ==", b"%b,%b" % (key, key)):
            response = self.create(b"Upload-Metadata: " + value)
            self.assert_refused(response, 400, "ERR_INVALID_METADATA")
            self.assertIn(b"k" * 40 + b"...", response.body)
            self.assertLess(len(response.body), 150)

    def test_absent(self) -> None:
        """No metadata at all is fine (T-067)."""
        self.assertEqual(self.pairs(), {})

    def test_meaning(self) -> None:
        """Each value means these pairs (T-067, T-068, T-069, T-070, T-071, T-075)."""
        for value, expected in METADATA.items():
            found = self.pairs(b"Upload-Metadata: " + value)
            self.assertEqual(found, expected, value)

    def test_order(self) -> None:
        """The application sees the pairs in the order sent (T-068)."""
        found = self.pairs(b"Upload-Metadata: z YQ==,a,M Yg==")
        self.assertEqual(list(found), ["z", "a", "M"])

    def test_binary_value(self) -> None:
        """A value that is no UTF-8 reaches the application as its bytes (T-078)."""
        found = self.pairs(b"Upload-Metadata: raw /4AAwyg=")
        self.assertEqual(found, {"raw": b"\xff\x80\0\xc3("})

    def test_several_lines(self) -> None:
        """Lines are joined; a key must be unique among all (T-079, T-074)."""
        found = self.pairs(b"Upload-Metadata: a YQ==", b"Upload-Metadata: b,c Yg==")
        self.assertEqual(found, {"a": b"a", "b": b"", "c": b"b"})
        self.setUp()
        response = self.create(b"Upload-Metadata: a YQ==", b"Upload-Metadata: a YQ==")
        self.assert_not_created(response, 400, "ERR_INVALID_METADATA")

    def test_bad(self) -> None:
        """What breaks the rules is 400 (T-072, T-073, T-074, T-076, T-077)."""
        for value in BAD_METADATA:
            response = self.create(b"Upload-Metadata: " + value)
            self.assert_not_created(response, 400, "ERR_INVALID_METADATA")

    def test_no_smuggling(self) -> None:
        """CR, LF and NUL never get into metadata, nor another header out (T-080)."""
        for evil in (
            b"a YQ==\rX-Evil: 1",
            b"a YQ==\nX-Evil: 1",
            b"a YQ==\0",
            b"a\0 YQ==",
            b"a YQ==\r\n\tX-Evil: 1",
            b"a YQ==\r\n ,b\x0b YQ==",
        ):
            response = self.create(b"Upload-Metadata: " + evil)
            self.assertEqual(response.status, 400, evil)
            self.assertEqual(self.server.ids, [])

    def test_echo_is_ascii(self) -> None:
        """What HEAD sends back is printable ASCII (T-080)."""
        for value in METADATA:
            path = self.assert_created(self.create(b"Upload-Metadata: " + value))
            told = self.server.head(path)[b"Upload-Metadata"] or b""
            self.assertIsNotNone(re.fullmatch(rb"[\x20-\x7e]*", told))

    def test_file_name_is_no_path(self) -> None:
        """A file name can be anything; the upload is where its id says (T-081)."""
        for name in (
            b"../../etc/passwd",
            b"/etc/passwd",
            b"..\\x",
            b"a\0b",
            b"x" * 10_000,
        ):
            value = Metadata.from_pairs({"filename": name}).header.encode()
            path = self.assert_created(self.create(b"Upload-Metadata: " + value))
            self.assertRegex(path, rb"\A/files/[0-9a-f]{32}\Z")
            self.server.ask(patch(path, 0, body=b"abcde"))
            self.assert_stored(path, b"abcde")
            event = self.server.told.pop()
            self.assertEqual(event.upload.metadata.pairs["filename"], name)
