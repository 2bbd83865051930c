"""The Location of a new upload, on the wire."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from tests.web.tus_harness import BASE, Server, TusCase, message, patch
from tustwisted.web.settings import WebSettings

PROXY = (
    b"Forwarded: for=1.2.3.4;host=up.example;proto=https",
    b"X-Forwarded-Host: up.example",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Prefix: /prefix",
)


class LocationTests(TusCase):
    """Where a client is sent."""

    def setUp(self) -> None:
        self.server = Server(random_bytes=bytes)  # its ids are zeros
        self.path = BASE + b"0" * 32

    def locate(
        self,
        host: bytes | None = b"files.example",
        *lines: bytes,
        http: bytes = b"HTTP/1.1",
        tls: bool = False,
        address: IAddress | None = None,
        path: bytes = BASE,
    ) -> bytes | None:
        """Create the upload, and give its Location; forget it again."""
        client = self.server.connect(address, tls)
        length = b"Upload-Length: 1"
        response = client.ask(
            message(b"POST", path, length, *lines, host=host, http=http)
        )
        self.assertEqual(response.status, 201)
        self.do(self.server.store.remove("0" * 32))
        return response[b"Location"]

    def test_absolute(self) -> None:
        """It has the scheme, the host as the client names it, and the id (T-053)."""
        for host in (
            b"files.example",
            b"localhost:1080",
            b"[2001:db8::1]:8443",
            b"10.1",
        ):
            self.assertEqual(self.locate(host), b"http://" + host + self.path)
            secure = self.locate(host, tls=True)
            self.assertEqual(secure, b"https://" + host + self.path)

    def test_works(self) -> None:
        """The upload is found where it is said to be (T-053)."""
        created = self.server.ask(message(b"POST", BASE, b"Upload-Length: 1"))
        location = created[b"Location"] or b""
        path = location.removeprefix(b"http://files.example")
        self.assertEqual(self.server.ask(patch(path, 0, body=b"x")).status, 204)

    def test_relative(self) -> None:
        """By a setting it is the path alone (T-053)."""
        self.server = Server(
            random_bytes=bytes, settings=WebSettings(relative_location=True)
        )
        self.assertEqual(self.locate(), self.path)
        self.assertEqual(self.locate(tls=True), self.path)

    def test_no_query_and_one_slash(self) -> None:
        """Slash and query of the creation URL make no difference (T-052, T-053)."""
        for path in (b"/files", b"/files/", b"/files?a=b", b"/files/?a=/b/"):
            expected = b"http://files.example" + self.path
            self.assertEqual(self.locate(path=path), expected)

    def test_proxy_headers(self) -> None:
        """What a proxy would say of scheme, host and prefix is ignored (T-243)."""
        for lines in (PROXY, PROXY[:1], PROXY[1:]):
            located = self.locate(b"files.example", *lines)
            self.assertEqual(located, b"http://files.example" + self.path)

    def set_up(self, **settings: Any) -> None:
        """Begin again with settings."""
        self.server = Server(random_bytes=bytes, settings=WebSettings(**settings))

    def test_behind_a_proxy(self) -> None:
        """If it is trusted, a proxy tells scheme and host (T-244, T-245)."""
        self.set_up(behind_proxy=True)
        for lines in (PROXY, PROXY[:1], PROXY[1:]):
            located = self.locate(b"10.0.0.7:1080", *lines)
            self.assertEqual(located, b"https://up.example" + self.path)
        other = (b"X-Forwarded-Host: other.example", b"X-Forwarded-Proto: http")
        located = self.locate(b"10.0.0.7:1080", PROXY[0], *other)
        self.assertEqual(located, b"https://up.example" + self.path)

    def test_proxy_that_says_half(self) -> None:
        """What a proxy does not tell is taken from the request (T-244, T-251)."""
        self.set_up(behind_proxy=True)
        self.assertEqual(self.locate(b"a.example"), b"http://a.example" + self.path)
        located = self.locate(b"a.example", b"X-Forwarded-Proto: https")
        self.assertEqual(located, b"https://a.example" + self.path)
        located = self.locate(b"a.example", b'Forwarded: host="b/c"', tls=True)
        self.assertEqual(located, b"https://a.example" + self.path)
        located = self.locate(None, PROXY[1], http=b"HTTP/1.0")
        self.assertEqual(located, b"http://up.example" + self.path)
        located = self.locate(None, PROXY[2], http=b"HTTP/1.0")
        self.assertEqual(located, self.path)

    def test_ports_behind_a_proxy(self) -> None:
        """The port that the proxy's scheme means is not said (T-246, T-250, T-252)."""
        self.set_up(behind_proxy=True)
        for forwarded, expected in (
            (b'host="a.example:443";proto=https', b"https://a.example"),
            (b'host="a.example:80";proto=https', b"https://a.example:80"),
            (b'host="a.example:80"', b"http://a.example"),
            (b'host="a.example:8443"', b"http://a.example:8443"),
            (b'host="[2001:db8::1]:8443";proto=https', b"https://[2001:db8::1]:8443"),
            (b'host="[2001:db8::1]:443";proto=https', b"https://[2001:db8::1]"),
        ):
            located = self.locate(b"files.example", b"Forwarded: " + forwarded)
            self.assertEqual(located, expected + self.path)

    def test_prefix_of_a_proxy(self) -> None:
        """A prefix is not believed, not even of a trusted proxy (T-256)."""
        self.set_up(behind_proxy=True)
        located = self.locate(b"a.example", b"X-Forwarded-Prefix: /p")
        self.assertEqual(located, b"http://a.example" + self.path)

    def test_public_url(self) -> None:
        """With the public URL set, it is that and the id, always (T-253, T-256)."""
        self.set_up(public_url="https://cdn.example/api/up", behind_proxy=True)
        expected = b"https://cdn.example/api/up/" + b"0" * 32
        self.assertEqual(self.locate(), expected)
        self.assertEqual(self.locate(b"evil.example", *PROXY, tls=True), expected)
        self.assertEqual(self.locate(None, http=b"HTTP/1.0"), expected)
        self.assertEqual(self.locate(path=b"/files?x"), expected)

    def test_bad_public_url(self) -> None:
        """What is no URL cannot be set (T-253)."""
        self.assertRaises(ValueError, WebSettings, public_url="/files/")

    def test_host_is_checked_behind_a_proxy(self) -> None:
        """A proxy's word does not make up for a bad Host header (T-255)."""
        self.set_up(behind_proxy=True)
        for host in (None, b"a/b"):
            sent = message(b"POST", BASE, *PROXY, b"Upload-Length: 1", host=host)
            self.assert_refused(self.server.ask(sent), 400, "ERR_INVALID_HOST")

    def test_default_port(self) -> None:
        """The port that goes without saying is not said (T-252)."""
        for tls, host, expected in (
            (False, b"a.example:80", b"http://a.example"),
            (False, b"a.example:443", b"http://a.example:443"),
            (False, b"a.example:8080", b"http://a.example:8080"),
            (True, b"a.example:443", b"https://a.example"),
            (True, b"a.example:80", b"https://a.example:80"),
            (False, b"[::1]:80", b"http://[::1]"),
            (False, b"a.example:", b"http://a.example"),
        ):
            self.assertEqual(self.locate(host, tls=tls), expected + self.path)

    def test_no_host(self) -> None:
        """Without a usable host it is the path alone (T-254)."""
        self.assertEqual(self.locate(None, http=b"HTTP/1.0"), self.path)
        self.assertEqual(self.locate(b""), self.path)
        two = self.locate(b"a.example", b"Host: b.example", http=b"HTTP/1.0")
        self.assertEqual(two, self.path)

    def test_unix_socket(self) -> None:
        """A UNIX socket has no host of its own, but a client may name one (T-254)."""
        socket = UNIXAddress("/run/tus.sock")
        located = self.locate(None, http=b"HTTP/1.0", address=socket)
        self.assertEqual(located, self.path)
        located = self.locate(b"files.example", address=socket)
        self.assertEqual(located, b"http://files.example" + self.path)

    def test_address_is_never_told(self) -> None:
        """The address that the server listens on is not told (T-254)."""
        address = IPv6Address("TCP", "::1", 1080)
        located = self.locate(None, http=b"HTTP/1.0", address=address)
        self.assertEqual(located, self.path)
