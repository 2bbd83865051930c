"""X-HTTP-Method-Override: what is asked for, and what stands on the wire."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web.readers import WatchedStore
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    UPLOAD_BYTES,
    UPLOAD_METHODS,
    Response,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.protocol.extensions import Extension
from tustwisted.web.override import method_asked_for
from tustwisted.web.wants import speaks_tus

AT_3 = b"Upload-Offset: 3"
AT_0 = b"Upload-Offset: 0"
UNKNOWN = (b"FOO", b"PAT CH", b"PATCH, PATCH", b"PATCH;q=1", b'"PATCH"', b"\xff\xfe")


def override(value: bytes) -> bytes:
    """The header line."""
    return b"X-HTTP-Method-Override: " + value


class AskedForTests(SynchronousTestCase):
    """Which method a request asks for."""

    def test_trimmed_and_in_any_case(self) -> None:
        """Blanks and case make no difference (T-225)."""
        for value in (b"PATCH", b"patch", b" PATCH ", b"\tPatch\t"):
            self.assertEqual(method_asked_for(b"POST", [value]), b"PATCH")

    def test_empty(self) -> None:
        """Nothing, or blanks alone, ask for nothing else (T-226)."""
        for values in ([], [b""], [b" \t "]):
            self.assertEqual(method_asked_for(b"POST", values), b"POST")

    def test_options(self) -> None:
        """An OPTIONS stays one, whatever it asks for (T-224)."""
        self.assertEqual(method_asked_for(b"OPTIONS", [b"DELETE"]), b"OPTIONS")

    def test_several_lines(self) -> None:
        """Two lines ask for no method that there is, also when they agree (T-227)."""
        for values in ([b"PATCH", b"DELETE"], [b"PATCH", b"PATCH"]):
            self.assertNotIn(method_asked_for(b"POST", values), (b"PATCH", b"DELETE"))


class OverrideTests(TusCase):
    """Requests that are taken for others."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(9, b"Upload-Metadata: a YQ==")

    def gone(self) -> bool:
        """The upload is there no more."""
        return self.server.head(self.path).status == 404

    def test_patch(self) -> None:
        """A POST that asks for PATCH stores its body (T-222, T-229)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_0)
        response = self.server.ask(message(b"POST", self.path, *lines, body=b"abc"))
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"3"))
        self.assert_stored(self.path, b"abc")

    def test_delete(self) -> None:
        """A POST that asks for DELETE removes the upload (T-222)."""
        response = self.server.ask(message(b"POST", self.path, override(b"DELETE")))
        self.assertEqual(response.status, 204)
        self.assertTrue(self.gone())

    def test_head_by_post(self) -> None:
        """It has HEAD's headers, and ends as the answer to a POST must (T-228)."""
        asked = message(b"POST", self.path, override(b"HEAD"))
        client = self.server.connect()
        response = client.ask(asked)
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response[b"Content-Length"], b"0")
        facts = [f for f in response.facts if f[0] != b"Content-Length"]
        self.assertEqual(facts, self.server.head(self.path).facts)
        # The connection goes on: no byte of the answer is missing or left.
        self.assertEqual(client.ask(asked).status, 200)
        self.assertFalse(client.closed)

    def test_head_by_post_refused(self) -> None:
        """An error has no line either, and ends where it says (T-222, T-228)."""
        for sent, status in (
            (message(b"POST", BASE + b"x", override(b"HEAD")), 404),
            (message(b"POST", BASE, override(b"HEAD")), 405),
            (message(b"POST", self.path, override(b"HEAD"), tus=b"2"), 412),
        ):
            response = self.server.ask(sent, sent)
            self.assertEqual((response.status, response.body), (status, b""))
            self.assertEqual(response[b"Content-Length"], b"0")
            self.assertEqual(response[b"Cache-Control"], b"no-store")

    def test_head_by_post_needs_no_version(self) -> None:
        """The version rules are those of HEAD, not of POST (T-222)."""
        sent = message(b"POST", self.path, override(b"HEAD"), tus=None)
        self.assertEqual(self.server.ask(sent).status, 200)

    def test_patch_needs_its_version(self) -> None:
        """A GET that asks for PATCH must name the version (T-222, T-223)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_0)
        sent = message(b"GET", self.path, *lines, tus=None, body=b"abc")
        self.assert_refused(self.server.ask(sent), 412, "ERR_UNSUPPORTED_VERSION")
        self.assert_stored(self.path, b"")

    def test_any_method_can_ask(self) -> None:
        """The method that was sent does not matter, but for OPTIONS (T-223)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES)
        for number, method in enumerate((b"GET", b"PUT", b"DELETE", b"HEAD", b"POST")):
            at = b"Upload-Offset: %d" % number
            sent = message(method, self.path, *lines, at, body=b"x")
            self.assertEqual(self.server.ask(sent).status, 204, method)
        self.assert_stored(self.path, b"x" * 5)

    def test_patch_can_ask_for_another(self) -> None:
        """A PATCH that asks for DELETE stores nothing (T-223)."""
        lines = (override(b"DELETE"), UPLOAD_BYTES, AT_0)
        response = self.server.ask(message(b"PATCH", self.path, *lines, body=b"abc"))
        self.assertEqual(response.status, 204)
        self.assertTrue(self.gone())

    def test_create_by_put(self) -> None:
        """A PUT that asks for POST creates an upload (T-223)."""
        lines = (override(b"post"), b"Upload-Length: 1")
        self.assertEqual(self.server.ask(message(b"PUT", BASE, *lines)).status, 201)

    def test_options_ignores_it(self) -> None:
        """An OPTIONS has no effects, whatever it asks for (T-224)."""
        response = self.server.ask(message(b"OPTIONS", self.path, override(b"DELETE")))
        self.assertEqual(response.status, 204)
        self.assertEqual(response[b"Tus-Version"], b"1.0.0")
        self.assertFalse(self.gone())

    def test_options_can_be_asked_for(self) -> None:
        """A POST that asks for OPTIONS is told what the server can do (T-222)."""
        expected = self.server.ask(message(b"OPTIONS", BASE)).facts
        sent = message(b"POST", BASE, override(b"OPTIONS"), tus=None)
        self.assertEqual(self.server.ask(sent).facts, expected)

    def test_blanks_and_case(self) -> None:
        """``patch`` and blanks around it mean PATCH (T-225)."""
        for number, value in enumerate((b"patch", b" PATCH ", b"PaTcH\t")):
            at = b"Upload-Offset: %d" % number
            lines = (override(value), UPLOAD_BYTES, at)
            response = self.server.ask(message(b"POST", self.path, *lines, body=b"x"))
            self.assertEqual(response.status, 204)

    def test_empty(self) -> None:
        """A header without a value is none (T-226)."""
        sent = message(b"POST", BASE, override(b""), b"Upload-Length: 1")
        self.assertEqual(self.server.ask(sent).status, 201)
        sent = message(b"HEAD", self.path, override(b"  "))
        self.assertEqual(self.server.ask(sent).status, 200)

    def test_unknown(self) -> None:
        """What is no method is 405 with what works, and nothing is done (T-227)."""
        for value in UNKNOWN:
            for method in (b"POST", b"PATCH", b"DELETE"):
                lines = (override(value), UPLOAD_BYTES, AT_0)
                sent = message(method, self.path, *lines, body=b"abc")
                response = self.server.ask(sent)
                self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
                self.assertEqual(response[b"Allow"], UPLOAD_METHODS)
        sent = message(b"POST", BASE, override(b"FOO"), b"Upload-Length: 1")
        self.assertEqual(self.server.ask(sent)[b"Allow"], b"POST, OPTIONS")
        self.assertEqual(len(self.server.ids), 1)
        self.assert_stored(self.path, b"")

    def test_several_lines(self) -> None:
        """Two lines are 405, and nothing is done (T-227)."""
        for second in (b"PATCH", b"DELETE"):
            lines = (override(b"DELETE"), override(second))
            response = self.server.ask(message(b"POST", self.path, *lines))
            self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertFalse(self.gone())

    def test_method_that_the_url_does_not_take(self) -> None:
        """A known method at the wrong place is the ordinary 405 (T-222, T-227)."""
        for path, method, allow in (
            (BASE, b"PATCH", b"POST, OPTIONS"),
            (self.path, b"POST", UPLOAD_METHODS),
            (self.path, b"PUT", UPLOAD_METHODS),
        ):
            response = self.server.ask(message(b"POST", path, override(method)))
            self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
            self.assertEqual(response[b"Allow"], allow)

    def test_head_of_a_download(self) -> None:
        """What can be downloaded has no length in the answer to a POST (T-228)."""
        path = self.server.create(3)
        self.server.ask(patch(path, 0, body=b"abc"))
        client = self.server.connect()
        response = client.ask(message(b"POST", path, override(b"HEAD")))
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response[b"Content-Length"], b"0")
        self.assertEqual(response[b"Upload-Offset"], b"3")
        self.assertEqual(client.ask(message(b"OPTIONS", BASE)).status, 204)

    def test_download(self) -> None:
        """GET can be asked for by POST, and comes with its bytes (T-222, T-223)."""
        path = self.server.create(3)
        self.server.ask(patch(path, 0, body=b"abc"))
        client = self.server.connect()
        response = client.ask(message(b"POST", path, override(b"GET")))
        self.assertEqual((response.status, response.body), (200, b"abc"))
        self.assertEqual(client.ask(message(b"OPTIONS", BASE)).status, 204)

    def test_method_that_is_switched_off(self) -> None:
        """DELETE is not to be had by another name (T-222, T-123)."""
        self.server = Server(switched_off=[Extension.TERMINATION])
        path = self.server.create(1)
        response = self.server.ask(message(b"POST", path, override(b"DELETE")))
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertEqual(response[b"Allow"], b"HEAD, GET, PATCH, OPTIONS")


