"""The settings of what stands on the wire."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.config.support import SettingsCase, parsed, settings
from tests.web.harness import Peer
from tustwisted.making import connections_of
from tustwisted.observing import UNOBSERVED
from tustwisted.tap import makeService
from tustwisted.web.cors import CorsPolicy
from tustwisted.web.limits import HeaderLimits
from tustwisted.web.settings import WebSettings


def web(*words: str) -> WebSettings:
    """What a command line means on the wire."""
    return settings(*words).web


class CorsTests(SettingsCase):
    """Which pages may upload."""

    def test_default(self) -> None:
        """Without a word, all origins may, without credentials (T-193)."""
        self.assertEqual(web().cors, CorsPolicy())

    def test_origins_add_up(self) -> None:
        """--cors-origin may be repeated (T-196)."""
        words = ("--cors-origin", "https://A.example", "--cors-origin=http://*.b")
        expected = CorsPolicy(origins=["https://a.example", "http://*.b"])
        self.assertEqual(web(*words).cors, expected)

    def test_off(self) -> None:
        """``none`` switches it off (T-204)."""
        self.assertIsNone(web("--cors-origin", "none").cors)

    def test_more(self) -> None:
        """Credentials and headers have options (T-195, T-199, T-201)."""
        found = web(
            *("--cors-credentials", "--cors-origin", "*"),
            *("--cors-allow-header", "X-A", "--cors-allow-header", "X-B"),
            *("--cors-expose-header", "X-C"),
        )
        expected = CorsPolicy(
            credentials=True, allow_headers=["X-A", "X-B"], expose_headers=["X-C"]
        )
        self.assertEqual(found.cors, expected)

    def test_bad_values(self) -> None:
        """A value that is none ends the command with a sentence that names it."""
        for option, value in (
            ("cors-origin", "app.example"),
            ("cors-origin", "https://app.example/path"),
            ("cors-allow-header", "X A"),
            ("cors-expose-header", ""),
        ):
            self.assert_ends(f"--{option} {value}: must be ", f"--{option}", value)

    def test_contradictions(self) -> None:
        """``*`` and ``none`` stand alone, and credentials want a word on origins."""
        for alone in ("*", "none"):
            words = ("--cors-origin", alone, "--cors-origin", "https://a.example")
            self.assert_ends(f"--cors-origin {alone}: must be the only one", *words)
        self.assert_ends("--cors-credentials: must come with", "--cors-credentials")


class ProxyTests(SettingsCase):
    """How new uploads' URLs are told."""

    def test_default(self) -> None:
        """Without a word no proxy is trusted (T-243)."""
        self.assertEqual(web(), WebSettings())

    def test_options(self) -> None:
        """Each setting has an option (T-053, T-244, T-253)."""
        self.assertEqual(web("--behind-proxy"), WebSettings(behind_proxy=True))
        found = web("--public-url", "https://a.example/up")
        self.assertEqual(found.public_url, "https://a.example/up/")
        self.assertTrue(web("--relative-location").relative_location)

    def test_bad_values(self) -> None:
        """What is no URL, and two wishes at once, end the command with a sentence."""
        for url in ("/files/", "a.example", "ftp://a.example/", "https://a/b?c"):
            sentence = f"--public-url {url}: must be a URL"
            self.assert_ends(sentence, "--public-url", url)
        words = ("--public-url", "https://a.example/", "--relative-location")
        self.assert_ends("--relative-location: must not come with", *words)


class HeaderTests(SettingsCase):
    """How large the head of a request may be."""

    def test_sizes(self) -> None:
        """--max-header-size is 64 KiB unless it is said (T-082)."""
        for words, size_bytes in (
            ([], 65_536),
            (["--max-header-size", "16KiB"], 16_384),
            (["--max-header-size", "1MiB"], 2**20),
        ):
            expected = HeaderLimits(size_bytes=size_bytes)
            self.assertEqual(settings(*words).header_limits, expected)

    def test_bad_values(self) -> None:
        """Too little, too much and no size at all end the command with a sentence."""
        for size in ("16383", "2MiB", "8KiB", "much", "0"):
            sentence = f"--max-header-size {size}: must be a size"
            self.assert_ends(sentence, "--max-header-size", size)


class AdminPortTests(SettingsCase):
    """Where operators ask."""

    def test_default(self) -> None:
        """Nowhere, and then nothing is counted."""
        self.assertIsNone(settings().admin_endpoint)
        service: Any = makeService(parsed("--upload-dir", self.mktemp()))
        self.assertIs(service._uploads.uploads.observer, UNOBSERVED)
        self.assertIsNone(service._admin)

    def test_endpoints(self) -> None:
        """A number is a port of this machine's own, whatever --host is."""
        for words, endpoint in (
            (["1081", "--host", "0.0.0.0"], "tcp:1081:interface=127.0.0.1"),
            (["tcp:1081:interface=10.0.0.1"], "tcp:1081:interface=10.0.0.1"),
            (["unix:/run/tus/admin.sock"], "unix:/run/tus/admin.sock"),
        ):
            self.assertEqual(settings("--admin-port", *words).admin_endpoint, endpoint)

    def test_bad_values(self) -> None:
        """What is no port ends the command with a sentence that names the option."""
        self.assert_ends("--admin-port 70000: must be", "--admin-port", "70000")
        words = ("--upload-dir", self.mktemp(), "--admin-port", "nothing:1")
        for workers in "12":
            options = parsed(*words, "--workers", workers)
            error = self.assertRaises(SystemExit, makeService, options)
            self.assertIn("--admin-port nothing:1: is no port and no", str(error))

    def test_descriptors(self) -> None:
        """Those who ask there have descriptors as well."""
        most = connections_of(settings("--max-connections", "10"))
        self.assertEqual(most, 10)
        without, with_it = (
            connections_of(settings(*words)) for words in ([], ["--admin-port", "1081"])
        )
        self.assertLess(with_it, without)


class ServiceTests(SynchronousTestCase):
    """What the options make of the daemon's site."""

    def test_cors_everywhere(self) -> None:
        """The policy holds at the base path and beside it (T-193, T-196)."""
        words = ("--cors-origin", "https://a.example", "--upload-dir", self.mktemp())
        service: Any = makeService(parsed(*words))
        statuses = []
        for path in (b"/files/", b"/elsewhere"):
            for origin in (b"https://a.example", b"https://b.example"):
                head = b"OPTIONS %b HTTP/1.1\r\nHost: h\r\nOrigin: %b\r\n\r\n"
                peer = Peer(service._site)
                peer.send(head % (path, origin))
                statuses += peer.statuses()
                told = b"Access-Control-Allow-Origin: https://a.example\r\n"
                self.assertEqual(told in peer.wire.value(), b"a.example" in origin)
                peer.lose()
        # Nothing runs yet: the mount itself is 503 before it looks at the origin.
        self.assertEqual(statuses, [503, 503, 404, 403])

    def test_header_limits(self) -> None:
        """The daemon's site has the limits that were chosen (T-082)."""
        words = ("--max-header-size", "128KiB", "--upload-dir", self.mktemp())
        service: Any = makeService(parsed(*words))
        for size, status in ((120_000, 404), (140_000, 400)):
            peer = Peer(service._site)
            peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * size + b"\r\n\r\n")
            self.assertEqual(peer.statuses(), [status])
            peer.lose()
