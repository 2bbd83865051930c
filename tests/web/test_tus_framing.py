"""Messages on a connection: Expect, silence, refused bodies, pipelines, bad framing."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionLost

from tests.receive.support import HandDisk
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    EXPECT,
    UPLOAD_BYTES,
    Client,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.web.exchange import SMALL_REST_BYTES

IDLE_S = 60


class _FramingCase(TusCase):
    """Has an upload of nine bytes, and a client."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(9)
        self.client = self.server.connect()

    def statuses(self, client: Client | None = None) -> list[int]:
        """What the client has got."""
        return [response.status for response in (client or self.client).responses()]

    def assert_bad_request(self, sent: bytes) -> None:
        """It is a 400, the connection ends, and the process goes on."""
        client = self.server.connect()
        response = client.ask(sent)
        self.assertTrue(response.is_from_parser, sent)
        self.assertTrue(client.closed)
        self.assertEqual(self.server.head(self.path).status, 200)


class ExpectTests(_FramingCase):
    """``Expect: 100-continue``."""

    def test_accepted(self) -> None:
        """100 comes before the body, the answer after it (T-093)."""
        sent = patch(self.path, 0, EXPECT, body=b"abc")
        self.client.begin(sent[:-3])
        self.assertEqual(self.statuses(), [100])
        self.client.send(b"abc")
        self.assertEqual(self.statuses(), [100, 204])
        self.assert_stored(self.path, b"abc")

    def test_accepted_in_chunks(self) -> None:
        """It is the same for a chunked body, in any letter case (T-093)."""
        self.client.begin(patch(self.path, 0, b"expect: 100-Continue", CHUNKED))
        self.assertEqual(self.statuses(), [100])
        self.client.send(in_chunks(b"abc", b""))
        self.assertEqual(self.statuses(), [100, 204])

    def test_not_before_the_lock(self) -> None:
        """A request that has to wait for the upload is asked for nothing (T-093)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        path = self.server.create(9)
        self.server.connect().begin(patch(path, 0, CHUNKED), in_chunks(b"abc"))
        client = self.server.connect()
        client.begin(patch(path, 3, EXPECT, CHUNKED))
        self.assertEqual(self.statuses(client), [])
        disk.do_all()
        self.assertEqual(self.statuses(client), [100])

    def test_creation(self) -> None:
        """A creation reads no body: its answer comes at once, and closes (T-094)."""
        length = b"Upload-Length: 9"
        self.client.begin(message(b"POST", BASE, EXPECT, length, body=b"abc")[:-3])
        (response,) = self.client.responses()
        self.assertEqual(response.status, 201)
        self.assertEqual(response[b"Connection"], b"close")

    def test_refused(self) -> None:
        """The error comes without a 100, and the connection ends (T-094)."""
        offset = b"Upload-Offset: 0"
        body: dict[str, Any] = {"body": b"abc"}
        for status, sent in (
            (404, patch(BASE + b"unknown", 0, EXPECT, **body)),
            (409, patch(self.path, 1, EXPECT, **body)),
            (412, patch(self.path, 0, EXPECT, tus=None, **body)),
            (413, patch(self.path, 0, EXPECT, body=b"0123456789")),
            (415, message(b"PATCH", self.path, offset, EXPECT, **body)),
            (400, message(b"PATCH", self.path, UPLOAD_BYTES, EXPECT, **body)),
            (400, message(b"POST", BASE, EXPECT, **body)),
            (405, message(b"PUT", self.path, EXPECT, **body)),
        ):
            client = self.server.connect()
            client.begin(sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
            (response,) = client.responses()
            self.assertEqual(response.status, status)
            self.assertEqual(response[b"Connection"], b"close")
            self.assertTrue(client.closed)
        self.assert_stored(self.path, b"")

    def test_other_expectation(self) -> None:
        """Anything else that is expected is 417 (T-095)."""
        for value in (b"200-ok", b"100-continue, x", b"", b"100-continue;q=1"):
            sent = patch(self.path, 0, b"Expect: " + value, body=b"abc")
            response = self.server.ask(sent)
            self.assert_refused(response, 417, "ERR_EXPECTATION_FAILED")
        self.assert_stored(self.path, b"")


class SilenceTests(_FramingCase):
    """Clients that are slow, or stop sending."""

    def test_idle_timeout(self) -> None:
        """After 60 s of silence it is 500, and what came is kept (T-043)."""
        self.client.begin(patch(self.path, 0, CHUNKED), in_chunks(b"abc"))
        self.server.clock.advance(IDLE_S - 1)
        self.assertEqual(self.statuses(), [])
        self.server.clock.advance(1)
        (response,) = self.client.responses()
        self.assert_refused(response, 500, "ERR_READ_TIMEOUT")
        self.assertEqual(response[b"Connection"], b"close")
        self.assertTrue(self.client.closed)
        self.assert_stored(self.path, b"abc")

    def test_lock_is_free_after_it(self) -> None:
        """The next PATCH goes on without waiting (T-043)."""
        self.client.begin(patch(self.path, 0, CHUNKED), in_chunks(b"abc"))
        self.server.clock.advance(IDLE_S)
        response = self.server.ask(patch(self.path, 3, body=b"defghi"))
        self.assertEqual(response.status, 204)
        self.assertEqual(self.server.clock.seconds(), IDLE_S)

    def test_complete_in_spite_of_silence(self) -> None:
        """With all bytes there, a missing last-chunk marker is no error (T-043)."""
        self.client.begin(patch(self.path, 0, CHUNKED), in_chunks(b"abcdefghi"))
        self.server.clock.advance(IDLE_S)
        (response,) = self.client.responses()
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"9"))

    def test_slow_but_steady(self) -> None:
        """A body that takes nine times as long in small pieces is fine (T-044)."""
        sent = patch(self.path, 0, body=b"abcdefghi")
        self.client.begin(sent[:-9])
        for byte in b"abcdefghi":
            self.server.clock.advance(IDLE_S - 1)
            self.client.send(bytes([byte]))
        self.assertEqual(self.statuses(), [204])
        self.assert_stored(self.path, b"abcdefghi")


class RefusedBodyTests(_FramingCase):
    """Bodies that nobody wants."""

    def test_never_the_next_request(self) -> None:
        """A small one is dropped, and the connection goes on behind it (T-261)."""
        evil = message(b"POST", BASE, b"Upload-Length: 1")
        for refused in (
            patch(self.path, 4, body=evil),
            patch(BASE + b"unknown", 0, body=evil),
            patch(self.path, 0, tus=b"2", body=evil),
            message(b"PATCH", self.path, body=evil),
            message(b"DELETE", BASE + b"unknown", body=evil),
            message(b"GET", self.path, body=evil),
            message(b"POST", BASE, body=evil),
            message(b"PUT", b"/files/x", body=evil),
        ):
            head, end, rest = refused.partition(b"\r\n\r\n")
            for pieces in ([refused], [head, end, rest], [head + end + rest[:5]]):
                client = self.server.connect()
                client.expect(b"PATCH", b"HEAD")
                client.send(*pieces)
                if len(pieces) == 1 and pieces != [refused]:
                    client.send(rest[5:])
                client.send(message(b"HEAD", self.path))
                first, second = self.statuses(client)
                self.assertGreaterEqual(first, 400)
                self.assertEqual(second, 200)
        self.assertEqual(len(self.server.ids), 1)

    def test_large_one_closes(self) -> None:
        """After a refusal with much to come the connection ends (T-261)."""
        many = b"Content-Length: %d" % (SMALL_REST_BYTES + 1)
        for sent in (patch(self.path, 4, many), patch(self.path, 4, CHUNKED)):
            client = self.server.connect()
            response = client.ask(sent)
            self.assertEqual(response.status, 409)
            self.assertEqual(response[b"Connection"], b"close")
            client.send(message(b"POST", BASE, b"Upload-Length: 1"))
            self.assertTrue(client.closed)
        self.assertEqual(len(self.server.ids), 1)

    def test_rest_of_a_stopped_upload(self) -> None:
        """What follows an error in the middle of a body is no request (T-261)."""
        evil = message(b"POST", BASE, b"Upload-Length: 1")
        self.client.begin(patch(self.path, 0, CHUNKED), in_chunks(b"abcdefghiX"))
        self.client.send(in_chunks(evil, b""), evil)
        self.assertEqual(self.statuses(), [413])
        self.assertEqual(len(self.server.ids), 1)


class ConnectionTests(_FramingCase):
    """Several requests on one connection, and old clients."""

    def test_keep_alive(self) -> None:
        """Two PATCHes follow each other on one connection (T-262)."""
        for offset, body in ((0, b"abc"), (3, b"defghi")):
            self.client.begin(patch(self.path, offset, body=body))
        self.assertEqual(self.statuses(), [204, 204])
        self.assertFalse(self.client.closed)
        self.assert_stored(self.path, b"abcdefghi")

    def test_pipeline(self) -> None:
        """Requests sent at once are answered in order, however cut (T-262)."""
        for size in (10_000, 97, 7):
            path = self.server.create(9)
            sent = [
                patch(path, 0, body=b"abc"),
                message(b"HEAD", path),
                patch(path, 3, chunks=[b"def"]),
                message(b"OPTIONS", path),
                patch(path, 3, body=b"xyz"),
                patch(path, 6, body=b"ghi"),
                message(b"HEAD", path),
            ]
            wire = b"".join(sent)
            client = self.server.connect()
            client.expect(*(one.partition(b" ")[0] for one in sent))
            client.send(*(wire[i : i + size] for i in range(0, len(wire), size)))
            expected = [204, 200, 204, 204, 409, 204, 200]
            self.assertEqual(self.statuses(client), expected)
            self.assert_stored(path, b"abcdefghi")

    def test_pipeline_waits(self) -> None:
        """The second request is not begun before the first is answered (T-262)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        path = self.server.create(9)
        client = self.server.connect()
        client.begin(patch(path, 0, chunks=[b"abc"]))
        client.begin(patch(path, 3, chunks=[b"def"]))
        self.assertEqual(self.statuses(client), [])
        self.assertEqual(len(disk.waiting), 1)
        for _ in range(2):
            disk.do_all()
            client.run()
        self.assertEqual(self.statuses(client), [204, 204])
        self.assertEqual(self.server.content(path), b"abcdef")

    def test_http_1_0(self) -> None:
        """An HTTP/1.0 PATCH works, and its connection is closed (T-263)."""
        sent = patch(self.path, 0, http=b"HTTP/1.0", host=None, body=b"abc")
        self.assertEqual(self.client.ask(sent).status, 204)
        self.assertTrue(self.client.closed)
        self.assert_stored(self.path, b"abc")


