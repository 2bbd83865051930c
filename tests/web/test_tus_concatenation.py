"""Concatenation, on the wire."""

from __future__ import annotations

from klein import Klein
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.uploads.support import SlowStore
from tests.web.test_tus_checksum import checksum
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    HOST,
    UPLOAD_BYTES,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.web.resource import TusResource, below
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import enable_streaming

PARTIAL = b"Upload-Concat: partial"


def final(*urls: bytes) -> bytes:
    """Write the header of a final upload."""
    return b"Upload-Concat: final;" + b" ".join(urls)


class _ConcatenationCase(TusCase):
    """Has two partial uploads, ``a`` with 3 bytes and ``b`` with 5."""

    def setUp(self) -> None:
        super().setUp()
        self.serve(Server())

    def serve(self, server: Server) -> None:
        """Serve with another server, which gets its own two uploads."""
        self.server = server
        self.a, self.b = self.part(b"abc"), self.part(b"defgh")
        self.server.told.clear()

    def part(self, content: bytes) -> bytes:
        """Upload a part."""
        path = self.server.create(len(content), PARTIAL)
        if content:
            self.assertEqual(self.server.ask(patch(path, 0, body=content)).status, 204)
        return path

    def concatenate(self, *urls: bytes, lines: tuple[bytes, ...] = ()) -> Response:
        """Ask for a final upload."""
        return self.server.ask(message(b"POST", BASE, final(*urls), *lines))

    def made(self, response: Response) -> bytes:
        """Return the path of an upload that was put together."""
        self.assertEqual((response.status, response.body), (201, b""))
        return (response[b"Location"] or b"").removeprefix(b"http://" + HOST)

    def assert_not_made(self, response: Response, status: int, code: str) -> None:
        """It was refused, and there are no uploads but the parts."""
        self.assert_refused(response, status, code)
        self.assertIsNone(response[b"Location"])
        ids = {path.removeprefix(BASE).decode() for path in (self.a, self.b)}
        self.assertEqual(set(self.server.ids), ids)


class PartialTests(_ConcatenationCase):
    """Uploads that are parts."""

    def test_head(self) -> None:
        """It is an upload like any other that says what it is (T-163)."""
        path = self.server.create(5, PARTIAL)
        self.server.ask(patch(path, 0, body=b"ab"))
        head = self.server.head(path)
        self.assertEqual(head.status, 200)
        self.assertEqual(head[b"Upload-Concat"], b"partial")
        self.assertEqual(head[b"Upload-Offset"], b"2")
        self.assertEqual(head[b"Upload-Length"], b"5")

    def test_like_any_other(self) -> None:
        """It takes bytes at its offset only, and can be removed (T-164)."""
        path = self.server.create(5, PARTIAL)
        self.assertEqual(self.server.ask(patch(path, 0, body=b"ab")).status, 204)
        self.assertEqual(self.server.ask(patch(path, 0, body=b"ab")).status, 409)
        self.assertEqual(self.server.ask(patch(path, 2, body=b"cde")).status, 204)
        self.assert_stored(path, b"abcde")
        self.assertEqual(self.server.ask(message(b"DELETE", path)).status, 204)
        self.assertEqual(self.server.head(path).status, 404)

    def test_with_every_extension(self) -> None:
        """Bytes at creation, checksums and a deferred length are for it (T-164)."""
        lines = (PARTIAL, b"Upload-Defer-Length: 1", UPLOAD_BYTES, checksum(b"abc"))
        response = self.server.ask(message(b"POST", BASE, *lines, body=b"abc"))
        path = self.made(response)
        head = self.server.head(path)
        self.assertEqual(head[b"Upload-Concat"], b"partial")
        self.assertEqual(head[b"Upload-Defer-Length"], b"1")
        wrong = patch(path, 3, checksum(b"xyz"), body=b"def")
        self.assertEqual(self.server.ask(wrong).status, 460)
        length = b"Upload-Length: 6"
        right = patch(path, 3, length, checksum(b"def"), body=b"def")
        self.assertEqual(self.server.ask(right).status, 204)
        final_path = self.made(self.concatenate(path, self.a))
        self.assert_stored(final_path, b"abcdefabc")

    def test_needs_a_length(self) -> None:
        """Without a length it is refused as any other (T-055)."""
        response = self.server.ask(message(b"POST", BASE, PARTIAL))
        self.assert_not_made(response, 400, "ERR_INVALID_UPLOAD_LENGTH")

    def test_event(self) -> None:
        """Its finish event says that it is a part (T-189)."""
        self.part(b"x")
        self.assertTrue(self.server.told[-1].upload.is_partial)

    def test_others_say_nothing(self) -> None:
        """An upload that is neither has no such header (T-163)."""
        self.assertIsNone(self.server.head(self.server.create(1))[b"Upload-Concat"])


