"""
Requests of every kind, most of them valid: what the mutations start from.

Uploads are named by placeholders as long as what is put in their place when a case is
sent, so a case is the same bytes for the same seed, whatever ids the server makes.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from random import Random

BASE = b"/files/"
HOST = b"fuzz.example"

SLOTS = 16
"""How many uploads are there to be attacked."""

DEFERRED = (4, 5)
"""Slots whose length is not told."""

FINISHED = (6, 7, 8)
"""Slots that hold all their bytes."""

PARTIAL = (9, 10, 11)
"""Slots that are finished parts of others."""

FINAL = (12, 13)
"""Slots that are put together from parts."""

Request = Callable[[Random], bytes]


def upload(slot: int) -> bytes:
    """Stand for the id of an upload: 32 bytes."""
    return b"uploaduploaduploaduploadupload%02d" % slot


def offset(slot: int) -> bytes:
    """Stand for the offset of an upload: 19 bytes, as a number with leading zeros."""
    return b"offsetoffsetoffse%02d" % slot


def path(slot: int) -> bytes:
    """Stand for the path of an upload."""
    return BASE + upload(slot)


def request(
    method: bytes, target: bytes, *lines: bytes, body: bytes = b"", tus: bool = True
) -> bytes:
    """Write a request; ``lines`` say how its body is framed."""
    head = [method + b" " + target + b" HTTP/1.1", b"Host: " + HOST]
    head += [b"Tus-Resumable: 1.0.0"] if tus else []
    return b"\r\n".join([*head, *lines, b"", body])


def sized(method: bytes, target: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """Write a request whose body has a length."""
    return request(method, target, *lines, b"Content-Length: %d" % len(body), body=body)


def in_chunks(random: Random, body: bytes, trailer: bytes = b"") -> bytes:
    """Code a body in chunks of any size, some with an extension."""
    coded = b""
    while body:
        size = random.randint(1, len(body))
        extension = random.choice([b"", b"", b";a=b", b' ;x="y z"', b";"])
        coded += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return coded + b"0\r\n" + trailer + b"\r\n"


def any_slot(random: Random) -> int:
    """Choose an upload."""
    return random.randrange(SLOTS)


def content(random: Random, most: int = 400) -> bytes:
    """Make bytes for a body."""
    return random.randbytes(random.randrange(most))


CHUNKED = b"Transfer-Encoding: chunked"
OCTETS = b"Content-Type: application/offset+octet-stream"

METADATA = (
    b"filename d29ybGQudHh0,filetype dGV4dC9wbGFpbg==",
    b"filename " + base64.b64encode(b"../../secret\r\nX-Injected: 1"),
    b"filetype " + base64.b64encode(b"text/html\r\nX-Injected: 1"),
    b"filename " + base64.b64encode(b'/etc/"pass\\wd\0' + "é😀".encode()),
    b"filename " + base64.b64encode(b"\xff\xfe\x00" * 50),
    b"filetype " + base64.b64encode(b"text/plain; charset=\xff"),
    b"is_confidential,name YQ==, other ,x",
    b"a YQ==,a Yg==",
    b"a YQ",
    b" ",
    b"k" * 3000,
)

TRICKS = (
    BASE + b"../secret",
    BASE + b"%2e%2e/secret",
    BASE + b"..%2Fsecret",
    BASE + b"%2e%2e%2fsecret",
    BASE + b"..%5csecret",
    BASE + b"%252e%252e%252fsecret",
    BASE + b"secret%00",
    BASE + b"planted",
    BASE + b"./planted",
    BASE + b"planted.info",
    BASE + b"%70lanted",
    BASE + b".tustwisted.lock",
    BASE + b"%2E%2E/%2E%2E/etc/passwd",
    BASE + b"/etc/passwd",
    BASE + b"%c0%ae%c0%ae/secret",
    BASE + b"%E2%80%A5/secret",
    BASE + b"a/../../secret",
    BASE + b"a" * 4000,
    BASE + b"%",
    BASE + b"%zz",
    BASE + b"?upload=../secret",
    b"/files",
    b"/files//",
    b"//files/",
    b"/./files/",
    b"/%66iles/",
    b"/",
    b"*",
    b"files/",
    b"../secret",
    b"http://" + HOST + BASE,
    b"http://" + HOST + b"/../secret",
    b"http://user@other.example:99999/files/",
    b"https:" + BASE,
    b"http://[::1" + BASE,
    b"other.example:443",
)


# -- what clients send -----------------------------------------------------------------


def options(random: Random) -> bytes:
    """Ask what the server can do, anywhere."""
    return request(b"OPTIONS", random.choice([BASE, b"/files", path(0), b"*", b"/x"]))


def preflight(random: Random) -> bytes:
    """Ask as a browser does before an upload."""
    return request(
        b"OPTIONS",
        random.choice([BASE, path(any_slot(random))]),
        b"Origin: https://page.example",
        b"Access-Control-Request-Method: "
        + random.choice([b"PATCH", b"POST", b"DELETE", b"", b"x y"]),
        b"Access-Control-Request-Headers: tus-resumable, upload-offset",
        tus=False,
    )


def create(random: Random) -> bytes:
    """Create an upload."""
    lines = [b"Upload-Length: %d" % random.choice([0, 1, 400, 2**20, 2**40, 2**62])]
    if random.random() < 0.5:
        lines.append(b"Upload-Metadata: " + random.choice(METADATA))
    if random.random() < 0.2:
        lines.append(b"Upload-Concat: partial")
    return sized(b"POST", random.choice([BASE, b"/files"]), *lines)


def create_deferred(random: Random) -> bytes:
    """Create an upload whose length is told later."""
    value = random.choice([b"1", b"1", b"1", b"0", b"2", b"true", b""])
    return sized(b"POST", BASE, b"Upload-Defer-Length: " + value)


def create_with_upload(random: Random) -> bytes:
    """Create an upload with its first bytes, perhaps with too many."""
    body = content(random)
    length = max(0, len(body) + random.choice([0, 0, 10, 1000, -1]))
    lines = [b"Upload-Length: %d" % length, OCTETS]
    return _with_body(random, b"POST", BASE, lines, body)


def create_with_form(random: Random) -> bytes:
    """Create an upload with a body that means nothing."""
    kind = random.choice([b"text/plain", b"multipart/form-data; boundary=b", b"x"])
    lines = [b"Upload-Length: 10", b"Content-Type: " + kind]
    return _with_body(random, b"POST", BASE, lines, content(random))


def create_final(random: Random) -> bytes:
    """Put an upload together from others."""
    parts = [
        random.choice([b"", b"http://other.example", b"https://[::1]:1"])
        + random.choice([*map(path, PARTIAL), *map(path, PARTIAL), path(0), *TRICKS])
        + random.choice([b"", b"", b"", b"/", b"?a", b"#a"])
        for _ in range(random.choice([0, 1, 2, 2, 2, 3, 40]))
    ]
    head = random.choice([b"final;", b"final;", b"final; ", b"final", b"Final;"])
    lines = [b"Upload-Concat: " + head + b" ".join(parts)]
    if random.random() < 0.2:
        lines.append(random.choice([b"Upload-Length: 600", b"Upload-Defer-Length: 1"]))
    return sized(b"POST", BASE, *lines)


def head(random: Random) -> bytes:
    """Ask for an offset."""
    return request(b"HEAD", path(any_slot(random)), tus=random.random() < 0.8)


RANGES = (
    b"bytes=0-0",
    b"bytes=1-",
    b"bytes=-5",
    b"bytes=-0",
    b"bytes=5-1",
    b"bytes=0-0,2-3",
    b"bytes=999999999999999999999-",
    b"bytes=-99999999999999999999",
    b"bytes=0-18446744073709551616",
    b"bytes=" + b"0-1," * 1000,
    b"bytes=" + b"9" * 5000 + b"-",
    b"bytes=a-b",
    b"bytes=\xb2-\xb3",
    b"lines=1-2",
    b"",
)

CONDITIONS = (
    b"If-None-Match: *",
    b"If-Match: *",
    b'If-Match: "x", W/"y", "',
    b'If-None-Match: "' + b"e" * 2000 + b'"',
    b"If-Modified-Since: Wed, 25 Jun 2014 16:00:00 GMT",
    b"If-Unmodified-Since: Wed, 99 Jun 2014 99:00:00 GMT",
    b"If-Modified-Since: Wed, 25 Jun 99999999 16:00:00 GMT",
    b"If-Range: Thu, 01 Jan 1970 00:00:00 GMT",
    b'If-Range: "x"',
)


def get(random: Random) -> bytes:
    """Download something, perhaps a part, perhaps on a condition."""
    slot = random.choice([*FINISHED, *FINAL, any_slot(random)])
    lines = []
    if random.random() < 0.5:
        lines.append(b"Range: " + random.choice(RANGES))
    if random.random() < 0.4:
        lines.append(random.choice(CONDITIONS))
    return request(b"GET", path(slot), *lines, tus=random.random() < 0.3)


def patch(random: Random) -> bytes:
    """Send bytes, at the right place or at another."""
    slot = any_slot(random)
    where = random.choice([offset(slot)] * 6 + [b"0", b"1", b"9223372036854775807"])
    lines = [OCTETS, b"Upload-Offset: " + where]
    if random.random() < 0.15:
        length = random.choice([b"5000", b"0", offset(slot), b"9223372036854775807"])
        lines.append(b"Upload-Length: " + length)
    return _with_body(random, b"PATCH", path(slot), lines, content(random))


def large_patch(random: Random) -> bytes:
    """Send more bytes than one read takes."""
    slot = random.choice([14, 15])
    body = random.randbytes(64) * random.choice([2_000, 5_000])
    lines = [OCTETS, b"Upload-Offset: " + offset(slot)]
    return _with_body(random, b"PATCH", path(slot), lines, body)


def overridden(random: Random) -> bytes:
    """Ask for one method by another."""
    slot = any_slot(random)
    asked = random.choice(
        [
            *(b"PATCH", b"PATCH", b"patch ", b"HEAD", b"HEAD", b"GET", b"POST"),
            *(b"DELETE", b"OPTIONS", b"", b"\xff", b"PATCH, PATCH", b"CONNECT"),
        ]
    )
    lines = [
        b"X-HTTP-Method-Override: " + asked,
        OCTETS,
        b"Upload-Offset: " + offset(slot),
    ]
    sent = random.choice([b"POST", b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS"])
    return _with_body(random, sent, path(slot), lines, content(random))


def delete(random: Random) -> bytes:
    """Remove an upload."""
    body = random.choice([b"", b"", b"a body"])
    return sized(b"DELETE", path(any_slot(random)), body=body)


def draft(random: Random) -> bytes:
    """Ask by the IETF's draft, or by it and tus at once."""
    slot = any_slot(random)
    lines = [
        b"Upload-Draft-Interop-Version: 6",
        b"Upload-Complete: " + random.choice([b"?0", b"?1", b"1"]),
        b"Upload-Offset: " + offset(slot),
    ]
    method, target = random.choice(
        [(b"POST", BASE), (b"PATCH", path(slot)), (b"PUT", BASE), (b"HEAD", path(slot))]
    )
    body = content(random) if method != b"HEAD" else b""
    lines.append(b"Content-Length: %d" % len(body))
    return request(method, target, *lines, body=body, tus=random.random() < 0.5)


