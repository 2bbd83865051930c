"""Which error a request gets, and what it tells; faults of ours among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import fail
from twisted.logger import capturedLogs
from twisted.python.components import proxyForInterface

from tests.web.tus_harness import (
    BASE,
    HOST,
    UPLOAD_BYTES,
    UPLOAD_METHODS,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.errors import StorageFailed
from tustwisted.interfaces import IUploadWriter
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.memory import MemoryStore

SECRET = "/srv/uploads/secret.txt"


class Broken(Exception):
    """What nobody has thought of."""


@define(eq=False)
class BreakingStore(MemoryStore):
    """A store of which one method fails, with a path in its words."""

    breaks: str = ""
    error: Exception = field(factory=lambda: Broken(SECRET))

    def _break(self, name: str) -> None:
        if name == self.breaks:
            raise self.error

    async def create(self, info: UploadInfo) -> None:
        self._break("create")
        await super().create(info)

    async def info(self, upload_id: str) -> UploadInfo:
        self._break("info")
        return await super().info(upload_id)

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        self._break("open_writer")
        writer = await super().open_writer(upload_id, offset)
        return _BreakingWriter(writer, self)


class _BreakingWriter(proxyForInterface(IUploadWriter, "_writer")):  # type: ignore[misc]
    """A writer that stores, and then fails if its store says so."""

    def __init__(self, writer: IUploadWriter, store: BreakingStore) -> None:
        super().__init__(writer)
        self._store = store

    def write(self, buffers: Sequence[bytes]) -> None:
        self._writer.write(buffers)
        self._store._break("write")


class FormTests(TusCase):
    """What an error looks like."""

    def test_line_of_text(self) -> None:
        """It is one line of text with its code and its length (T-265)."""
        for sent, code in (
            (patch(BASE + b"x", 0, body=b"x"), "ERR_UPLOAD_NOT_FOUND"),
            (message(b"POST", BASE), "ERR_INVALID_UPLOAD_LENGTH"),
            (message(b"POST", BASE, tus=None), "ERR_UNSUPPORTED_VERSION"),
            (message(b"GET", BASE), "ERR_METHOD_NOT_ALLOWED"),
            (message(b"GET", b"/elsewhere"), "ERR_UPLOAD_NOT_FOUND"),
        ):
            response = self.server.ask(sent)
            self.assert_refused(response, response.status, code)
            length = int(response[b"Content-Length"] or b"0")
            self.assertEqual(length, len(response.body))

    def test_head(self) -> None:
        """In answer to HEAD there is no line (T-265)."""
        for sent in (
            message(b"HEAD", BASE + b"x"),
            message(b"HEAD", BASE),
            message(b"HEAD", BASE + b"x", tus=b"2"),
            message(b"HEAD", BASE + b"x", b"Expect: x"),
            message(b"HEAD", b"/elsewhere"),
        ):
            client = self.server.connect()
            response = client.ask(sent)
            self.assertGreaterEqual(response.status, 400)
            self.assertTrue(client.wire.value().endswith(b"\r\n\r\n"))
            self.assertIsNone(response[b"Content-Type"])

    def test_every_response(self) -> None:
        """Any answer names the version and forbids sniffing (T-001, T-267)."""
        self.server = Server(switched_off=[Extension.CONCATENATION])
        path, finished = self.server.create(5), self.server.create(3)
        self.server.ask(patch(finished, 0, body=b"abc"))
        seen = set()
        for sent in (
            message(b"OPTIONS", BASE),
            message(b"POST", BASE, b"Upload-Length: 1"),
            message(b"HEAD", path),
            patch(path, 0, body=b"a"),
            patch(path, 0, body=b"a"),
            patch(path, 1, body=b"too much"),
            patch(BASE + b"x", 0, body=b"a"),
            message(b"PATCH", path, body=b""),
            message(b"GET", path, tus=None),
            message(b"GET", finished, tus=None),
            message(b"GET", finished, b"Range: bytes=0-1"),
            message(b"GET", finished, b"Range: bytes=9-"),
            message(b"GET", finished, b"If-None-Match: *"),
            message(b"HEAD", finished),
            message(b"DELETE", BASE),
            message(b"POST", BASE, tus=None),
            message(b"POST", BASE, b"Upload-Concat: partial"),
            message(b"POST", BASE, b"Expect: x"),
            message(b"GET", b"/elsewhere", tus=None),
            message(b"GET", b"/", tus=None),
            message(b"HEAD", path, host=None),
        ):
            response = self.server.ask(sent)
            self.assertEqual(response[b"Tus-Resumable"], b"1.0.0")
            self.assertEqual(response[b"X-Content-Type-Options"], b"nosniff")
            seen.add(response.status)
        expected = {200, 201, 204, 206, 304, 400, 404, 405, 409, 412, 413, 415, 416}
        expected |= {417, 501}
        self.assertEqual(seen, expected)


class UrlTests(TusCase):
    """What is served where."""

    def test_elsewhere(self) -> None:
        """Outside the base path there is nothing, for any method (T-268)."""
        for path in (b"/", b"/file", b"/files2/", b"/x/files/", b"//files/"):
            for method in (b"GET", b"POST", b"PATCH", b"OPTIONS", b"DELETE"):
                sent = message(method, path, b"Upload-Length: 1", tus=b"1.0.0")
                self.assert_refused(self.server.ask(sent), 404, "ERR_UPLOAD_NOT_FOUND")
        self.assertEqual(self.server.ids, [])

    def test_elsewhere_reads_no_body(self) -> None:
        """A body for a path that is not there is refused at its begin (T-268)."""
        for method in (b"PATCH", b"POST", b"PUT", b"GET"):
            client = self.server.connect()
            client.begin(message(method, b"/other", b"Content-Length: 1000000000"))
            (response,) = client.responses()
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
            self.assertEqual(response[b"Connection"], b"close")

    def test_strange_ids(self) -> None:
        """What cannot be an id names no upload, and no file (T-269)."""
        path = self.server.create(5)
        for name in (
            b"..",
            b"../files",
            b"%2e%2e",
            b"%2E%2e%2fetc%2fpasswd",
            b"..%5c..%5cx",
            b"\\",
            b"%00",
            b"a%00",
            b"%0a",
            b"a%0d%0aX:%20y",
            b"%ff%fe",
            b"%C3%A9",
            b"a%20b",
            b"/etc/passwd",
            b"a//b",
            b"a/",
            b".hidden",
            b"x.info",
            b"x" * 4096,
            path[len(BASE) :] + b"/",
            path[len(BASE) :] + b".info",
            path[len(BASE) :] + b"%2F..%2F" + path[len(BASE) :],
        ):
            response = self.server.ask(patch(BASE + name, 0, body=b"x"))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
            self.assertEqual(self.server.head(BASE + name).status, 404)
        self.assert_stored(path, b"")

    def test_strange_ids_come_first(self) -> None:
        """What cannot be an id is 404 whatever is asked of it (T-269, T-271)."""
        for name in (b"%2e%2e", b"a.info", b"x" * 201, b".a", b"a/", b"%C3%A9"):
            for method in (b"GET", b"PATCH", b"HEAD", b"POST", b"DELETE", b"OPTIONS"):
                response = self.server.ask(message(method, BASE + name))
                self.assertEqual((response.status, name, method), (404, name, method))

    def test_slashes_are_not_merged(self) -> None:
        """A URL with slashes too many is not found, and never redirected (T-269)."""
        path = self.server.create(5)
        upload_id = path.removeprefix(BASE)
        before = (BASE + slashes + upload_id for slashes in (b"/", b"//", b"%2F"))
        for url in (*before, path + b"/", path + b"//", path + b"%2F"):
            response = self.server.ask(patch(url, 0, body=b"x"))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
            self.assertIsNone(response[b"Location"])

    def test_id_with_a_slash(self) -> None:
        """An id that the application made with a slash is found by it (T-269)."""
        self.do(self.server.store.create(UploadInfo("users/7", 5)))
        for name in (b"users/7", b"users%2F7", b"users%2f7"):
            self.assertEqual(self.server.head(BASE + name).status, 200, name)

    def test_methods_of_an_upload(self) -> None:
        """Any other method is 405 and told which work (T-063, T-123, T-270)."""
        known = self.server.create(5)
        for path in (known, BASE + b"unknown"):
            for method in (b"POST", b"PUT", b"TRACE", b"REPORT"):
                response = self.server.ask(message(method, path, b"Upload-Length: 1"))
                self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
                self.assertEqual(response[b"Allow"], UPLOAD_METHODS)
        self.assert_stored(known, b"")

    def test_methods_have_a_case(self) -> None:
        """``patch`` is no PATCH, and ``Post`` no POST (T-270; RFC 9110, 9.1)."""
        known = self.server.create(5)
        response = self.server.ask(
            message(b"patch", known, UPLOAD_BYTES, b"Upload-Offset: 0", body=b"x")
        )
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertEqual(response[b"Allow"], UPLOAD_METHODS)
        response = self.server.ask(message(b"Post", BASE, b"Upload-Length: 1"))
        self.assertEqual(response[b"Allow"], b"POST, OPTIONS")
        self.assert_stored(known, b"")

    def test_target_without_its_slash(self) -> None:
        """A target that does not begin with a slash is no path of ours (T-268)."""
        for target in (b"xfiles/", b"@files/"):
            response = self.server.ask(message(b"POST", target, b"Upload-Length: 1"))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_methods_of_the_creation_url(self) -> None:
        """It takes POST and OPTIONS (T-064, T-220)."""
        for path in (BASE, b"/files"):
            for method in (b"PUT", b"PATCH", b"HEAD", b"DELETE", b"GET"):
                response = self.server.ask(message(method, path))
                self.assertEqual(response.status, 405)
                self.assertEqual(response[b"Allow"], b"POST, OPTIONS")


class OrderTests(TusCase):
    """Requests with several faults."""

    def test_first_fault_counts(self) -> None:
        """Faults are judged in the order of the specification's table (T-271)."""
        path = self.server.create(9)
        self.server.ask(patch(path, 0, body=b"abc"))
        fine = {
            "host": b"Host: " + HOST,
            "version": b"Tus-Resumable: 1.0.0",
            "url": path,
            "method": b"PATCH",
            "type": UPLOAD_BYTES,
            "offset": b"Upload-Offset: 3",
            "length": b"Content-Length: 6",
        }
        faults: list[tuple[str, bytes, int]] = [
            ("host", b"X: y", 400),
            ("version", b"Tus-Resumable: 2", 412),
            ("url", b"/files/%ff", 404),
            ("method", b"PUT", 405),
            ("type", b"Content-Type: text/plain", 415),
            ("offset", b"Upload-Offset: x", 400),
            ("url", b"/files/unknown", 404),
            ("offset", b"Upload-Offset: 2", 409),
            ("length", b"Content-Length: 7", 413),
        ]
        while faults:
            asked = dict(fine)
            for what, fault, _ in reversed(faults):
                asked[what] = fault
            lines = [v for k, v in asked.items() if k not in ("url", "method")]
            head = b"%b %b HTTP/1.1" % (asked["method"], asked["url"])
            client = self.server.connect()
            response = client.ask(b"\r\n".join([head, *lines, b"", b""]))
            _, fault, status = faults.pop(0)
            self.assertEqual((response.status, fault), (status, fault))
        self.assert_stored(path, b"abc")

    def test_final(self) -> None:
        """A final upload is 403 whatever the offset, but 400 comes first (T-271)."""
        self.do(self.server.store.create(UploadInfo("f", 0, is_final=True)))
        for offset in (0, 7):
            response = self.server.ask(patch(BASE + b"f", offset, body=b"x"))
            self.assert_refused(response, 403, "ERR_MODIFY_FINAL")
        sent = message(b"PATCH", BASE + b"f", UPLOAD_BYTES, body=b"x")
        self.assertEqual(self.server.ask(sent).status, 400)