class BadFramingTests(_FramingCase):
    """What is no proper message."""

    def test_length_and_coding(self) -> None:
        """Two ways to tell where the body ends are one too many (T-257)."""
        length = b"Content-Length: 3"
        for lines in ((CHUNKED, length), (length, CHUNKED)):
            self.assert_bad_request(
                patch(self.path, 0, *lines) + in_chunks(b"abc", b"")
            )
        self.assert_stored(self.path, b"")

    def test_content_length(self) -> None:
        """A length that is repeated or no number is refused (T-258)."""
        for value in (b"+3", b"-3", b"3, 3", b"3 3", b"0x3", b"3.0", b"", b"\xb3"):
            line = b"Content-Length: " + value
            self.assert_bad_request(patch(self.path, 0, line) + b"abc")
        for digits in (b"9" * 5000, b"0" * 4999 + b"3"):  # more than int() reads
            line = b"Content-Length: " + digits
            self.assert_bad_request(patch(self.path, 0, line) + b"abc")
        twice = patch(self.path, 0, b"Content-Length: 3", body=b"abc")
        self.assert_bad_request(twice)
        self.assert_stored(self.path, b"")

    def test_long_content_length_in_a_pipeline(self) -> None:
        """It makes no difference what came before it (T-258)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        path = self.server.create(3)
        line = b"Content-Length: " + b"9" * 5000
        second = patch(path, 3, line)
        for first in (message(b"HEAD", path), patch(path, 0, chunks=[b"abc"])):
            client = self.server.connect()
            client.begin(first + second)
            client.expect(b"PATCH")
            disk.do_all()
            answered, refused = client.responses()
            self.assertEqual(answered.status // 100, 2)
            self.assertTrue(refused.is_from_parser)
            self.assertTrue(client.closed)
        self.assertEqual(self.server.content(path), b"abc")

    def test_transfer_coding(self) -> None:
        """A coding other than chunked is refused by the parser (T-259)."""
        for value in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"x", b""):
            line = b"Transfer-Encoding: " + value
            self.assert_bad_request(patch(self.path, 0, line) + in_chunks(b"abc", b""))
        self.assert_bad_request(patch(self.path, 0, CHUNKED, chunks=[b"abc"]))
        self.assert_stored(self.path, b"")

    def test_identity_coding(self) -> None:
        """
        ``identity``, which Twisted lets pass, is refused in the same way, wherever the
        request goes: what stands behind it is never a request (T-257, T-259, T-261).
        """
        line = b"Transfer-Encoding: identity"
        length = b"Content-Length: 0"
        evil = message(b"POST", BASE, b"Upload-Length: 1")
        for sent in (
            patch(self.path, 0, line),
            patch(self.path, 0, line, length),
            patch(self.path, 0, length, line),
            patch(self.path, 0, CHUNKED, line),
            message(b"GET", b"/elsewhere", line, length),
            message(b"OPTIONS", b"*", line, length),
        ):
            self.assert_bad_request(sent + evil)
        self.assert_stored(self.path, b"")
        self.assertEqual(len(self.server.ids), 1)

    def test_bad_chunks(self) -> None:
        """A bad chunk ends it; what was decoded before is kept (T-260)."""
        for bad in (b"xyz\r\n", b"-1\r\n", b"0x3\r\ndef\r\n", b"3\r\ndefgh", b"\r\n"):
            path = self.server.create(9)
            client = self.server.connect()
            client.begin(patch(path, 0, CHUNKED) + in_chunks(b"abc"), bad)
            (response,) = client.responses()
            self.assertTrue(response.is_from_parser, bad)
            self.assertTrue(client.closed)
            client.lose(ConnectionLost())
            self.assertEqual(self.server.content(path)[:3], b"abc")
            self.assertIn(self.server.content(path), (b"abc", b"abcdef"))
            offset = self.server.offset(path)
            self.assertEqual(
                self.server.ask(patch(path, offset, body=b"x")).status, 204
            )

    def test_bad_chunk_after_the_answer(self) -> None:
        """A body that was refused may be as bad as it likes: one answer is enough."""
        for refused in (
            message(b"DELETE", BASE, CHUNKED),
            message(b"POST", BASE, b"Upload-Length: 9", CHUNKED),
            patch(self.path, 5, CHUNKED),
        ):
            for pieces in ([refused + b"xyz\r\n"], [refused, b"3\r\nabcdef", b"\r\n"]):
                client = self.server.connect()
                client.begin(*pieces)
                (response,) = client.responses()
                self.assertFalse(response.is_from_parser)
                self.assertEqual(response[b"Connection"], b"close")
                self.assertTrue(client.closed)
                client.lose()
        self.assertEqual(self.server.offset(self.path), 0)

    def test_bad_chunk_before_the_answer(self) -> None:
        """What the route still says when the parser has refused is not sent (T-260)."""
        disk = HandDisk()
        self.server = Server(disk=disk)
        path = self.server.create(9)
        self.server.connect().begin(patch(path, 0, CHUNKED), in_chunks(b"abc"))
        client = self.server.connect()
        client.begin(patch(path, 7, CHUNKED), b"xyz\r\n")
        for _ in range(3):
            disk.do_all()  # the upload is free now: this would be a 409
            (response,) = client.responses()
            self.assertTrue(response.is_from_parser)
        self.assertTrue(client.closed)
        client.lose()
        self.assertEqual(self.server.ask(patch(path, 7, body=b"x")).status, 409)

    def test_request_line(self) -> None:
        """What is no request at all is refused (T-264)."""
        for sent in (
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
            b"PATCH\r\n\r\n",
            b"PATCH /files/\r\n\r\n",
            b"PATCH /files/x HTTP/9.9 y\r\n\r\n",
            message(b"PATCH", self.path, b"no colon"),
            message(b"PATCH", self.path, b"bad name: x"),
            message(b"PATCH", self.path, b"Upload-Offset : 0"),
        ):
            self.assert_bad_request(sent)

    def test_too_many_headers(self) -> None:
        """Headers beyond the limits are refused, and nothing is created (T-082)."""
        length = b"Upload-Length: 1"
        for lines in (
            [b"X-%d: %s" % (i, b"x" * 200) for i in range(400)],
            [b"X: y"] * 500,
            [b"Upload-Metadata: a " + b"YWFh" * 16384],
        ):
            self.assert_bad_request(message(b"POST", BASE, length, *lines))
        self.assertEqual(len(self.server.ids), 1)

    def test_large_headers(self) -> None:
        """A value of 10 kB and a list of 500 URLs pass (T-081, T-082)."""
        metadata = b"Upload-Metadata: filename " + b"YWFh" * 3500
        path = self.server.create(1, metadata)
        self.assertEqual(len(self.server.head(path)[b"Upload-Metadata"] or b""), 14009)
        urls = b" ".join(b"https://files.example/files/%042d" % i for i in range(500))
        self.assertGreater(len(urls), 500 * 70)
        self.server.create(1, b"X-List: final;" + urls, metadata)


class HostTests(_FramingCase):
    """Which host a request is for."""

    def head(self, client: Client, **sent: bytes | None) -> Response:
        """Ask how far the upload is."""
        return client.ask(message(b"HEAD", self.path, **sent))  # type: ignore[arg-type]

    def test_none_or_two(self) -> None:
        """HTTP/1.1 without a Host, or with two, is 400, and closes (T-255)."""
        for sent in (
            patch(self.path, 0, host=None, body=b"abc"),
            patch(self.path, 0, b"Host: other.example", body=b"abc"),
            patch(self.path, 0, b"Host: files.example", body=b"abc"),
        ):
            client = self.server.connect()
            self.assert_refused(client.ask(sent), 400, "ERR_INVALID_HOST")
            self.assertTrue(client.closed)
        self.assert_stored(self.path, b"")

    def test_no_host(self) -> None:
        """What cannot be a host is 400 as well, never 500 (T-255)."""
        for host in (
            b"a b",
            b"a/b",
            b"a@b",
            b"a..b",
            b"\xe9",
            b"x" * 64,
            b"[::1",
            b"[.]",
            b"[:]",
            b"[]:80",
            b"[1::2::3]",
            b"[127.0.0.1]",
            b"a:b",
        ):
            sent = patch(self.path, 0, host=host, body=b"abc")
            self.assert_refused(self.server.ask(sent), 400, "ERR_INVALID_HOST")
        self.assert_stored(self.path, b"")

    def test_any_host(self) -> None:
        """The server answers to any name (T-255)."""
        for host in (
            b"",
            b"localhost",
            b"10.0.0.1:8080",
            b"[2001:db8::1]:1",
            b"[::ffff:10.0.0.1]",
            b"a_b.c.",
        ):
            self.assertEqual(self.head(self.server.connect(), host=host).status, 200)

    def test_none_in_http_1_0(self) -> None:
        """HTTP/1.0 needs no Host, also where there is no address (T-254)."""
        for address in (None, UNIXAddress("/run/tus.sock")):
            client = self.server.connect(address)
            response = self.head(client, host=None, http=b"HTTP/1.0")
            self.assertEqual(response.status, 200)