def _with_body(
    random: Random, method: bytes, target: bytes, lines: list[bytes], body: bytes
) -> bytes:
    """Frame a body in one of the ways there are, perhaps with a checksum."""
    lines, trailer = list(lines), b""
    chance = random.random()
    if chance < 0.2:
        lines.append(b"Upload-Checksum: " + checksum(random, body))
    elif chance < 0.4:
        lines.append(b"Trailer: Upload-Checksum")
        trailer = b"Upload-Checksum: " + checksum(random, body) + b"\r\n"
    if random.random() < 0.1:
        lines.append(b"Expect: 100-continue")
    if trailer or random.random() < 0.3:
        coded = in_chunks(random, body, trailer)
        return request(method, target, *lines, CHUNKED, body=coded)
    return sized(method, target, *lines, body=body)


def checksum(random: Random, body: bytes) -> bytes:
    """Write a checksum, mostly the right one."""
    sha1 = base64.b64encode(hashlib.sha1(body).digest())
    crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4))
    wrong = [b"sha1 AAAA", b"sha1", b"sha999 YQ==", b"SHA1 " + sha1, b"sha1 a b", b""]
    return random.choice([b"sha1 " + sha1] * 6 + [b"crc32 " + crc32] * 3 + wrong)


CLIENTS: tuple[tuple[int, Request], ...] = (
    (2, options),
    (2, preflight),
    (5, create),
    (2, create_deferred),
    (7, create_with_upload),
    (2, create_with_form),
    (4, create_final),
    (6, head),
    (8, get),
    (18, patch),
    (1, large_patch),
    (6, overridden),
    (2, delete),
    (3, draft),
)
"""What clients send, and how often each."""