class StorageTests(TusCase):
    """Stores that are full, or fail."""

    def test_full(self) -> None:
        """A full store is 507; what was stored counts, and it closes (T-045)."""
        self.server = Server(store=MemoryStore(capacity_bytes=5))
        for sent in ({"body": b"abcdefgh"}, {"chunks": [b"abc", b"def"]}):
            path = self.server.create(9)
            client = self.server.connect()
            response = client.ask(patch(path, 0, **sent))
            self.assert_refused(response, 507, "ERR_NO_SPACE")
            self.assertEqual(response[b"Connection"], b"close")
            self.assertTrue(client.closed)
            self.assert_stored(path, b"abcde")
            self.server.store.capacity_bytes += 4
            response = self.server.ask(patch(path, 5, body=b"fghi"))
            self.assertEqual(response.status, 204)
            self.server.store.capacity_bytes += 5

    def test_full_in_the_middle(self) -> None:
        """The client is told at once, not at the end of its body (T-045)."""
        self.server = Server(store=MemoryStore(capacity_bytes=5))
        path = self.server.create(9)
        client = self.server.connect()
        client.begin(patch(path, 0, b"Content-Length: 9"), b"abcdefg")
        self.assert_refused(client.responses()[-1], 507, "ERR_NO_SPACE")

    def test_other_failure(self) -> None:
        """Another failure of the store is 500; what was stored counts (T-045)."""
        store = BreakingStore(breaks="write", error=StorageFailed())
        self.server = Server(store=store)
        path = self.server.create(9)
        response = self.server.ask(patch(path, 0, body=b"abc"))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertEqual(response[b"Connection"], b"close")
        self.assert_stored(path, b"abc")


