"""GET of an upload on the wire, and what HEAD tells of it."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import cast

from twisted.logger import capturedLogs
from twisted.web.http import datetimeToString

from tests.web.readers import WatchedStore, WriteOnly
from tests.web.tus_harness import (
    BASE,
    UPLOAD_METHODS,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.errors import StorageFailed
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.memory import MemoryStore
from tustwisted.web.settings import WebSettings

CONTENT = bytes(range(256)) * 4

OF_CONTENT = (
    b"Accept-Ranges",
    b"Content-Disposition",
    b"Content-Length",
    b"Content-Type",
    b"ETag",
    b"Last-Modified",
)
"""What a GET and the HEAD of a finished upload tell in the same words."""


class DownloadCase(TusCase):
    """Has a finished upload, too."""

    def setUp(self) -> None:
        super().setUp()
        self.server.clock.advance(100)  # so that there is a time before
        self.path = self.put(CONTENT)

    def put(self, content: bytes, **metadata: bytes) -> bytes:
        """Upload something."""
        pairs = (f"{k} ".encode() + b64encode(v) for k, v in metadata.items())
        header = b"Upload-Metadata: " + b",".join(pairs)
        path = self.server.create(len(content), header)
        if content:
            sent = self.server.ask(patch(path, 0, body=content))
            self.assertEqual(sent.status, 204)
        return path

    def get(self, path: bytes, *lines: bytes, method: bytes = b"GET") -> Response:
        """Ask as a browser does, which knows nothing of tus."""
        return self.server.ask(message(method, path, *lines, tus=None))


class GetTests(DownloadCase):
    """What is downloaded."""

    def test_whole(self) -> None:
        """A finished upload comes with all that says what it is (T-205)."""
        path = self.put(CONTENT, filename=b"a.png", filetype=b"image/png")
        response = self.get(path)
        self.assertEqual((response.status, response.body), (200, CONTENT))
        for name, expected in (
            (b"Content-Length", b"1024"),
            (b"Content-Type", b"image/png"),
            (b"Content-Disposition", b'inline; filename="a.png"'),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Tus-Resumable", b"1.0.0"),
            (b"Accept-Ranges", b"bytes"),
            (b"Cache-Control", b"private, no-cache"),
            (b"Content-Range", None),
            (b"Upload-Offset", None),
        ):
            self.assertEqual(response[name], expected, name)

    def test_unknown_type(self) -> None:
        """One that says nothing of itself is octets to be saved (T-209)."""
        response = self.get(self.path)
        self.assertEqual(response[b"Content-Type"], b"application/octet-stream")
        self.assertEqual(response[b"Content-Disposition"], b"attachment")

    def test_no_injection(self) -> None:
        """Metadata with line breaks add no header (T-214, T-216)."""
        evil = b"a\r\nX-Evil: 1\r\n\r\n<script>"
        response = self.get(self.put(CONTENT, filename=evil, filetype=evil))
        self.assertEqual(response.body, CONTENT)
        self.assertIsNone(response[b"X-Evil"])
        self.assertEqual(response[b"Content-Type"], b"application/octet-stream")
        self.assertEqual(
            response[b"Content-Disposition"],
            b'attachment; filename="aX-Evil: 1<script>"',
        )

    def test_unfinished(self) -> None:
        """An unfinished upload is 404, whatever it has, without its bytes (T-206)."""
        path = self.server.create(5)
        for body in (b"", b"abc"):
            self.server.ask(patch(path, 0, body=body))
            self.assert_refused(self.get(path), 404, "ERR_UPLOAD_NOT_FOUND")

    def test_state_decides(self) -> None:
        """All bytes are not enough: the finish step must have ended well (T-206)."""
        upload_id = self.path.removeprefix(BASE).decode()
        for state in UploadState:
            self.do(self.server.store.set_state(upload_id, state))
            expected = 200 if state is UploadState.FINISHED else 404
            self.assertEqual(self.get(self.path).status, expected)

    def test_empty(self) -> None:
        """An empty upload is 200 with no bytes, with a range or without (T-207)."""
        path = self.put(b"")
        for lines in ((), (b"Range: bytes=0-",), (b"Range: bytes=-5",)):
            response = self.get(path, *lines)
            self.assertEqual((response.status, response.body), (200, b""))
            self.assertEqual(response[b"Content-Length"], b"0")

    def test_unknown(self) -> None:
        """What is no upload, or none any more, is 404 (T-116, T-208)."""
        self.server.ask(message(b"DELETE", self.path))
        for path in (BASE + b"unknown", self.path):
            self.assert_refused(self.get(path), 404, "ERR_UPLOAD_NOT_FOUND")

    def test_creation_url(self) -> None:
        """There is nothing to get at the creation URL (T-220)."""
        response = self.get(BASE)
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertEqual(response[b"Allow"], b"POST, OPTIONS")

    def test_keep_alive(self) -> None:
        """One connection gives one download after the other, and takes uploads."""
        client = self.server.connect()
        sent = message(b"GET", self.path)
        client.begin(sent + sent + message(b"HEAD", self.path))
        client.expect(b"GET", b"HEAD")
        bodies = [r.body for r in client.responses()]
        self.assertEqual(bodies, [CONTENT, CONTENT, b""])
        self.assertEqual(client.ask(sent).body, CONTENT)

    def test_old_client(self) -> None:
        """A client of HTTP/1.0 gets the bytes, and the end of the connection."""
        client = self.server.connect()
        sent = message(b"GET", self.path, http=b"HTTP/1.0", host=None, tus=None)
        response = client.ask(sent)
        self.assertEqual((response.status, response.body), (200, CONTENT))
        self.assertTrue(client.closed)

    def test_body_is_ignored(self) -> None:
        """A body that comes with a GET is dropped."""
        client = self.server.connect()
        response = client.ask(message(b"GET", self.path, body=b"x" * 1000))
        self.assertEqual(response.body, CONTENT)
        self.assertEqual(client.ask(message(b"GET", self.path)).body, CONTENT)

    def test_no_lock(self) -> None:
        """Whoever holds the upload, it is read at once, by several (T-237)."""
        upload_id = self.path.removeprefix(BASE).decode()
        lock = self.successResultOf(
            self.server.locker.acquire(upload_id, self.fail, 1.0)
        )
        for _ in range(3):
            self.assertEqual(self.get(self.path).body, CONTENT)
        lock.release()


class RangeTests(DownloadCase):
    """A part of an upload."""

    def test_part(self) -> None:
        """One range is 206 with these bytes, and says which they are (T-217)."""
        for sent, first, last in (
            (b"bytes=0-0", 0, 0),
            (b"bytes=10-19", 10, 19),
            (b"bytes=1000-", 1000, 1023),
            (b"bytes=-24", 1000, 1023),
            (b"bytes=1000-9999", 1000, 1023),
            (b"bytes=0-", 0, 1023),
        ):
            response = self.get(self.path, b"Range: " + sent)
            self.assertEqual(response.status, 206)
            self.assertEqual(response.body, CONTENT[first : last + 1])
            self.assertEqual(
                response[b"Content-Range"], b"bytes %d-%d/1024" % (first, last)
            )
            self.assertEqual(response[b"Accept-Ranges"], b"bytes")
            for name in (b"ETag", b"Content-Type", b"Last-Modified"):
                self.assertEqual(response[name], self.get(self.path)[name])

    def test_past_the_end(self) -> None:
        """What is not there is 416, and told how much is (T-217)."""
        for sent in (b"bytes=1024-", b"bytes=1024-2000", b"bytes=-0"):
            response = self.get(self.path, b"Range: " + sent)
            self.assert_refused(response, 416, "ERR_RANGE_NOT_SATISFIABLE")
            self.assertEqual(response[b"Content-Range"], b"bytes */1024")

    def test_ignored(self) -> None:
        """Nonsense and several ranges get the whole (T-218)."""
        for lines in (
            (b"Range: bytes=5-4",),
            (b"Range: bytes=a-b",),
            (b"Range: lines=1-2",),
            (b"Range: bytes=0-4,8-9",),
            (b"Range: bytes=0-4", b"Range: bytes=8-9"),
        ):
            response = self.get(self.path, *lines)
            self.assertEqual((response.status, response.body), (200, CONTENT))
            self.assertIsNone(response[b"Content-Range"])

    def test_if_range(self) -> None:
        """The rest is sent only to who has the begin of this upload (T-217)."""
        whole = self.get(self.path)
        part = b"Range: bytes=1000-"
        for name in (b"ETag", b"Last-Modified"):
            condition = b"If-Range: " + (whole[name] or b"")
            self.assertEqual(self.get(self.path, part, condition).status, 206)
        for other in (b'"other"', b"W/" + (whole[b"ETag"] or b""), b"yesterday"):
            response = self.get(self.path, part, b"If-Range: " + other)
            self.assertEqual((response.status, response.body), (200, CONTENT))


class ConditionTests(DownloadCase):
    """Downloads that a client may have already."""

    def test_has_it(self) -> None:
        """Who names the tag, or a date not before ours, gets 304 and no bytes."""
        whole = self.get(self.path)
        tag, date = whole[b"ETag"] or b"", whole[b"Last-Modified"] or b""
        later = datetimeToString(time.time() + 10)
        for line in (
            b"If-None-Match: " + tag,
            b"If-None-Match: W/" + tag,
            b"If-Modified-Since: " + date,
            b"If-Modified-Since: " + later,
        ):
            client = self.server.connect()
            response = client.ask(message(b"GET", self.path, line, tus=None))
            self.assertEqual((response.status, response.body), (304, b""))
            self.assertTrue(client.wire.value().endswith(b"\r\n\r\n"))
            self.assertEqual(response[b"ETag"], tag)
            self.assertEqual(response[b"Last-Modified"], date)
            self.assertEqual(response[b"Cache-Control"], b"private, no-cache")
            self.assertIsNone(response[b"Content-Type"])

    def test_tag_wins(self) -> None:
        """A tag of another upload means that the date does not count."""
        later = datetimeToString(time.time() + 10)
        lines = (b'If-None-Match: "other"', b"If-Modified-Since: " + later)
        self.assertEqual(self.get(self.path, *lines).body, CONTENT)

    def test_wants_another(self) -> None:
        """Who wants another upload gets 412, which is not that of the version."""
        past = datetimeToString(0)
        for line in (b'If-Match: "other"', b"If-Unmodified-Since: " + past):
            response = self.get(self.path, line)
            self.assert_refused(response, 412, "ERR_PRECONDITION_FAILED")
            self.assertIsNone(response[b"Tus-Version"])
            self.assertIsNone(response[b"Content-Disposition"])

    def test_condition_comes_before_range(self) -> None:
        """A condition is judged before the range."""
        lines = (b"If-None-Match: *", b"Range: bytes=5000-")
        self.assertEqual(self.get(self.path, *lines).status, 304)
        lines = (b'If-Match: "other"', b"Range: bytes=5000-")
        self.assertEqual(self.get(self.path, *lines).status, 412)

    def test_used_again(self) -> None:
        """An id that is used again has another tag, for the same bytes too."""
        tags = set()
        for created_s in (1.0, 2.0):
            self.do(self.server.store.create(UploadInfo("u", 3, created_s=created_s)))
            self.server.ask(patch(BASE + b"u", 0, body=b"abc"))
            tags.add(self.get(BASE + b"u")[b"ETag"])
            self.server.ask(message(b"DELETE", BASE + b"u"))
        self.assertEqual(len(tags), 2)

    def test_clock_that_was_wrong(self) -> None:
        """A date to come is not told; the tag is enough."""
        self.server = Server(store=MemoryStore(None, lambda: time.time() + 1e6))
        response = self.get(self.put(CONTENT))
        self.assertIsNone(response[b"Last-Modified"])
        self.assertIsNotNone(response[b"ETag"])


class HeadTests(DownloadCase):
    """HEAD of what can be downloaded."""

    def test_finished(self) -> None:
        """HEAD tells what GET tells, beside the facts of tus (T-014, T-016)."""
        for content in (CONTENT, b""):
            path = self.put(content, filename=b"a.txt", filetype=b"text/plain")
            head, get = self.server.head(path), self.get(path)
            for name in OF_CONTENT:
                self.assertEqual(head[name], get[name], name)
                self.assertIsNotNone(head[name], name)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head[b"Upload-Offset"], b"%d" % len(content))
            self.assertEqual(head[b"Upload-Length"], b"%d" % len(content))
            self.assertEqual(head[b"Cache-Control"], b"no-store")

    def test_unfinished(self) -> None:
        """Of an unfinished upload it tells nothing of that (T-016)."""
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"abc"))
        head = self.server.head(path)
        self.assertEqual(head.status, 200)
        for name in OF_CONTENT:
            self.assertIsNone(head[name], name)

    def test_range_is_not_for_head(self) -> None:
        """A range changes nothing (RFC 9110, section 14.2; T-016)."""
        plain = self.server.head(self.path)
        for sent in (b"Range: bytes=0-4", b"Range: bytes=5000-"):
            asked = self.get(self.path, sent, method=b"HEAD")
            self.assertEqual(asked.facts, plain.facts)

    def test_conditions(self) -> None:
        """Conditions count as for GET, and the offset is told all the same (T-014)."""
        tag = self.server.head(self.path)[b"ETag"] or b""
        for line, status in (
            (b"If-None-Match: " + tag, 304),
            (b'If-None-Match: "other"', 200),
            (b'If-Match: "other"', 412),
        ):
            response = self.get(self.path, line, method=b"HEAD")
            self.assertEqual((response.status, response.body), (status, b""))
            self.assertEqual(response[b"Upload-Offset"], b"1024")
            self.assertEqual(response[b"Upload-Length"], b"1024")
            self.assertEqual(response[b"Cache-Control"], b"no-store")
            described = response[b"Content-Disposition"] is not None
            self.assertEqual(described, status == 200)


class SwitchedOffTests(DownloadCase):
    """A server without downloads."""

    def setUp(self) -> None:
        """Begin without a server: each test has its own."""

    def assert_no_downloads(self) -> None:
        """GET is not there, and HEAD promises none."""
        path = self.put(CONTENT)
        response = self.get(path)
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        allowed = UPLOAD_METHODS.replace(b"GET, ", b"")
        self.assertEqual(response[b"Allow"], allowed)
        head = self.server.head(path)
        self.assertEqual((head.status, head[b"Upload-Offset"]), (200, b"1024"))
        for name in OF_CONTENT:
            self.assertIsNone(head[name], name)

    def test_by_the_settings(self) -> None:
        """Switched off, GET is 405 and not in Allow (T-016, T-219, T-270)."""
        self.server = Server(settings=WebSettings(downloads=False))
        self.assert_no_downloads()

    def test_by_the_store(self) -> None:
        """So it is where the store cannot read (T-219, T-270)."""
        self.server = Server(store=cast(IDataStore, WriteOnly(MemoryStore())))
        self.assert_no_downloads()


class FirstReadTests(DownloadCase):
    """A disk that fails before anything was sent."""

    def test_told(self) -> None:
        """It is a 500 like any other, with nothing said of the upload (T-266)."""
        self.server = Server(store=WatchedStore(0, StorageFailed()))
        path = self.put(CONTENT, filename=b"a.txt")
        with capturedLogs() as logs:
            response = self.get(path)
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        for name in (b"ETag", b"Content-Disposition", b"Accept-Ranges"):
            self.assertIsNone(response[name])
        self.assertEqual([e for e in logs if e["log_level"].name == "critical"], [])
