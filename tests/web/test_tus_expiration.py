"""Uploads that expire, on the wire."""

from __future__ import annotations

from tests.web.tus_harness import (
    BASE,
    UPLOAD_METHODS,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.uploads.sweeping import PAUSE_S

DAY_S = 86400
JUNE_25TH_S = 1403712000.0
"""Wed, 25 Jun 2014 16:00:00 GMT."""


class ExpirationCase(TusCase):
    """A server whose unfinished uploads expire after a day."""

    def setUp(self) -> None:
        """Set the clock."""
        self.serve(Expiration(unfinished_after_s=DAY_S))

    def serve(self, expiration: Expiration, **kwargs: object) -> None:
        """Start a server."""
        self.server = Server(expiration=expiration, **kwargs)  # type: ignore[arg-type]
        self.server.clock.advance(JUNE_25TH_S)

    def post(self, length: int) -> Response:
        """Create an upload."""
        return self.server.ask(message(b"POST", BASE, b"Upload-Length: %d" % length))

    def sweep(self) -> None:
        """Sweep."""
        sweeping = self.server.uploads.sweep()
        self.server.clock.pump([PAUSE_S] * 3)
        self.successResultOf(sweeping)

    def assert_expires(self, response: Response, expires: bytes | None) -> None:
        """The answer is good, and tells this moment."""
        self.assertLess(response.status, 300)
        self.assertEqual(response[b"Upload-Expires"], expires)


class HeaderTests(ExpirationCase):
    """``Upload-Expires``."""

    def test_creation(self) -> None:
        """201 tells when the upload expires (T-149, T-153)."""
        self.assert_expires(self.post(5), b"Thu, 26 Jun 2014 16:00:00 GMT")

    def test_head(self) -> None:
        """So does HEAD, before any byte came and after (T-151)."""
        path = self.server.create(5)
        self.server.clock.advance(60)
        self.assert_expires(self.server.head(path), b"Thu, 26 Jun 2014 16:00:00 GMT")
        self.server.ask(patch(path, 0, body=b"abc"))
        self.server.clock.advance(60)
        self.assert_expires(self.server.head(path), b"Thu, 26 Jun 2014 16:01:00 GMT")

    def test_patch(self) -> None:
        """Each PATCH that leaves it unfinished tells the new moment (T-150, T-154)."""
        path = self.server.create(9)
        for offset, expires in (
            (0, b"Thu, 26 Jun 2014 16:00:30 GMT"),
            (3, b"Thu, 26 Jun 2014 16:01:00 GMT"),
        ):
            self.server.clock.advance(30)
            response = self.server.ask(patch(path, offset, body=b"abc"))
            self.assert_expires(response, expires)

    def test_empty_patch(self) -> None:
        """A PATCH that stores nothing moves nothing (T-150, T-154)."""
        path = self.server.create(9)
        self.server.clock.advance(30)
        response = self.server.ask(patch(path, 0, body=b""))
        self.assert_expires(response, b"Thu, 26 Jun 2014 16:00:00 GMT")

    def test_complete(self) -> None:
        """What is complete does not expire, and nothing says so (T-014, T-152)."""
        path = self.server.create(3)
        self.assert_expires(self.server.ask(patch(path, 0, body=b"abc")), None)
        self.assert_expires(self.server.ask(patch(path, 3, body=b"")), None)
        self.assert_expires(self.server.head(path), None)
        self.assert_expires(self.post(0), None)

    def test_complete_by_setting(self) -> None:
        """If finished uploads expire too, it is told of them (T-014, T-152)."""
        self.serve(Expiration(DAY_S, finished_after_s=2 * DAY_S))
        expires = b"Fri, 27 Jun 2014 16:00:00 GMT"
        path = self.server.create(3)
        response = self.server.ask(patch(path, 0, body=b"abc"))
        self.assert_expires(response, expires)
        self.assert_expires(self.server.head(path), expires)
        self.assert_expires(self.post(0), expires)

    def test_options(self) -> None:
        """OPTIONS lists the extension (T-010)."""
        options = self.server.ask(message(b"OPTIONS", BASE))
        extensions = (options[b"Tus-Extension"] or b"").split(b",")
        self.assertIn(b"expiration", extensions)

    def test_not_configured(self) -> None:
        """Without an age there is neither header nor extension (T-162)."""
        self.serve(Expiration())
        path = self.server.create(5)
        self.assert_expires(self.post(5), None)
        self.assert_expires(self.server.ask(patch(path, 0, body=b"abc")), None)
        self.assert_expires(self.server.head(path), None)
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"expiration", options[b"Tus-Extension"] or b"")

    def test_no_end(self) -> None:
        """An age of thousands of years has a date all the same (T-153)."""
        self.serve(Expiration(unfinished_after_s=8e13))
        self.assert_expires(self.post(5), b"Fri, 31 Dec 9999 23:59:59 GMT")


