"""Hosts and URLs that may stand in a header."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.hosts import is_host, names_host, parse_public_url

BAD_HOSTS = (
    *(b"a/b", b"u@a", b"a b", b'a"', b"'a'", b"a\x01", b"a\x00b", b"a\x7f", b"a\tb"),
    *(b"a\r\nX: y", b"a\n", b"\xff", b"a,b", b"a;b", b"a\\b", b"a%41", b"<a>", b"."),
    *(
        b"a..b",
        b":80",
        b"a:b",
        b"a:123456",
        b"a:80:80",
        b"a:65536",
        b"[::1",
        b"::1",
        b"[]",
    ),
    *(b"[g::1]", b"[::1]x", b"[1.2.3.4]", b"[::1%eth0]", b"a" * 64 + b".example"),
)
"""What must never stand in a URL of ours (T-251)."""


class HostTests(SynchronousTestCase):
    """What is a host."""

    def test_hosts(self) -> None:
        """Names, addresses and IPv6 literals are, with a port or without (T-250)."""
        for host in (
            *(
                b"a",
                b"up.example",
                b"up.example:8443",
                b"a_b-c.example.",
                b"10.0.0.1:1",
            ),
            *(b"[2001:db8::1]", b"[2001:db8::1]:8443", b"[::ffff:1.2.3.4]", b"a:"),
        ):
            self.assertTrue(names_host(host), host)

    def test_no_hosts(self) -> None:
        """What could end the host of a URL, or the header, is none (T-251)."""
        for host in (b"", *BAD_HOSTS):
            self.assertFalse(names_host(host), host)

    def test_host_header(self) -> None:
        """An empty Host header is one that can be worked with (T-255)."""
        self.assertTrue(is_host(b""))
        for host in BAD_HOSTS:
            self.assertFalse(is_host(host), host)


class PublicUrlTests(SynchronousTestCase):
    """What is the URL of an installation."""

    def test_urls(self) -> None:
        """It has scheme, host and path, and ends with one slash (T-253)."""
        for text, url in (
            ("https://a.example/files/", "https://a.example/files/"),
            ("https://a.example/files", "https://a.example/files/"),
            ("http://a.example:8080", "http://a.example:8080/"),
            ("http://[::1]/a-b/c_d/%7Ex/", "http://[::1]/a-b/c_d/%7Ex/"),
            ("https://a.example/v1.2/", "https://a.example/v1.2/"),
        ):
            self.assertEqual(parse_public_url(text), url)

    def test_no_urls(self) -> None:
        """Paths, other schemes, users, queries and odd characters are none (T-253)."""
        for text in (
            *("", "/files/", "files", "//a.example/", "ftp://a.example/", "https://"),
            *("https:///files", "https://u@a.example/", "https://a.example/?x"),
            *("https://a.example/#x", "https://a.example/a b", "https://a.example/%zz"),
            *("https://a.example/é", "https://é.example/", "https://a.example//x"),
            *("https://a.example/..", "https://a.example/./x", "https://a/%2E./x"),
            *("https://a.example/\r\nX: y", "https://a.example/\n", "a.example/files"),
        ):
            error = self.assertRaises(ValueError, parse_public_url, text)
            self.assertTrue(str(error).startswith("must be "), text)
