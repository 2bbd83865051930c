"""OPTIONS, and which version of the protocol is spoken, on the wire."""

from __future__ import annotations

from tests.web.tus_harness import (
    BASE,
    EXTENSIONS,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.memory import MemoryStore

WRONG_VERSIONS = (
    b"0.2.2",
    b"1.0",
    b"1.0.1",
    b"v1.0.0",
    b"",
    b"1.0.0, 1.0.0",
    b"1.0.0;q=1",
    b"\xc2\xb9.0.0",
)
TWICE = b"Tus-Resumable: 1.0.0"  # the harness sends the other one


class Blind(MemoryStore):
    """A store that fails when it is asked for an upload."""

    async def info(self, upload_id: str) -> UploadInfo:
        raise ValueError


class OptionsTests(TusCase):
    """What the server says that it can do."""

    def options(self, path: bytes, tus: bytes | None = None) -> Response:
        """Ask it."""
        return self.server.ask(message(b"OPTIONS", path, tus=tus))

    def test_answer(self) -> None:
        """It is 204 without a body, and tells version and extensions (T-008, T-009)."""
        response = self.options(BASE)
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response[b"Tus-Version"], b"1.0.0")
        self.assertEqual(response[b"Tus-Resumable"], b"1.0.0")
        self.assertIsNone(response[b"Content-Type"])

    def test_extensions(self) -> None:
        """What works is listed, and the algorithms of checksums (T-010, T-125)."""
        response = self.options(BASE)
        self.assertEqual(response[b"Tus-Extension"], EXTENSIONS)
        algorithms = b"sha1,sha256,sha512,md5,crc32,crc32c"
        self.assertEqual(response[b"Tus-Checksum-Algorithm"], algorithms)

    def test_every_url_alike(self) -> None:
        """The creation URL and any upload's, existing or not, tell the same (T-008)."""
        known = self.server.create(5)
        expected = self.options(BASE).facts
        for path in (b"/files", known, b"/files/unknown", b"/files/a/b", known + b"?x"):
            response = self.options(path)
            self.assertEqual((response.status, response.facts), (204, expected), path)

    def test_no_lookup(self) -> None:
        """It does not ask the store for the upload (T-008)."""
        self.server = Server(store=Blind())
        self.assertEqual(self.server.head(BASE + b"x").status, 500)
        self.assertEqual(self.options(BASE + b"x").status, 204)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_no_lock(self) -> None:
        """It takes nothing from a PATCH that runs (T-008)."""
        path = self.server.create(4)
        running = self.server.connect()
        running.begin(patch(path, 0, body=b"abcd")[:-2])
        self.assertEqual(self.options(path).status, 204)
        running.send(b"cd")
        self.assertEqual([r.status for r in running.responses()], [204])
        self.assert_stored(path, b"abcd")

    def test_version_is_no_matter(self) -> None:
        """Whatever version the client names, it gets its answer (T-007)."""
        expected = self.options(BASE).facts
        for version in (*WRONG_VERSIONS, b"1.0.0"):
            response = self.options(BASE, version)
            self.assertEqual((response.status, response.facts), (204, expected))

    def test_no_maximum_size(self) -> None:
        """Without a limit there is no Tus-Max-Size (T-011)."""
        self.assertIsNone(self.options(BASE)[b"Tus-Max-Size"])

    def test_maximum_size(self) -> None:
        """A limit is told in bytes, also one of zero (T-012)."""
        for limit in (0, 1, 2**63 - 1):
            self.server = Server(max_size_bytes=limit)
            self.assertEqual(self.options(BASE)[b"Tus-Max-Size"], b"%d" % limit)


