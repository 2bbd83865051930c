"""What is read of Forwarded and X-Forwarded-*."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from tests.protocol.test_hosts import BAD_HOSTS
from tustwisted.web.forwarded import Told, first_element, told_by_proxy


def told(
    *forwarded: bytes, host: bytes | None = None, proto: bytes | None = None
) -> Told:
    """What is known from these lines of Forwarded, and from X-Forwarded-*."""
    headers = Headers({b"Forwarded": list(forwarded)} if forwarded else {})
    if host is not None:
        headers.addRawHeader(b"X-Forwarded-Host", host)
    if proto is not None:
        headers.addRawHeader(b"X-Forwarded-Proto", proto)
    return told_by_proxy(headers)


class FirstElementTests(SynchronousTestCase):
    """RFC 7239, taken apart."""

    def test_values(self) -> None:
        """Tokens and quoted strings are values; names have no case (T-246, T-247)."""
        for value, expected in (
            (b"", {}),
            (b"for=1.2.3.4", {b"for": b"1.2.3.4"}),
            (b"FOR=a;Host=b;pRoTo=c", {b"for": b"a", b"host": b"b", b"proto": b"c"}),
            (b'host="a:1"', {b"host": b"a:1"}),
            (b'host="a,b;c=d"', {b"host": b"a,b;c=d"}),
            (b'host="a\\"b\\\\c\\d"', {b"host": b'a"b\\cd'}),
            (b'host=""', {b"host": b""}),
            (b'for="[2001:db8::1]:4711"', {b"for": b"[2001:db8::1]:4711"}),
            (b";;for=a;", {b"for": b"a"}),
            (b" for=a ; host=b ", {b"for": b"a", b"host": b"b"}),
            (b"for=a\t;\thost=b", {b"for": b"a", b"host": b"b"}),
            (b"host=a:8443", {b"host": b"a:8443"}),
            (b"ext!=x", {b"ext!": b"x"}),
        ):
            self.assertEqual(first_element(value), expected, value)

    def test_lists(self) -> None:
        """The first element counts, whatever follows; empty ones are none (T-249)."""
        for value in (
            *(b"host=a, host=b", b"host=a,host=b", b",, host=a , host=b", b"host=a,"),
            *(b'host=a,"', b"host=a, host=b;host=c", b';,host="a",for=x'),
        ):
            self.assertEqual(first_element(value), {b"host": b"a"}, value)

    def test_malformed(self) -> None:
        """An element that breaks the rules says nothing (T-251)."""
        for value in (
            *(b'host="a', b'host="a"b', b'host="a\\"', b'a"b"=c', b"host", b"=a"),
            *(b"host = a", b"host=a b", b"host=a\\b", b"host=a\x00", b"host=\xff"),
            *(b"host=a;Host=b", b"host=a;proto", b'host="a" x, host=b', b"(c)=d"),
        ):
            self.assertEqual(first_element(value), {}, value)

    def test_hostile_sizes(self) -> None:
        """Blanks, commas and quotes without end cost time in line with their number."""
        for value in (b"," + b" " * 10**6 + b"x", b'host="' + b"\\" * 10**6 + b"x"):
            self.assertEqual(first_element(value), {})
        self.assertEqual(first_element(b"," * 10**5 + b"host=a"), {b"host": b"a"})


class ToldTests(SynchronousTestCase):
    """Scheme and host that are believed."""

    def test_x_forwarded(self) -> None:
        """X-Forwarded-Host and -Proto tell host and scheme (T-244)."""
        self.assertEqual(told(host=b"a:81", proto=b"https"), Told(b"https", b"a:81"))

    def test_nothing(self) -> None:
        """Without them nothing is known."""
        self.assertEqual(told(), Told(None, None))
        self.assertEqual(told(b"", host=b"", proto=b""), Told(None, None))

    def test_forwarded_wins(self) -> None:
        """Forwarded comes first, each fact for itself (T-245)."""
        found = told(b"for=x;host=f;proto=https", host=b"x", proto=b"http")
        self.assertEqual(found, Told(b"https", b"f"))
        found = told(b"for=x;host=f", host=b"x", proto=b"https")
        self.assertEqual(found, Told(b"https", b"f"))
        found = told(b"for=x", host=b"x", proto=b"https")
        self.assertEqual(found, Told(b"https", b"x"))

    def test_quoted(self) -> None:
        """Quotes are taken off, and the port is kept (T-246, T-250)."""
        self.assertEqual(told(b'host="up:8443"').host, b"up:8443")
        found = told(b'host="[2001:db8::1]:8443"').host
        self.assertEqual(found, b"[2001:db8::1]:8443")

    def test_case(self) -> None:
        """Names and the scheme have no case (T-247)."""
        found = told(b'HOST=up.example;Proto="HTTPS"')
        self.assertEqual(found, Told(b"https", b"up.example"))
        self.assertEqual(told(proto=b"HTTPS").scheme, b"https")

    def test_other_schemes(self) -> None:
        """A scheme other than http and https is passed over (T-248)."""
        for scheme in (b"ftp", b"httpss", b"javascript", b"https:", b"h\xc5\xbfttp"):
            self.assertIsNone(told(b'proto="%b"' % scheme).scheme)
            self.assertIsNone(told(proto=scheme).scheme)
            found = told(b'proto="%b"' % scheme, proto=b"https").scheme
            self.assertEqual(found, b"https")

    def test_lists(self) -> None:
        """Of several the first is taken, in one line or in several (T-249)."""
        found = told(host=b"a.com, b.com", proto=b"https,http")
        self.assertEqual(found, Told(b"https", b"a.com"))
        self.assertEqual(told(host=b" , a.com").host, b"a.com")
        found = told(b"host=a;proto=https", b"host=b;proto=http")
        self.assertEqual(found, Told(b"https", b"a"))

    def test_bad_hosts(self) -> None:
        """A host that is none is passed over for the next source (T-251)."""
        for host in BAD_HOSTS:
            escaped = host.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            found = told(b'host="%b"' % escaped, host=b"next.example").host
            self.assertEqual(found, b"next.example", host)
            if b"," not in host and host.strip() == host:
                self.assertIsNone(told(host=host).host, host)
