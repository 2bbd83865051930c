"""Requests that no client sends: broken on purpose, each in a way that is known."""

from __future__ import annotations

from random import Random

from tests.fuzz.corpus import (
    BASE,
    CHUNKED,
    FINISHED,
    OCTETS,
    TRICKS,
    Request,
    any_slot,
    content,
    offset,
    path,
    request,
    sized,
)

SMUGGLED = sized(b"POST", BASE, b"Upload-Length: 1", b"X-Injected: 1")
"""A request in the body of another one, never to be taken for a request."""


def two_framings(random: Random) -> bytes:
    """Say in two ways where the body ends (request smuggling)."""
    slot = any_slot(random)
    length = b"Content-Length: %d" % random.choice([0, 5, len(SMUGGLED), 10**6])
    codings = [
        CHUNKED,
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-encoding: CHUNKED",
        b"X: x\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\n " + b" identity",
        b"Content-Length: 7",
    ]
    lines = [length, random.choice(codings)]
    random.shuffle(lines)
    needed = (OCTETS, b"Upload-Offset: " + offset(slot))
    body = random.choice([b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b""]) + SMUGGLED
    return request(b"PATCH", path(slot), *needed, *lines, body=body)


def bad_chunks(random: Random) -> bytes:
    """Code a body in chunks that are none."""
    slot = any_slot(random)
    bad = random.choice(
        [
            b"-1\r\nx\r\n",
            b"0x3\r\nabc\r\n",
            b"+3\r\nabc\r\n",
            b"3 \r\nabc\r\n",
            b"3\nabc\n0\n\n",
            b"ffffffffffffffff\r\nabc",
            b"f" * 500 + b"\r\nabc",
            b"0" * 2000 + b"3\r\nabc\r\n",
            b"3;" + b"x" * 5000 + b"\r\nabc\r\n",
            b"3;\x00\r\nabc\r\n",
            b"3\r\nabcdef\r\n",
            b"\r\n",
            b"g\r\n",
            b"0\r\n" + b"X-Trailer: y\r\n" * 6000 + b"\r\n",
            b"0\r\nUpload-Offset: 7\r\nContent-Length: 3\r\n\r\n",
            b"0\r\nno colon\r\n: x\r\n\xff\r\n\r\n",
        ]
    )
    good = b"3\r\nabc\r\n" * random.randrange(3)
    method, target = random.choice(
        [(b"PATCH", path(slot)), (b"POST", BASE), (b"DELETE", BASE), (b"PUT", b"/x")]
    )
    lines = [OCTETS, b"Upload-Offset: " + offset(slot), b"Upload-Length: 400"]
    return request(method, target, *lines, CHUNKED, body=good + bad)


def many_headers(random: Random) -> bytes:
    """Send more headers than a server takes, or nearly."""
    count = random.choice([400, 495, 500, 501, 700])
    return request(b"HEAD", path(0), *[b"X-%d: y" % i for i in range(count)])


def long_header(random: Random) -> bytes:
    """Send a header, a method or a target that is longer than any server takes."""
    long = random.choice([b"a", b"%41", b"../", b"\xff", b" "]) * random.choice(
        [1000, 5000, 17_000, 70_000]
    )
    return random.choice(
        [
            sized(b"POST", BASE, b"Upload-Length: 1", b"Upload-Metadata: k " + long),
            sized(b"POST", BASE, b"Upload-Length: " + long),
            sized(b"POST", BASE + long, b"Upload-Length: 1"),
            sized(long, BASE),
            request(b"HEAD", path(0), long + b": x"),
            request(b"HEAD", path(0), b"Cookie: " + long),
            request(b"HEAD", BASE + b"?" + long),
        ]
    )


def bad_head(random: Random) -> bytes:
    """Send a head that is none: NULs, lone line feeds, folded lines, odd versions."""
    line = random.choice(
        [
            b"X: a\x00b",
            b"X: a\rb",
            b"X: a\nb",
            b"X: a\n\nGET / HTTP/1.1",
            b" folded: x",
            b"X: a\r\n b\r\n\tc",
            b"Upload-Length: 1\r\n 0",
            b"no colon",
            b": no name",
            b"Bad Name: x",
            b"B\xe9d: x",
            b"\x00: x",
            b"Upload-Length : 1",
            b"Host: second.example",
            b"Host:",
            b"Upload-Length: 3\r\nUpload-Length: 3",
            b"Tus-Resumable: 1.0.0",
            b"Connection: close, keep-alive\r\nKeep-Alive: x",
            b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA",
            b"Connection: Tus-Resumable",
            b"Cookie: a; =; a=b=c; \xff",
            b"Authorization: Basic " + b"=" * 50,
            b"Content-Type: multipart/form-data; boundary=\xff; charset=\x80",
            b"Accept-Encoding: gzip;q=x",
        ]
    )
    return request(b"POST", BASE, b"Upload-Length: 10", line, b"Content-Length: 0")


