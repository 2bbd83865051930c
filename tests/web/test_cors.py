"""CORS on the wire: what a browser is told, and which pages are refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web.tus_harness import BASE, Response, Server, TusCase, message, patch
from tustwisted.protocol.extensions import Extension
from tustwisted.web.cors import CorsPolicy
from tustwisted.web.settings import WebSettings

PAGE = b"https://app.example"
ORIGIN = b"Origin: " + PAGE
WANTED = b"Access-Control-Request-Method: PATCH"

ALLOW_HEADERS = (
    b"Authorization, Origin, X-Requested-With, X-Request-ID, X-HTTP-Method-Override, "
    b"Content-Type, Content-Disposition, Upload-Length, Upload-Offset, Tus-Resumable, "
    b"Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Checksum, "
    b"Upload-Incomplete, Upload-Complete, Upload-Draft-Interop-Version, "
    b"Content-Digest, Repr-Digest, Want-Repr-Digest"
)
EXPOSE_HEADERS = (
    b"Upload-Offset, Location, Upload-Length, Tus-Version, Tus-Resumable, "
    b"Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, Upload-Metadata, "
    b"Upload-Defer-Length, Upload-Concat, Upload-Expires, Upload-Incomplete, "
    b"Upload-Complete, Upload-Limit, Upload-Draft-Interop-Version, Repr-Digest, "
    b"Retry-After"
)


def told(response: Response) -> dict[bytes, bytes]:
    """What a response says of CORS, by the names without their common begin."""
    return {
        name.lower().removeprefix(b"access-control-"): value
        for name, value in response.fields
        if name.lower().startswith(b"access-control-")
    }


def serving(**policy: Any) -> Server:
    """A server with a policy."""
    return Server(settings=WebSettings(cors=CorsPolicy(**policy)))


class PolicyTests(SynchronousTestCase):
    """Which origins a policy allows."""

    def test_all(self) -> None:
        """Without more, every origin is allowed (T-193)."""
        for origin in (
            PAGE,
            b"http://localhost:3000",
            b"null",
            b"capacitor://localhost",
        ):
            self.assertTrue(CorsPolicy().allows(origin))

    def test_named(self) -> None:
        """A policy with names allows these, and no other (T-196)."""
        policy = CorsPolicy(
            origins=["https://app.example", "http://*.dev.example:3000"]
        )
        for origin in (PAGE, b"https://APP.example", b"http://a.dev.example:3000"):
            self.assertTrue(policy.allows(origin), origin)
        for origin in (
            *(b"http://app.example", b"https://app.example:444", b"null", b"*"),
            *(b"https://app.example.evil", b"https://xapp.example", b"https://app"),
            *(b"http://dev.example:3000", b"http://a.dev.example"),
        ):
            self.assertFalse(policy.allows(origin), origin)

    def test_no_origin(self) -> None:
        """What is no origin is not allowed, not even where all are (T-196)."""
        for origin in (b"https://a, https://b", b"a b", b"\xff", b"a\tb", b"*"):
            self.assertFalse(CorsPolicy().allows(origin), origin)

    def test_bad_policy(self) -> None:
        """A policy that would put nonsense into headers cannot be made (T-193)."""
        for policy in (
            {"origins": ["app.example"]},
            {"allow_headers": ["a\r\nb"]},
            {"expose_headers": ["a b"]},
            {"max_age_s": -1},
        ):
            self.assertRaises(ValueError, CorsPolicy, **policy)


class AnswerTests(TusCase):
    """Answers to what a page has sent."""

    def test_every_answer(self) -> None:
        """Each echoes the origin and says so, errors too (T-193, T-201, T-202)."""
        self.server = Server(switched_off=[Extension.CONCATENATION])
        path = self.server.create(5)
        seen = set()
        for sent in (
            message(b"OPTIONS", BASE, ORIGIN),
            message(b"POST", BASE, b"Upload-Length: 1", ORIGIN),
            message(b"HEAD", path, ORIGIN),
            patch(path, 0, ORIGIN, body=b"a"),
            patch(path, 0, ORIGIN, body=b"a"),
            patch(path, 1, ORIGIN, body=b"too much"),
            patch(BASE + b"x", 0, ORIGIN, body=b"a"),
            patch(BASE + b"%ff", 0, ORIGIN, body=b"a"),
            message(b"PATCH", path, ORIGIN, body=b""),
            message(b"GET", BASE, ORIGIN, tus=None),
            message(b"POST", BASE, ORIGIN, tus=None),
            message(b"POST", BASE, b"Expect: x", ORIGIN),
            message(b"POST", BASE, b"Upload-Concat: partial", ORIGIN),
            message(b"GET", b"/elsewhere/deep", ORIGIN, tus=None),
            message(b"HEAD", path, ORIGIN, host=None),
        ):
            response = self.server.ask(sent)
            expected = {b"allow-origin": PAGE, b"expose-headers": EXPOSE_HEADERS}
            self.assertEqual(told(response), expected)
            self.assertEqual(response[b"Vary"], b"Origin")
            seen.add(response.status)
        statuses = {200, 201, 204, 400, 404, 405, 409, 412, 413, 415, 417, 501}
        self.assertEqual(seen, statuses)

    def test_server_that_stops(self) -> None:
        """A page can read that the server is shutting down (T-193)."""
        self.do(self.server.uploads.stop())
        response = self.server.ask(message(b"POST", BASE, ORIGIN))
        self.assertEqual(response.status, 503)
        self.assertEqual(response[b"Access-Control-Allow-Origin"], PAGE)

    def test_any_origin(self) -> None:
        """The origin is echoed as it was sent (T-193)."""
        for origin in (b"null", b"http://localhost:8080", b"https://xn--e1afmkfd.test"):
            sent = message(b"OPTIONS", BASE, b"Origin: " + origin)
            response = self.server.ask(sent)
            self.assertEqual(response[b"Access-Control-Allow-Origin"], origin)

    def test_no_origin(self) -> None:
        """Without an origin nothing is said but that it varies (T-194, T-197)."""
        for lines in ((), (b"Origin:",), (WANTED,)):
            for method in (b"OPTIONS", b"HEAD", b"POST"):
                response = self.server.ask(message(method, BASE, *lines))
                self.assertEqual(told(response), {})
                self.assertEqual(response[b"Vary"], b"Origin")

    def test_credentials(self) -> None:
        """If set so, credentials are welcome; the origin is echoed, no star (T-195)."""
        for policy in ({}, {"origins": ["https://app.example"]}):
            self.server = serving(credentials=True, **policy)
            for lines in ((ORIGIN,), (ORIGIN, WANTED)):
                response = told(self.server.ask(message(b"OPTIONS", BASE, *lines)))
                self.assertEqual(response[b"allow-credentials"], b"true")
                self.assertEqual(response[b"allow-origin"], PAGE)

    def test_more_to_read(self) -> None:
        """What the configuration names can be read as well (T-201)."""
        self.server = serving(expose_headers=["X-One", "X-Two"])
        response = told(self.server.ask(message(b"POST", BASE, ORIGIN)))
        self.assertEqual(
            response[b"expose-headers"], EXPOSE_HEADERS + b", X-One, X-Two"
        )

    def test_off(self) -> None:
        """Switched off, nothing is said and no origin refused (T-204)."""
        self.server = Server(settings=WebSettings(cors=None))
        for method, lines, status in (
            (b"OPTIONS", (ORIGIN, WANTED), 204),
            (b"OPTIONS", (ORIGIN, ORIGIN), 204),
            (b"POST", (ORIGIN, b"Upload-Length: 1"), 201),
            (b"HEAD", (ORIGIN,), 405),
        ):
            response = self.server.ask(message(method, BASE, *lines))
            self.assertEqual((response.status, told(response)), (status, {}))
            self.assertIsNone(response[b"Vary"])
        response = self.server.ask(message(b"GET", b"/elsewhere", ORIGIN))
        self.assertEqual((response.status, told(response)), (404, {}))


class PreflightTests(TusCase):
    """What a browser asks before it sends something."""

    def preflight(self, path: bytes, *lines: bytes) -> Response:
        """Ask whether a PATCH may be sent."""
        return self.server.ask(
            message(b"OPTIONS", path, ORIGIN, WANTED, *lines, tus=None)
        )

    def test_answer(self) -> None:
        """It tells methods, headers and how long (T-198, T-199, T-200, T-202)."""
        response = self.preflight(BASE)
        self.assertEqual((response.status, response.body), (204, b""))
        expected = {
            b"allow-origin": PAGE,
            b"allow-methods": b"POST, HEAD, PATCH, OPTIONS, GET, DELETE",
            b"allow-headers": ALLOW_HEADERS,
            b"max-age": b"86400",
        }
        self.assertEqual(told(response), expected)
        self.assertEqual(response[b"Vary"], b"Origin")

    def test_configured(self) -> None:
        """Headers and time can be set (T-198, T-199, T-200)."""
        self.server = serving(allow_headers=["X-Csrf"], max_age_s=60)
        response = told(self.preflight(BASE))
        self.assertEqual(response[b"allow-headers"], ALLOW_HEADERS + b", X-Csrf")
        self.assertEqual(response[b"max-age"], b"60")

    def test_every_url(self) -> None:
        """Any URL below the mount may be asked of, also one of no upload (T-198)."""
        expected = self.preflight(BASE).facts
        for path in (
            b"/files",
            BASE + b"x",
            BASE + b"%ff",
            BASE + b"a//b",
            BASE + b"?x",
        ):
            response = self.preflight(path)
            self.assertEqual((response.status, response.facts), (204, expected), path)

    def test_touches_nothing(self) -> None:
        """It needs no version and leaves a running PATCH alone (T-203)."""
        path = self.server.create(4)
        running = self.server.connect()
        running.begin(patch(path, 0, body=b"abcd")[:-2])
        for lines in ((), (b"Tus-Resumable: 9",), (b"X-HTTP-Method-Override: DELETE",)):
            self.assertEqual(self.preflight(path, *lines).status, 204)
        running.send(b"cd")
        self.assertEqual([r.status for r in running.responses()], [204])
        self.assert_stored(path, b"abcd")

    def test_elsewhere(self) -> None:
        """Where there is nothing, there is none (T-268)."""
        self.assertEqual(self.preflight(b"/elsewhere").status, 404)

    def test_plain_options(self) -> None:
        """An OPTIONS that asks for no method is no preflight (T-202)."""
        response = told(self.server.ask(message(b"OPTIONS", BASE, ORIGIN)))
        self.assertEqual(set(response), {b"allow-origin", b"expose-headers"})


class RefusedTests(TusCase):
    """Pages of origins that are not allowed."""

    def setUp(self) -> None:
        self.server = serving(origins=["https://only.example"])

    def assert_refused_origin(self, *sent: bytes) -> None:
        """Each is 403, with nothing that lets a page see it."""
        for asked in sent:
            response = self.server.ask(asked)
            if asked.startswith(b"HEAD"):
                self.assertEqual((response.status, response.body), (403, b""))
            else:
                self.assert_refused(response, 403, "ERR_ORIGIN_NOT_ALLOWED")
            self.assertEqual(told(response), {})
            self.assertEqual(response[b"Vary"], b"Origin")

    def test_nothing_is_done(self) -> None:
        """It is 403, and nothing is created, changed or removed (T-196)."""
        path = self.server.create(3)
        self.assert_refused_origin(
            message(b"POST", BASE, b"Upload-Length: 1", ORIGIN),
            patch(path, 0, ORIGIN, body=b"abc"),
            message(b"DELETE", path, ORIGIN),
            message(b"HEAD", path, ORIGIN),
            message(b"OPTIONS", path, ORIGIN),
            message(b"OPTIONS", path, ORIGIN, WANTED),
            message(b"GET", b"/elsewhere", ORIGIN),
        )
        self.assertEqual(len(self.server.ids), 1)
        self.assert_stored(path, b"")

    def test_allowed(self) -> None:
        """The origin that is named may, and so may who names none (T-193, T-197)."""
        for lines in ((), (b"Origin: https://only.example",)):
            sent = message(b"POST", BASE, b"Upload-Length: 1", *lines)
            self.assertEqual(self.server.ask(sent).status, 201)

    def test_several_origins(self) -> None:
        """Two lines are no origin, also where all are allowed (T-196)."""
        allowed = b"Origin: https://only.example"
        for server in (self.server, Server()):
            self.server = server
            self.assert_refused_origin(
                message(b"POST", BASE, allowed, allowed),
                message(b"POST", BASE, b"Origin: https://only.example, null"),
            )

    def test_order(self) -> None:
        """Framing is judged before the origin, the override after it (T-196, T-271)."""
        override = b"X-HTTP-Method-Override: FOO"
        for host, status in ((None, 400), (b"files.example", 403)):
            sent = message(b"POST", BASE, ORIGIN, override, host=host, tus=b"2")
            self.assertEqual(self.server.ask(sent).status, status)
