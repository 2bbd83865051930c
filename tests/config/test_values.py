"""How values are written."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.config.values import (
    describe_port,
    parse_base_path,
    parse_host,
    parse_mode,
    parse_port,
    parse_size,
    parse_switch,
    parse_time,
)


class ConfigTests(SynchronousTestCase):
    """Each kind of value: what it may be and what it may not."""

    def assert_refused(self, parse: Callable[[str], object], *texts: str) -> None:
        """Each text is refused with a message that says what is wanted."""
        for text in texts:
            error = self.assertRaises(ValueError, parse, text)
            self.assertTrue(str(error).startswith("must be "), text)

    def test_sizes(self) -> None:
        """A size is a number of bytes, or of their binary multiples."""
        for text, size in (
            ("1", 1),
            ("64KiB", 65536),
            ("3MiB", 3 * 2**20),
            ("10GiB", 10 * 2**30),
            ("2TiB", 2 * 2**40),
            (str(2**63 - 1), 2**63 - 1),
        ):
            self.assertEqual(parse_size(text), size)

    def test_no_sizes(self) -> None:
        """Zero, signs, fractions, other units and numbers without end are no sizes."""
        self.assert_refused(
            parse_size,
            *("", "0", "-1", "+1", "1.5GiB", "1GB", "1kib", "1 KiB", "KiB", "٣", "x"),
            *(str(2**63), "9999999999TiB", "9" * 5000),
        )

    def test_times(self) -> None:
        """A time is a number of seconds, or of their multiples."""
        for text, seconds in (
            ("20", 20),
            ("1.5s", 1.5),
            ("10m", 600),
            ("24h", 86400),
            ("7d", 604800),
        ):
            self.assertEqual(parse_time(text), seconds)

    def test_no_times(self) -> None:
        """Zero, signs, other units and words are no times."""
        self.assert_refused(
            parse_time, "", "0", "0s", "-1", "1w", "1 s", "s", "inf", "nan", "1e3", "٣"
        )

    def test_modes(self) -> None:
        """Permissions are three octal digits, with or without a zero before them."""
        self.assertEqual(parse_mode("664"), 0o664)
        self.assertEqual(parse_mode("0600"), 0o600)
        self.assert_refused(parse_mode, "", "8", "888", "66", "rw", "1777", "0o664")

    def test_base_paths(self) -> None:
        """A base path ends with one slash, however it was written."""
        for text, path in (
            ("/files/", "/files/"),
            ("/files", "/files/"),
            ("/a/b-c", "/a/b-c/"),
            ("/", "/"),
        ):
            self.assertEqual(parse_base_path(text), path)

    def test_no_base_paths(self) -> None:
        """Relative paths, dot segments, queries and URLs are no base paths."""
        self.assert_refused(
            parse_base_path,
            *("", "files", "/a//b", "/../a", "/./", "/a?b", "http://h/a", "/a b", "/é"),
        )

    def test_ports(self) -> None:
        """A number means a port of the host, anything else is left as it is."""
        for text, host, description in (
            ("1080", "127.0.0.1", "tcp:1080:interface=127.0.0.1"),
            ("1", "::1", "tcp:1:interface=\\:\\:1"),
            ("unix:/run/tus.sock", "x", "unix:/run/tus.sock"),
        ):
            self.assertEqual(describe_port(parse_port(text), host), description)
        self.assert_refused(parse_port, "65536", "")

    def test_hosts(self) -> None:
        """An interface is an address or a name, and never nothing: that is all."""
        for text in ("127.0.0.1", "::1", "fe80::1%eth0", "localhost", "my-host.lan"):
            self.assertEqual(parse_host(text), text)
        self.assert_refused(parse_host, "", " ", "a b", "a/b", "[::1]", "é", "a\n")

    def test_switches(self) -> None:
        """True and false may be written in the ways that are usual."""
        for text in ("true", "True", "yes", "on", "1"):
            self.assertIs(parse_switch(text), True)
        for text in ("false", "FALSE", "no", "off", "0"):
            self.assertIs(parse_switch(text), False)
        self.assert_refused(parse_switch, "", "2", "enabled", "null")