class FinalTests(_ConcatenationCase):
    """Uploads that are put together."""

    def test_made(self) -> None:
        """It has the bytes of the parts and is told of once (T-165, T-167)."""
        path = self.made(self.concatenate(self.b, self.a))
        self.assert_stored(path, b"defghabc")
        (event,) = self.server.told
        self.assertEqual(event.upload.upload_id, path.removeprefix(BASE).decode())

    def test_no_offset(self) -> None:
        """The answer tells no offset: no bytes came with the request (T-051)."""
        self.assertIsNone(self.concatenate(self.a)[b"Upload-Offset"])

    def test_head(self) -> None:
        """HEAD tells the sum, the metadata, and the header as it came (T-166)."""
        lines = (b"Upload-Metadata: name ZGVm,empty",)
        sent = (b"  " + self.a, b"", b"http://other.example" + self.b + b"/")
        head = self.server.head(self.made(self.concatenate(*sent, lines=lines)))
        self.assertEqual(head.status, 200)
        self.assertEqual(head[b"Upload-Concat"], final(*sent)[len("Upload-Concat: ") :])
        self.assertEqual(head[b"Upload-Length"], b"8")
        self.assertEqual(head[b"Upload-Offset"], b"8")
        self.assertEqual(head[b"Upload-Metadata"], b"name ZGVm,empty")

    def test_head_of_a_final_upload_of_tusd(self) -> None:
        """One whose header nobody kept is told with the URLs of its parts (T-166)."""
        ids = tuple(path.removeprefix(BASE).decode() for path in (self.a, self.b))
        for upload_id in ("f", "day/f"):
            info = UploadInfo(upload_id, 0, is_final=True, partial_uploads=ids)
            self.do(self.server.store.create(info))
            head = self.server.head(BASE + upload_id.encode())
            told = head[b"Upload-Concat"] or b""
            self.assertEqual(told, b"final;" + self.a + b" " + self.b)
            path = self.made(
                self.server.ask(message(b"POST", BASE, b"Upload-Concat: " + told))
            )
            self.assert_stored(path, b"abcdefgh")

    def test_metadata_of_parts(self) -> None:
        """The metadata of the parts is not inherited (T-187)."""
        part = self.server.create(0, PARTIAL, b"Upload-Metadata: name ZGVm")
        path = self.made(self.concatenate(part))
        self.assertIsNone(self.server.head(path)[b"Upload-Metadata"])

    def test_repeated(self) -> None:
        """A part may come twice (T-168)."""
        self.assert_stored(self.made(self.concatenate(self.a, self.a)), b"abcabc")

    def test_reused(self) -> None:
        """And in several final uploads (T-169, T-188)."""
        paths = [self.made(self.concatenate(self.a)) for _ in range(2)]
        for path in (*paths, self.a):
            self.assert_stored(path, b"abc")

    def test_empty(self) -> None:
        """Empty parts make an empty upload, complete at once (T-185)."""
        part = self.part(b"")
        self.server.told.clear()
        path = self.made(self.concatenate(part, part))
        self.assert_stored(path, b"")
        self.assertEqual(self.server.head(path)[b"Upload-Length"], b"0")
        self.assertEqual(len(self.server.told), 1)

    def test_patch(self) -> None:
        """A PATCH is 403 at any offset, and changes nothing (T-186)."""
        path = self.made(self.concatenate(self.a, self.b))
        for offset, body in ((0, b"x"), (8, b""), (8, b"x"), (9, b"x")):
            response = self.server.ask(patch(path, offset, body=body))
            self.assert_refused(response, 403, "ERR_MODIFY_FINAL")
        self.assert_stored(path, b"abcdefgh")
        self.assert_stored(self.a, b"abc")

    def test_delete(self) -> None:
        """Parts and what is made of them end apart (T-120, T-121)."""
        path = self.made(self.concatenate(self.a, self.b))
        self.assertEqual(self.server.ask(message(b"DELETE", self.a)).status, 204)
        self.assert_stored(path, b"abcdefgh")
        self.assertEqual(self.server.ask(message(b"DELETE", path)).status, 204)
        self.assertEqual(self.server.head(path).status, 404)
        self.assert_stored(self.b, b"defgh")

    def test_length(self) -> None:
        """A length that is right is no fault, another one is 400 (T-181)."""
        self.made(self.concatenate(self.a, self.b, lines=(b"Upload-Length: 8",)))
        self.serve(Server())
        for length in (b"7", b"0", b"x", b"+8"):
            line = b"Upload-Length: " + length
            response = self.concatenate(self.a, self.b, lines=(line,))
            self.assert_not_made(response, 400, "ERR_INVALID_UPLOAD_LENGTH")

    def test_foreign_body(self) -> None:
        """A body that is no upload bytes is dropped (T-062, T-183)."""
        for lines, body in (((), b"x=1"), ((UPLOAD_BYTES,), b"")):
            sent = message(b"POST", BASE, final(self.a), *lines, body=body)
            self.assert_stored(self.made(self.server.ask(sent)), b"abc")