def odd_line(random: Random) -> bytes:
    """Send a request line that is none, or nearly one."""
    return random.choice(
        [
            b"\r\n" + request(b"HEAD", path(0)),
            b"\r\n\r\n" + request(b"HEAD", path(0)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"HEAD " + path(0) + b" HTTP/1.0\r\n\r\n",
            b"HEAD " + path(0) + b" HTTP/1.2\r\n\r\n",
            b"HEAD  " + path(0) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"head " + path(0) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"HEAD " + path(0) + b" http/1.1\r\nHost: x\r\n\r\n",
            b"HEAD /files/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"HEAD " + path(0) + b" HTTP/1.1\nHost: x\n\n",
            b"\x00" * 64 + b"\r\n\r\n",
            b"SSH-2.0-x\r\n",
            b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n",
            request(b"TRACE", path(0)),
            request(b"PROPFIND", path(0), b"Depth: infinity"),
            request(b"'\"`", BASE),
        ]
    )


def odd_target(random: Random) -> bytes:
    """Ask for what is not an upload's URL, or is one in a way that nobody writes."""
    method = random.choice([b"HEAD", b"GET", b"PATCH", b"DELETE", b"POST", b"OPTIONS"])
    target = random.choice(TRICKS)
    if random.random() < 0.2:
        target = b"http://" + random.choice([HOSTS[0], b"x"]) + path(FINISHED[0])
    lines = [OCTETS, b"Upload-Offset: 0"]
    return sized(method, target, *lines, body=content(random, 20))


HOSTS = (
    b"other.example:8080",
    b"[2001:db8::1]:8443",
    b"[::1",
    b"a@b",
    b"a/b",
    b"a b",
    b"\xff",
    b"a" * 300,
    b"x:99999",
    b"",
)

FORWARDED = (
    b'Forwarded: for=1.2.3.4;host="up.example:8443";proto=https',
    b"Forwarded: for=" + b"x" * 2000,
    b'Forwarded: host="a\\"b";proto=javascript',
    b"Forwarded: host=a,host=b;;;=",
    b'Forwarded: host="unended',
    b"X-Forwarded-Host: evil.example/../x",
    b"X-Forwarded-Host: a, b",
    b"X-Forwarded-Proto: gopher",
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: up.example",
    b"X-Forwarded-Prefix: /../",
    b"X-Forwarded-For: " + b"1.1.1.1, " * 500,
    b"X-Request-ID: \xff\x1b[31m" + b"i" * 500,
    b"Origin: null",
    b"Origin: https://a\r\nOrigin: https://b",
    b"Origin: " + b"o" * 3000,
    b"Origin: \xff",
)


def forwarded(random: Random) -> bytes:
    """Say things about the way that a request came."""
    lines = random.sample(FORWARDED, random.randint(1, 3))
    made = sized(b"POST", BASE, b"Upload-Length: 5", *lines)
    if random.random() < 0.4:
        made = made.replace(b"fuzz.example", random.choice(HOSTS), 1)
    return made


NUMBERS = (
    b"-1",
    b"+5",
    b"0x10",
    b"1e3",
    b"1_0",
    b"5.0",
    b"\xd9\xa3",
    b"",
    b"5, 5",
    b"007",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 100,
    b"9" * 5000,
    b"0" * 5000,
    b" 5",
    b"NaN",
)


def odd_number(random: Random) -> bytes:
    """Send a number that is none, or a large one."""
    slot = any_slot(random)
    number = random.choice(NUMBERS)
    return random.choice(
        [
            sized(b"POST", BASE, b"Upload-Length: " + number),
            sized(b"POST", BASE, b"Upload-Defer-Length: " + number),
            sized(b"PATCH", path(slot), OCTETS, b"Upload-Offset: " + number, body=b"x"),
            request(b"POST", BASE, b"Upload-Length: 5", b"Content-Length: " + number),
            request(
                b"PATCH",
                path(slot),
                OCTETS,
                b"Upload-Offset: " + offset(slot),
                b"Content-Length: " + number,
                body=b"abc",
            ),
        ]
    )


ATTACKS: tuple[tuple[int, Request], ...] = (
    (5, two_framings),
    (5, bad_chunks),
    (1, many_headers),
    (3, long_header),
    (5, bad_head),
    (4, odd_line),
    (6, odd_target),
    (4, forwarded),
    (5, odd_number),
)
"""What no client sends, and how often each."""
