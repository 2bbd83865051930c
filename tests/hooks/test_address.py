"""Tests for :mod:`tustwisted.hooks.address`."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.address import parse_hook_url


class HookURLTests(SynchronousTestCase):
    """What is called."""

    def test_plain(self) -> None:
        """A URL is called as it is written; without a path it is the root."""
        for text, target in (
            ("http://hooks.example:8000/a?b=c", b"http://hooks.example:8000/a?b=c"),
            ("https://[::1]/", b"https://[::1]/"),
            ("http://hooks.example", b"http://hooks.example/"),
            ("HTTP://hooks.example?x", b"http://hooks.example/?x"),
        ):
            url = parse_hook_url(text)
            self.assertEqual(url.target, target)
            self.assertIsNone(url.authorization)

    def test_credentials(self) -> None:
        """User and password become a header, and are no part of what is called."""
        url = parse_hook_url("https://anna:p%40ss:w@h.example/x")
        self.assertEqual(url.target, b"https://h.example/x")
        expected = "Basic " + base64.b64encode(b"anna:p@ss:w").decode("ascii")
        self.assertEqual(url.authorization, expected)

    def test_shows_no_secret(self) -> None:
        """Neither its text nor its name shows what may be secret."""
        url = parse_hook_url("https://anna:pass@h.example/x?token=abc")
        self.assertEqual(str(url), "https://h.example/x")
        for secret in ("anna", "pass", "token", "abc"):
            self.assertNotIn(secret, repr(url) + str(url))

    def test_name(self) -> None:
        """Its name stays the same, is different for another URL, and is short."""
        names = [
            parse_hook_url(text).name
            for text in ("http://a/x", "http://a/x", "http://a/y", "http://u:p@a/x")
        ]
        self.assertEqual(names[0], names[1])
        self.assertEqual(len(set(names)), 3)
        for name in names:
            self.assertRegex(name, r"\Ahttp-[0-9a-f]{12}\Z")

    def test_refused(self) -> None:
        """What cannot be called is a sentence that does not repeat it."""
        for text, sentence in (
            ("ftp://a/", "http:// or https://"),
            ("hooks.example/x", "http:// or https://"),
            ("http:///x", "the host is missing"),
            ("http://my_host/", "the host must be"),
            ("http://a..b/", "the host must be"),
            ("http://-a/", "the host must be"),
            ("http://xn--a/", "the host must be"),
            ("http://[::g]/", "makes no sense"),
            ("http://a:0/", "the port must be"),
            ("http://a:99999/", "makes no sense"),
            ("http://[::1/", "makes no sense"),
            ("http://a/#x", "a # is not sent"),
            ("http://a/ b", "must be a URL in ASCII"),
            ("http://a/ä", "must be a URL in ASCII"),
            ("", "must be a URL in ASCII"),
        ):
            error = str(self.assertRaises(ValueError, parse_hook_url, text))
            self.assertIn(sentence, error)