class UrlTests(_ConcatenationCase):
    """How parts are named."""

    def test_forms(self) -> None:
        """However it is written, only the path counts (T-170, T-171, T-172)."""
        encoded = BASE + b"%%%02x" % self.a[len(BASE)] + self.a[len(BASE) + 1 :]
        for url in (
            self.a,
            self.a + b"/",
            b"http://" + HOST + self.a,
            b"https://elsewhere.example:8443" + self.a,
            encoded,
        ):
            self.assert_stored(self.made(self.concatenate(url)), b"abc")

    def test_spaces(self) -> None:
        """Repeated spaces do not matter (T-174)."""
        path = self.made(self.concatenate(b"  " + self.a, b"  " + self.b))
        self.assert_stored(path, b"abcdefgh")

    def test_elsewhere(self) -> None:
        """What is outside the base path is not found (T-173, T-269)."""
        name = self.a.removeprefix(BASE)
        for url in (
            name,
            b"../files/" + name,
            b"/other/" + name,
            b"/files/../files/" + name,
            b"/files/%2e%2e/files/" + name,
            b"/" + name,
        ):
            response = self.concatenate(self.b, url)
            self.assert_not_made(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_no_url(self) -> None:
        """A query, a fragment, or what is no URL is 400 (T-173)."""
        for url in (self.a + b"?x", self.a + b"#x", self.a + b"%", b"<" + self.a):
            response = self.concatenate(b"/elsewhere", url)  # the 400 comes first
            self.assert_not_made(response, 400, "ERR_INVALID_CONCAT")

    def test_embedded(self) -> None:
        """Under a mount the URLs are those of the mount (T-170, T-171)."""
        root, app = Resource(), Resource()
        root.putChild(b"app", app)
        app.putChild(b"tus", TusResource(self.server.uploads))
        self.embed(root)

    def test_embedded_in_klein(self) -> None:
        """So they are where a route of Klein leads there (T-170, T-171)."""
        app = Klein()

        @app.route("/app/tus/", branch=True, strict_slashes=False)
        def files(request: IRequest) -> TusResource:
            return TusResource(self.server.uploads)

        self.embed(app.resource())

    def embed(self, root: Resource) -> None:
        """Serve the uploads under another path, and put two together there."""
        site = Site(root, reactor=self.server.clock)
        enable_streaming(site)
        self.server.site = site
        for creation_url in (b"/app/tus", b"/app/tus/"):
            urls = [b"/app/tus/" + p.removeprefix(BASE) for p in (self.a, self.b)]
            response = self.server.ask(message(b"POST", creation_url, final(*urls)))
            path = self.made(response)
            self.assertTrue(path.startswith(b"/app/tus/"), path)
            head = self.server.head(path)
            self.assertEqual(head[b"Upload-Concat"], final(*urls)[15:])
            self.assertEqual(head[b"Upload-Length"], b"8")
            response = self.server.ask(message(b"POST", creation_url, final(self.a)))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
        ids = tuple(p.removeprefix(BASE).decode() for p in (self.a, self.b))
        info = UploadInfo("day/f", 0, is_final=True, partial_uploads=ids)
        self.do(self.server.store.create(info))
        head = self.server.head(b"/app/tus/day/f")
        self.assertEqual(head[b"Upload-Concat"], final(*urls)[15:])


class RefusedTests(_ConcatenationCase):
    """What cannot be put together."""

    def test_header(self) -> None:
        """Anything but ``partial`` and ``final;`` with a list is 400 (T-175)."""
        for value in (b"final", b"final;", b"final; ", b"PARTIAL", b"x", b""):
            lines = (b"Upload-Concat: " + value, b"Upload-Length: 3")
            response = self.server.ask(message(b"POST", BASE, *lines))
            self.assert_not_made(response, 400, "ERR_INVALID_CONCAT")
        value = final(self.a).replace(b"final", b"Final")
        response = self.server.ask(message(b"POST", BASE, value))
        self.assert_not_made(response, 400, "ERR_INVALID_CONCAT")

    def test_twice(self) -> None:
        """Two lines of it are 400, even if they are equal (T-027)."""
        for lines in ((PARTIAL, PARTIAL), (final(self.a), final(self.a))):
            sent = message(b"POST", BASE, b"Upload-Length: 3", *lines)
            self.assert_not_made(self.server.ask(sent), 400, "ERR_INVALID_CONCAT")

    def test_unknown(self) -> None:
        """A part that is not there is 404 (T-176)."""
        response = self.concatenate(self.a, BASE + b"unknown")
        self.assert_not_made(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_expired(self) -> None:
        """One that has expired is 410 (T-177)."""
        self.serve(Server(expiration=Expiration(unfinished_after_s=60)))
        self.server.clock.advance(30)
        young = self.part(b"young")
        self.server.clock.advance(31)
        for urls in ((self.a,), (young, self.a), (self.a, young, self.b)):
            response = self.concatenate(*urls)
            self.assert_refused(response, 410, "ERR_UPLOAD_EXPIRED")
            self.assertEqual(len(self.server.ids), 3)
        self.assertEqual(self.concatenate(young).status, 201)

    def test_failed_finish_step(self) -> None:
        """One whose finish step fails is 500, and does not stay (T-191)."""
        self.server.on_finish = lambda: fail(ValueError("no"))
        for _ in range(3):
            response = self.concatenate(self.a, self.b)
            self.assert_not_made(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)

    def test_removed(self) -> None:
        """So is one that was removed (T-176)."""
        part = self.part(b"x")
        self.server.ask(message(b"DELETE", part))
        response = self.concatenate(self.a, part)
        self.assert_not_made(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_no_part(self) -> None:
        """A normal or a final upload is 400 (T-178)."""
        normal = self.server.create(0)
        made = self.made(self.concatenate(self.a))
        before = self.server.ids
        for path in (normal, made):
            response = self.concatenate(self.a, path)
            self.assert_refused(response, 400, "ERR_INVALID_CONCAT")
        self.assertEqual(self.server.ids, before)

    def test_unfinished(self) -> None:
        """A part that is not finished is 400, and not advertised (T-179, T-180)."""
        part = self.server.create(5, PARTIAL)
        response = self.concatenate(self.a, part)
        self.assert_refused(response, 400, "ERR_UPLOAD_NOT_FINISHED")
        self.assertEqual(len(self.server.ids), 3)
        options = self.server.ask(message(b"OPTIONS", BASE))
        offered = (options[b"Tus-Extension"] or b"").split(b",")
        self.assertIn(b"concatenation", offered)
        self.assertNotIn(b"concatenation-unfinished", offered)

    def test_deferred_length(self) -> None:
        """A final upload has no open length: 400, whatever the value (T-182)."""
        for value in (b"1", b"0"):
            line = b"Upload-Defer-Length: " + value
            response = self.concatenate(self.a, lines=(line,))
            self.assert_not_made(response, 400, "ERR_INVALID_UPLOAD_LENGTH_DEFER")

    def test_upload_bytes(self) -> None:
        """A final upload takes no bytes with its creation: 403 (T-183)."""
        lines = (final(self.a), UPLOAD_BYTES)
        sent = message(b"POST", BASE, *lines, body=b"xyz")
        self.assert_not_made(self.server.ask(sent), 403, "ERR_MODIFY_FINAL")
        sent = message(b"POST", BASE, *lines, chunks=[b"xyz"])
        self.assertIn(CHUNKED, sent)
        self.assert_not_made(self.server.ask(sent), 403, "ERR_MODIFY_FINAL")

    def test_metadata(self) -> None:
        """Its metadata is judged like that of any upload (T-072)."""
        line = b"Upload-Metadata: name not-base64!"
        response = self.concatenate(self.a, lines=(line,))
        self.assert_not_made(response, 400, "ERR_INVALID_METADATA")

    def test_too_large(self) -> None:
        """A sum above the maximum is 413, the maximum is not (T-184)."""
        self.serve(Server(max_size_bytes=8))
        response = self.concatenate(self.a, self.b, self.a)
        self.assert_not_made(response, 413, "ERR_MAX_SIZE_EXCEEDED")
        self.made(self.concatenate(self.a, self.b))

    def test_order(self) -> None:
        """Of several faults headers come first, then existence (T-271)."""
        unknown = BASE + b"unknown"
        unfinished = self.server.create(5, PARTIAL)
        for urls, line, status in (
            ((unfinished, unknown), b"Upload-Metadata: name !", 400),
            ((unfinished, unknown), b"Upload-Length: 3", 404),
            ((unfinished, self.a), b"Upload-Length: 3", 400),
        ):
            response = self.concatenate(*urls, lines=(line,))
            self.assertEqual(response.status, status)

    def test_no_space(self) -> None:
        """A storage that is full is 507, and nothing is there (T-191)."""
        self.server.store.capacity_bytes = 10
        response = self.concatenate(self.a, self.b)
        self.assert_not_made(response, 507, "ERR_NO_SPACE")

    def test_switched_off(self) -> None:
        """Without the extension it is 501, and not advertised (T-010, T-190)."""
        self.server = Server(switched_off=[Extension.CONCATENATION])
        for line in (PARTIAL, final(BASE + b"a"), b"Upload-Concat: odd"):
            sent = message(b"POST", BASE, line, b"Upload-Length: 3")
            response = self.server.ask(sent)
            self.assert_refused(response, 501, "ERR_NOT_IMPLEMENTED")
        self.assertEqual(self.server.ids, [])
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"concatenation", options[b"Tus-Extension"] or b"")


class LargeTests(_ConcatenationCase):
    """A copy that takes long."""

    def setUp(self) -> None:
        super().setUp()
        self.store = SlowStore()
        self.serve(Server(store=self.store))
        self.store.copying = self.copying = Deferred[None]()
        self.client = self.server.connect()

    def begin(self) -> None:
        """Ask for a final upload."""
        self.client.begin(message(b"POST", BASE, final(self.a, self.b)))
        self.assertEqual(self.client.responses(), [])

    def test_answer_comes_late(self) -> None:
        """The client waits, an hour if need be, and hears nothing before (D12, D13)."""
        self.begin()
        self.server.clock.pump([60.0] * 60)
        self.assertEqual(self.client.wire.value(), b"")
        self.assertFalse(self.client.closed)
        self.copying.callback(None)
        (response,) = self.client.responses()
        self.assert_stored(self.made(response), b"abcdefgh")

    def test_others_are_served(self) -> None:
        """Meanwhile all else goes on, on the parts as well (T-192, T-238)."""
        self.begin()
        self.assertEqual(self.server.offset(self.a), 3)
        self.assert_stored(self.part(b"more"), b"more")
        self.assertEqual(self.server.ask(message(b"DELETE", self.a)).status, 204)

    def test_client_leaves(self) -> None:
        """When the client leaves the copy is given up (T-191)."""
        self.begin()
        self.client.lose(ConnectionDone())
        self.copying.callback(None)
        self.assertEqual(len(self.server.ids), 2)
        self.assertEqual(self.server.told, [])

    def test_shutdown(self) -> None:
        """A stop does not wait for it; the client is told to try later (T-241)."""
        self.begin()
        stopping = Deferred.fromCoroutine(self.server.uploads.stop())
        self.copying.callback(None)
        self.successResultOf(stopping)
        (response,) = self.client.responses()
        self.assert_not_made(response, 503, "ERR_SERVER_SHUTDOWN")
        self.assertEqual(response[b"Connection"], b"close")

    def test_failure(self) -> None:
        """What fails on the way is 500, with no word of why (T-191, T-266)."""
        self.begin()
        self.copying.errback(ValueError("secret"))
        (response,) = self.client.responses()
        self.assert_not_made(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class ManyTests(_ConcatenationCase):
    """As many parts as the headers have room for."""

    def test_500(self) -> None:
        """500 of them, if their names are short, make one upload (T-192)."""
        contents = [b"<%d>" % n for n in range(500)]
        for n, content in enumerate(contents):
            created = self.server.uploads.create(
                len(content), Metadata(), f"p/{n}", is_partial=True
            )
            self.successResultOf(created)
            self.server.ask(patch(BASE + b"p/%d" % n, 0, body=content))
        client = self.server.connect()
        urls = [BASE + b"p/%d" % n for n in range(500)]
        client.begin(message(b"POST", BASE, final(*urls)))
        self.server.clock.advance(0)
        (response,) = client.responses()
        self.assert_stored(self.made(response), b"".join(contents))

    def test_too_many(self) -> None:
        """More than 1,000, also of one upload, are refused (T-168, T-192)."""
        response = self.concatenate(*[self.a] * 1001)
        self.assert_not_made(response, 400, "ERR_INVALID_CONCAT")
        self.assertIn(b"1000", response.body)


class PublicUrlTests(_ConcatenationCase):
    """A server whose clients know it by another path than a proxy uses."""

    def setUp(self) -> None:
        settings = WebSettings(public_url="https://up.example/up%20loads/")
        self.serve(Server(settings=settings))

    def part(self, content: bytes) -> bytes:
        """Upload a part; its path is that of the server."""
        sent = message(
            b"POST",
            BASE,
            PARTIAL,
            b"Upload-Length: %d" % len(content),
            UPLOAD_BYTES,
            body=content,
        )
        location = self.server.ask(sent)[b"Location"] or b""
        prefix = b"https://up.example/up%20loads/"
        self.assertTrue(location.startswith(prefix))
        return BASE + location.removeprefix(prefix)

    def test_either_path(self) -> None:
        """The URLs that clients know name the uploads, and its own do (T-170)."""
        a = self.a.replace(BASE, b"https://up.example/up%20loads/")
        response = self.concatenate(a, self.b)
        self.assertEqual(response.status, 201)
        path = BASE + (response[b"Location"] or b"").rpartition(b"/")[2]
        self.assert_stored(path, b"abcdefgh")

    def test_no_other(self) -> None:
        """Others do not (T-173)."""
        response = self.concatenate(self.a.replace(BASE, b"/uploads/"))
        self.assert_not_made(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_at_the_root(self) -> None:
        """A mount at ``/``, whose prefix a proxy strips, finds its URLs (T-170)."""
        settings = WebSettings(public_url="https://up.example/files/")
        self.server.site = Site(
            below("/", TusResource(self.server.uploads, settings)),
            reactor=self.server.clock,
        )
        enable_streaming(self.server.site)
        url = self.a.replace(BASE, b"https://up.example/files/")
        response = self.server.ask(message(b"POST", b"/", final(url)))
        self.assertEqual(response.status, 201)