class ExpiredTests(ExpirationCase):
    """What is asked of an upload that has expired."""

    def setUp(self) -> None:
        """Begin an upload, and wait."""
        super().setUp()
        self.path = self.server.create(9)
        self.server.ask(patch(self.path, 0, body=b"abc"))
        self.server.clock.advance(DAY_S)

    def test_remembered(self) -> None:
        """Before it is swept all methods answer 410 and no offset (T-155, T-157)."""
        for sent in (
            patch(self.path, 3, body=b"def"),
            patch(self.path, 1, body=b"def"),
            message(b"DELETE", self.path),
        ):
            response = self.server.ask(sent)
            self.assert_refused(response, 410, "ERR_UPLOAD_EXPIRED")
            self.assertIsNone(response[b"Upload-Offset"])
        self.assertEqual(len(self.server.ids), 1)

    def test_head(self) -> None:
        """HEAD is 410 without a body, an offset or a date (T-155)."""
        response = self.server.head(self.path)
        self.assertEqual((response.status, response.body), (410, b""))
        for name in (b"Upload-Offset", b"Upload-Length", b"Upload-Expires"):
            self.assertIsNone(response[name])
        self.assertEqual(response[b"Cache-Control"], b"no-store")

    def test_body_is_discarded(self) -> None:
        """The body goes nowhere, and the connection goes on behind it (T-155)."""
        client = self.server.connect()
        response = client.ask(patch(self.path, 3, body=b"def"))
        self.assertEqual(response.status, 410)
        self.assertEqual(self.server.content(self.path), b"abc")
        self.assertEqual(client.ask(message(b"OPTIONS", BASE)).status, 204)

    def test_purged(self) -> None:
        """After it was swept it is 404 (T-156)."""
        self.sweep()
        for sent in (
            patch(self.path, 3, body=b"def"),
            message(b"DELETE", self.path),
        ):
            self.assert_refused(self.server.ask(sent), 404, "ERR_UPLOAD_NOT_FOUND")
        self.assertEqual(self.server.head(self.path).status, 404)

    def test_running_patch(self) -> None:
        """A PATCH that runs when the deadline passes is not cut (T-158, T-159)."""
        self.serve(Expiration(unfinished_after_s=40))
        path = self.server.create(9)
        sender = self.server.connect()
        sender.begin(patch(path, 0, body=b"abcdefghi")[:-9])
        self.server.clock.advance(50)
        self.assertEqual(self.server.head(path).status, 200)
        self.sweep()
        sender.send(b"abcdefghi")
        self.assertEqual(sender.responses()[-1].status, 204)
        self.assert_stored(path, b"abcdefghi")

    def test_cut_patch_renews(self) -> None:
        """What it stored before it broke off moves the deadline on (T-154, T-158)."""
        self.serve(Expiration(unfinished_after_s=40))
        path = self.server.create(9)
        sender = self.server.connect()
        sender.begin(patch(path, 0, body=b"abcdefghi")[:-9])
        self.server.clock.advance(50)
        sender.send(b"abc")
        sender.lose()
        self.server.clock.advance(39)
        self.assertEqual(self.server.offset(path), 3)

    def test_methods_are_judged_first(self) -> None:
        """What the URL does not take is 405, expired or not (T-271)."""
        response = self.server.ask(message(b"PUT", self.path))
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertEqual(response[b"Allow"], UPLOAD_METHODS)

    def test_another_extension_off(self) -> None:
        """The clock decides whatever else is offered (T-157)."""
        self.serve(Expiration(DAY_S), switched_off=[Extension.TERMINATION])
        path = self.server.create(9)
        self.server.clock.advance(DAY_S)
        self.assertEqual(self.server.head(path).status, 410)


class DownloadTests(TusCase):
    """GET of what has expired."""

    def test_gone(self) -> None:
        """It is 410, finished or not, swept or not yet (T-155, T-208)."""
        self.server = Server(expiration=Expiration(60, finished_after_s=90))
        finished, unfinished = self.server.create(3), self.server.create(3)
        self.assertEqual(self.server.ask(patch(finished, 0, body=b"abc")).status, 204)
        self.server.clock.advance(59)
        self.assertEqual(self.server.ask(message(b"GET", finished)).body, b"abc")
        self.assertEqual(self.server.ask(message(b"GET", unfinished)).status, 404)
        self.server.clock.advance(2)
        self.assertEqual(self.server.ask(message(b"GET", finished)).body, b"abc")
        response = self.server.ask(message(b"GET", unfinished))
        self.assert_refused(response, 410, "ERR_UPLOAD_EXPIRED")
        self.server.clock.advance(30)
        response = self.server.ask(message(b"GET", finished))
        self.assert_refused(response, 410, "ERR_UPLOAD_EXPIRED")
