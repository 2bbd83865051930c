"""Request targets that are whole URLs (RFC 9112, section 3.2.2)."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.web.harness import Peer, Route
from tests.web.tus_harness import BASE, HOST, Server, TusCase, message, patch
from tustwisted.web.streaming import enable_streaming
from tustwisted.web.target import origin_form
from tustwisted.web.wants import under

AT = b"http://" + HOST


class OriginFormTests(SynchronousTestCase):
    """What is the path of a target."""

    def test_targets(self) -> None:
        """Scheme and host are cut off a URL; all else stays as it is."""
        for target, expected in (
            (b"http://a.example/files/x?y=/z", (b"/files/x?y=/z", b"a.example")),
            (b"HTTPS://a.example:8443/", (b"/", b"a.example:8443")),
            (b"http://a.example", (b"/", b"a.example")),
            (b"http://a.example?x", (b"/?x", b"a.example")),
            (b"http:///files/", (b"/files/", b"")),
            (b"http://u@a/x", (b"/x", b"u@a")),
            (b"http://a//b", (b"//b", b"a")),
            (b"/files/x", (b"/files/x", None)),
            (b"//a.example/x", (b"//a.example/x", None)),
            (b"/http://a/x", (b"/http://a/x", None)),
            (b"ftp://a/x", (b"ftp://a/x", None)),
            (b"http:/a/x", (b"http:/a/x", None)),
            (b"*", (b"*", None)),
        ):
            self.assertEqual(origin_form(target), expected, target)


class AbsoluteTests(TusCase):
    """Uploads that are asked for by their whole URL."""

    def test_upload(self) -> None:
        """All verbs take it, and the body streams (T-052, T-262)."""
        client = self.server.connect()
        created = client.ask(message(b"POST", AT + BASE, b"Upload-Length: 6"))
        self.assertEqual(created.status, 201)
        url = created[b"Location"] or b""
        client.begin(patch(url, 0, body=b"abc"))
        client.begin(patch(url, 3, body=b"def")[:-1])
        path = url.removeprefix(AT)
        self.assertEqual(self.server.content(path), b"abcde")
        client.send(b"f")
        head = client.ask(message(b"HEAD", url))
        self.assertEqual((head.status, head[b"Upload-Offset"]), (200, b"6"))

    def test_host(self) -> None:
        """The host of the URL counts, not that of the header (T-053, T-243)."""
        sent = message(b"POST", b"http://other.example" + BASE, b"Upload-Length: 1")
        location = self.server.ask(sent)[b"Location"] or b""
        self.assertTrue(location.startswith(b"http://other.example/files/"), location)

    def test_bad_host(self) -> None:
        """What is no host is refused there, too, and so is a missing header (T-255)."""
        for target, host in (
            (b"http://u@a.example" + BASE, HOST),
            (b"http://a b" + BASE, HOST),
            (b"http://[::1" + BASE, HOST),
            (AT + BASE, None),
            (AT + BASE, b"a/b"),
        ):
            sent = message(b"POST", target, b"Upload-Length: 1", host=host)
            self.assertEqual(self.server.ask(sent).status, 400)
        twice = message(b"POST", AT + BASE, b"Host: x", b"Upload-Length: 1")
        self.assertEqual(self.server.ask(twice).status, 400)
        self.assertEqual(self.server.ids, [])

    def test_elsewhere(self) -> None:
        """Beside the base path there is nothing, by any URL (T-268)."""
        for target in (AT, AT + b"/", AT + b"//files/", b"ftp://h" + BASE):
            response = self.server.ask(message(b"POST", target, b"Upload-Length: 1"))
            self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")


class ExistingSiteTests(SynchronousTestCase):
    """Sites of an application."""

    def test_only_what_streams(self) -> None:
        """The path of the uploads is known by its URL; other requests stay as sent."""
        route = Route()
        site = Site(route, reactor=Clock())
        enable_streaming(site, under("/u"))
        for path in (b"/u/x", b"/v"):
            Peer(site).send(
                b"PUT http://h%b HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\n\r\nx"
                % path
            )
        streamed, other = route.requests
        self.assertEqual((streamed.path, streamed.getHeader("host")), (b"/u/x", "h"))
        self.assertIsNotNone(streamed.body)
        self.assertEqual((other.path, other.getHeader("host")), (b"http://h/v", "g"))

    def test_plain_site(self) -> None:
        """A site that is wanted nothing of is as Twisted has it."""
        self.assertEqual(
            Server(wants=lambda *request: False)
            .ask(message(b"POST", AT + BASE, b"Upload-Length: 1"))
            .status,
            404,
        )