class FaultTests(TusCase):
    """Exceptions that nobody has thought of."""

    def ask(self, breaks: str, *lines: bytes) -> tuple[Response, Sequence[Any]]:
        """Make the request that meets the fault; give its log events as well."""
        store = BreakingStore()
        self.server = Server(store=store)
        path = self.server.create(9)
        store.breaks = breaks
        post = message(b"POST", BASE, b"Upload-Length: 1", *lines)
        sent = post if breaks == "create" else patch(path, 0, *lines, body=b"abc")
        with capturedLogs() as events:
            response = self.server.ask(sent)
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 1)
        return response, events

    def test_nothing_is_told(self) -> None:
        """It is 500, with no word of what happened (T-266)."""
        for breaks in ("create", "info", "open_writer", "write"):
            response, events = self.ask(breaks)
            self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
            for word in (b"Traceback", b"/srv", b"secret", b"Broken", b".py"):
                self.assertNotIn(word, response.body)
            (logged,) = [e for e in events if "log_failure" in e]
            self.assertIn(logged["method"], ("POST", "PATCH"))

    def test_upload_survives(self) -> None:
        """The lock is free afterwards, and the upload goes on (T-266)."""
        for breaks, offset in (("info", 0), ("open_writer", 0), ("write", 3)):
            self.ask(breaks)
            self.server.store.breaks = ""
            path = BASE + self.server.ids[0].encode()
            response = self.server.ask(patch(path, offset, body=b"x"))
            self.assertEqual((response.status, breaks), (204, breaks))

    def test_request_id(self) -> None:
        """At most 36 clean characters of X-Request-ID are logged (T-274)."""
        for sent, logged in (
            (b"7f1c-4d", "7f1c-4d"),
            (b"a\x1b[31mb\x7f\xff", "a[31mb"),
            (b"x" * 5000, "x" * 36),
        ):
            response, events = self.ask("info", b"X-Request-ID: " + sent)
            (event,) = [e for e in events if "log_failure" in e]
            self.assertEqual(event["request_id"], logged)
            self.assertIsNone(response[b"X-Request-ID"])

    def test_finish_step(self) -> None:
        """A failed finish step is 500; an empty PATCH tries again (T-039, T-266)."""
        path = self.server.create(3)
        self.server.on_finish = lambda: fail(Broken(SECRET))
        response = self.server.ask(patch(path, 0, body=b"abc"))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertNotIn(b"/srv", response.body)
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 1)
        self.assert_stored(path, b"abc")
        self.server.on_finish = lambda: None
        self.assertEqual(self.server.ask(patch(path, 3, body=b"")).status, 204)
        first, second = self.server.told
        self.assertEqual(first.event_id, second.event_id)

    def test_client_of_a_fault_that_left(self) -> None:
        """A fault before the client left is logged once, and frees the lock (T-266)."""
        store = BreakingStore(breaks="write")
        self.server = Server(store=store)
        client = self.server.connect()
        path = self.server.create(9)
        client.begin(patch(path, 0, b"Transfer-Encoding: chunked"), in_chunks(b"abc"))
        client.lose()
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 1)
        store.breaks = ""
        self.assertEqual(self.server.ask(patch(path, 3, body=b"x")).status, 204)