class HeadOnTheWireTests(TusCase):
    """HEAD requests that ask for something else: no body may follow their answers."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(9)

    def ask_by_head(self, path: bytes, *lines: bytes, body: bytes = b"") -> Response:
        """Ask, and see that the connection can be used for a second request."""
        client = self.server.connect()
        response = client.ask(message(b"HEAD", path, *lines, body=body))
        self.assertEqual(response.body, b"")
        self.assertTrue(client.wire.value().endswith(b"\r\n\r\n"))
        if not client.closed:
            self.assertEqual(client.ask(message(b"OPTIONS", BASE)).status, 204)
        return response

    def test_done(self) -> None:
        """What they ask for is done (T-223)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_0)
        response = self.ask_by_head(self.path, *lines, body=b"abc")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"3"))
        response = self.ask_by_head(BASE, override(b"POST"), b"Upload-Length: 1")
        self.assertEqual(response.status, 201)
        self.assertIsNotNone(response[b"Location"])

    def test_get(self) -> None:
        """A GET has its headers, and nothing is read to be dropped (T-222, T-223)."""
        store = WatchedStore()
        self.server = Server(store=store)
        path = self.server.create(9)
        self.server.ask(patch(path, 0, body=b"abcdefghi"))
        for lines, status, length in (
            ((), 200, b"9"),
            ((b"Range: bytes=2-3",), 206, b"2"),
        ):
            response = self.ask_by_head(path, override(b"GET"), *lines)
            self.assertEqual(response.status, status)
            got = self.server.ask(message(b"GET", path, *lines))
            self.assertEqual(got[b"Content-Length"], length)
            self.assertEqual(response.facts, got.facts)
            by_head, by_get = store.readers[-2:]
            self.assertEqual((by_head.reads, len(by_get.reads)), ([], 1))
        self.assertEqual(store.open_readers, 0)

    def test_refused_at_once(self) -> None:
        """An error that no route has raised has no body (T-223, T-265)."""
        for line, status in ((override(b"PUT"), 405), (override(b"FOO"), 405)):
            self.assertEqual(self.ask_by_head(self.path, line).status, status)

    def test_refused_by_the_route(self) -> None:
        """An error of a route has no body either (T-223, T-265)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_3)
        response = self.ask_by_head(self.path, *lines, body=b"abc")
        self.assertEqual((response.status, response[b"Upload-Offset"]), (409, b"0"))

    def test_refused_in_the_body(self) -> None:
        """Nor has one that comes while the body is read (T-223, T-265)."""
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_0, CHUNKED)
        client = self.server.connect()
        client.begin(message(b"HEAD", self.path, *lines), in_chunks(b"x" * 20))
        (response,) = client.responses()
        self.assertEqual((response.status, response.body), (413, b""))
        self.assertTrue(client.wire.value().endswith(b"\r\n\r\n"))


class StreamTests(TusCase):
    """Bodies of requests that ask for PATCH."""

    def test_streams(self) -> None:
        """Its bytes are stored as they come, whatever was sent (T-229)."""
        for method in (b"POST", b"GET", b"HEAD", b"PUT"):
            path = self.server.create(6)
            lines = (override(b"patch"), UPLOAD_BYTES, AT_0, b"Content-Length: 6")
            client = self.server.connect()
            client.begin(message(method, path, *lines), b"abc")
            self.assertEqual(self.server.content(path), b"abc")
            client.send(b"def")
            self.assertEqual([r.status for r in client.responses()], [204])

    def test_streams_by_its_headers(self) -> None:
        """A site that is told no path knows it by the header (T-229)."""
        streams = []

        def wants(*request: object) -> bool:
            streams.append(speaks_tus(*request))  # type: ignore[arg-type]
            return streams[-1]

        self.server = Server(wants=wants)
        path = self.server.create(3)
        lines = (override(b" Patch"), UPLOAD_BYTES, AT_0)
        for method in (b"GET", b"HEAD"):
            streams.clear()
            sent = message(method, path, *lines, body=b"abc")
            self.server.connect().begin(sent[:-1])
            self.assertEqual(streams, [True])
        self.assertEqual(self.server.content(path), b"ab")

    def test_content_type(self) -> None:
        """The rule for the Content-Type of a PATCH holds (T-229)."""
        path = self.server.create(3)
        lines = (override(b"PATCH"), AT_0, b"Content-Type: text/plain")
        response = self.server.ask(message(b"POST", path, *lines, body=b"abc"))
        self.assert_refused(response, 415, "ERR_INVALID_CONTENT_TYPE")
        self.assert_stored(path, b"")

    def test_buffered(self) -> None:
        """It works on a site that does not stream, too (T-222)."""
        self.server = Server(wants=lambda *request: False)
        path = self.server.create(3)
        lines = (override(b"PATCH"), UPLOAD_BYTES, AT_0)
        response = self.server.ask(message(b"HEAD", path, *lines, body=b"abc"))
        self.assertEqual((response.status, response.body), (204, b""))
        self.server.clock.advance(0)
        self.assert_stored(path, b"abc")
