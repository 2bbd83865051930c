"""Origins and header names of a CORS policy."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.cors import is_below, parse_field_name, parse_origin


class OriginTests(SynchronousTestCase):
    """What is an origin."""

    def test_origins(self) -> None:
        """They are read in the form that browsers give to them (T-193)."""
        for text, origin in (
            ("*", "*"),
            ("null", "null"),
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:8443", "https://app.example:8443"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://*.app.example", "https://*.app.example"),
            ("capacitor://localhost", "capacitor://localhost"),
        ):
            self.assertEqual(parse_origin(text), origin)

    def test_no_origins(self) -> None:
        """Paths, users, lists, stars elsewhere and odd characters are none (T-196)."""
        for text in (
            *("", "app.example", "https://", "https://app.example/", "//app.example"),
            *("https://a.example/x", "https://u@a.example", "https://a.example?x"),
            *("https://a.example https://b.example", "https://a.example,*"),
            *("https://*", "https://a.*.example", "https://*a.example", "*.example"),
            *("https://a..example", "https://é.example", "https://a\r\nX: y", "none"),
            *("https://a.example:", "https://a.example:123456", "https://a.example\n"),
        ):
            error = self.assertRaises(ValueError, parse_origin, text)
            self.assertTrue(str(error).startswith("must be "), text)

    def test_below(self) -> None:
        """The star stands for names below a domain, and for nothing else (T-196)."""
        pattern = "https://*.app.example"
        for origin in ("https://a.app.example", "https://a-b.c.app.example"):
            self.assertTrue(is_below(origin, pattern), origin)
        for origin in (
            *("https://app.example", "http://a.app.example", "https://.app.example"),
            *("https://a.app.example:8443", "https://evil.example/.app.example"),
            *("https://evil.example#.app.example", "https://a@b.app.example"),
            *("https://a.app.example.evil.example", "https://eviapp.example", "null"),
            *("https://a..app.example", "https://a\n.app.example"),
        ):
            self.assertFalse(is_below(origin, pattern), origin)
        self.assertFalse(is_below("https://app.example", "https://app.example"))
        self.assertTrue(is_below("http://a.b:3000", "http://*.b:3000"))


class FieldNameTests(SynchronousTestCase):
    """What is the name of a header."""

    def test_names(self) -> None:
        """Names are the tokens of RFC 9110, section 5.6.2 (T-199, T-201)."""
        for name in ("X-My-Header", "a", "X_1.2~!"):
            self.assertEqual(parse_field_name(name), name)
        for name in ("", "a b", "a:", "a,b", "a\r\nb", "é", "a\n"):
            error = self.assertRaises(ValueError, parse_field_name, name)
            self.assertTrue(str(error).startswith("must be "), name)