class VersionTests(TusCase):
    """Requests that name another version, or none."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(5)

    def assert_unsupported(self, response: Response) -> None:
        """It is 412, and tells the version to use."""
        self.assert_refused(response, 412, "ERR_UNSUPPORTED_VERSION")
        self.assertEqual(response[b"Tus-Version"], b"1.0.0")

    def requests(self, tus: bytes | None, *lines: bytes) -> list[bytes]:
        """Requests that would change something."""
        length = b"Upload-Length: 3"
        return [
            message(b"POST", BASE, length, *lines, tus=tus),
            message(b"POST", BASE, length, *lines, tus=tus, body=b"abc"),
            patch(self.path, 0, *lines, tus=tus, body=b"abc"),
            patch(self.path, 0, *lines, tus=tus, chunks=[b"abc"]),
            message(b"DELETE", self.path, *lines, tus=tus),
        ]

    def assert_nothing_changed(self) -> None:
        """There is the one upload, empty."""
        self.assertEqual(self.server.ids, [self.path.removeprefix(BASE).decode()])
        self.assert_stored(self.path, b"")

    def test_missing(self) -> None:
        """A request that must name its version and does not is refused (T-002)."""
        for sent in self.requests(tus=None):
            self.assert_unsupported(self.server.ask(sent))
        self.assert_nothing_changed()

    def test_body_is_not_consumed(self) -> None:
        """The refusal does not wait for the body that was announced (T-002)."""
        client = self.server.connect()
        sent = patch(self.path, 0, tus=None, body=b"abc")
        self.assert_unsupported(client.ask(sent[:-3]))

    def test_unsupported(self) -> None:
        """Every version but 1.0.0, spelled exactly so, is refused (T-003)."""
        for version in WRONG_VERSIONS:
            for sent in self.requests(tus=version):
                self.assert_unsupported(self.server.ask(sent))
        self.assert_nothing_changed()

    def test_twice(self) -> None:
        """A version that is sent twice is refused, also when both are equal (T-027)."""
        for sent in self.requests(b"1.0.0", TWICE):
            self.assert_unsupported(self.server.ask(sent))
        self.assert_nothing_changed()

    def test_other_methods(self) -> None:
        """Methods that the server does not have need a version, too (T-003)."""
        for method in (b"PUT", b"DELETE", b"REPORT"):
            self.assert_unsupported(self.server.ask(message(method, BASE, tus=b"2")))

    def test_head_without(self) -> None:
        """HEAD may leave the version out (T-004)."""
        asked = [message(b"HEAD", self.path, tus=tus) for tus in (None, b"1.0.0")]
        without, with_it = (self.server.ask(sent) for sent in asked)
        self.assertEqual(without.status, 200)
        self.assertEqual(without.facts, with_it.facts)

    def test_head_unsupported(self) -> None:
        """HEAD with another version is 412 and tells nothing else (T-005, T-027)."""
        asked = [message(b"HEAD", self.path, tus=tus) for tus in WRONG_VERSIONS]
        for sent in (*asked, message(b"HEAD", self.path, TWICE)):
            response = self.server.ask(sent)
            self.assertEqual((response.status, response.body), (412, b""))
            self.assertEqual(response[b"Tus-Version"], b"1.0.0")
            self.assertIsNone(response[b"Upload-Offset"])
            self.assertIsNone(response[b"Upload-Length"])

    def test_get(self) -> None:
        """GET is answered by the download's rules, whatever the version (T-006)."""
        finished = self.server.create(0)
        for version in (None, b"1.0.0", *WRONG_VERSIONS):
            response = self.server.ask(message(b"GET", self.path, tus=version))
            self.assertEqual(response.status, 404)
            response = self.server.ask(message(b"GET", finished, tus=version))
            self.assertEqual(response.status, 200)

    def test_header_name_in_any_case(self) -> None:
        """``TUS-Resumable``, as TUSKit spells it, is the same header (T-003)."""
        sent = message(b"POST", BASE, b"TUS-RESUMABLE: 1.0.0", b"upload-length: 1")
        sent = sent.replace(b"Tus-Resumable: 1.0.0\r\n", b"")
        self.assertEqual(self.server.ask(sent).status, 201)

    def test_draft_headers(self) -> None:
        """With Tus-Resumable a request is tus v1, whatever draft it names (T-273)."""
        draft = (
            b"Upload-Draft-Interop-Version: 8",
            b"Upload-Complete: ?0",
            b"Upload-Incomplete: ?1",
        )
        path = self.server.create(6, *draft)
        response = self.server.ask(patch(path, 0, *draft, body=b"abc"))
        self.assertEqual((response.status, response[b"Upload-Offset"]), (204, b"3"))
        response = self.server.ask(message(b"HEAD", path, *draft))
        self.assertEqual((response.status, response[b"Upload-Offset"]), (200, b"3"))
        self.assertIsNone(response[b"Upload-Complete"])
