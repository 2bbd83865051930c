"""Raw requests as hypothesis makes them: any part valid, nearly valid, or garbage."""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise

from attrs import frozen
from hypothesis import strategies as st

from tests.web.tus_harness import BASE, HOST, in_chunks

SLOTS = 4
"""How many uploads are there from the begin; placeholders name them."""

_OCTETS = b"application/offset+octet-stream"


def upload(slot: int) -> bytes:
    """Stand for the path of an upload that is there."""
    return b"/files/{%d}" % slot


@st.composite
def mutated(draw: st.DrawFn, value: bytes) -> bytes:
    """Spoil a value in one place."""
    at = draw(st.integers(0, len(value)))
    kept = draw(st.integers(0, 3))
    extra = draw(
        st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\x00", b" ", b","])
    )
    return value[:at] + extra + value[at + kept :]


def spoiled(known: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Give what is known, some of it spoiled, and some garbage."""
    return st.one_of(
        known, known, known, known.flatmap(mutated), st.binary(max_size=12)
    )


def values(*usual: bytes) -> st.SearchStrategy[bytes]:
    """Give the values of a header that mean something, right or wrong."""
    return st.sampled_from(usual)


NUMBERS = (
    *(b"0", b"3", b"5", b"9", b"007", b"9223372036854775807"),
    *(b"9223372036854775808", b"-1", b"+3", b"3, 3", b"9" * 5000, b"\xd9\xa3", b"1_0"),
)

_HEADERS: dict[bytes, st.SearchStrategy[bytes]] = {
    b"Tus-Resumable": values(b"1.0.0", b"1.0.0", b"0.2.2", b"1.0.0, 1.0.0"),
    b"Content-Type": values(_OCTETS, _OCTETS, b"text/plain", _OCTETS + b";x=y"),
    b"Upload-Offset": values(*NUMBERS),
    b"Upload-Length": values(*NUMBERS),
    b"Upload-Defer-Length": values(b"1", b"1", b"0", b"true"),
    b"Upload-Metadata": values(b"a YQ==,b", b"a YQ==, c", b"a YQ==,a Yg==", b"a !"),
    b"Upload-Concat": values(
        b"partial",
        b"final;" + upload(2) + b" " + upload(3),
        b"final;http://x" + upload(2),
        b"final;../" + upload(2) + b" /etc/passwd ",
        b"final;",
    ),
    b"Upload-Checksum": values(b"sha1 AAAA", b"sha999 YQ==", b"sha1", b"md5 YQ=="),
    b"Trailer": values(b"Upload-Checksum", b"upload-checksum , x", b"Content-Length"),
    b"X-HTTP-Method-Override": values(
        b"PATCH", b"DELETE", b"HEAD", b"GET", b"patch", b"POST", b"OPTIONS", b""
    ),
    b"Expect": values(b"100-continue", b"200-ok"),
    b"Connection": values(b"close", b"keep-alive", b"upgrade, x"),
    b"Host": values(HOST, b"a@b", b"[::1]:5", b""),
    b"Origin": values(b"https://page.example", b"null", b"x"),
    b"Access-Control-Request-Method": values(b"PATCH", b"x y"),
    b"Forwarded": values(b'for=1;host="a:1";proto=https', b"host=a/b", b'host="'),
    b"X-Forwarded-Host": values(b"a.example", b"a, b", b"a/../b"),
    b"X-Forwarded-Proto": values(b"https", b"javascript"),
    b"Range": values(b"bytes=0-1", b"bytes=-1", b"bytes=9-1", b"bytes=0-0,1-1"),
    b"If-None-Match": values(b"*", b'"x"'),
    b"If-Modified-Since": values(b"Wed, 25 Jun 2014 16:00:00 GMT", b"never"),
    b"Upload-Draft-Interop-Version": values(b"6"),
    b"Upload-Complete": values(b"?0", b"?1"),
    b"X-Request-ID": values(b"r", b"r" * 500),
    b"Cookie": values(b"a=b", b";=;"),
}

_USUAL_METHODS = st.sampled_from(
    [b"PATCH"] * 8 + [b"POST"] * 4 + [b"HEAD", b"HEAD", b"DELETE", b"GET", b"OPTIONS"]
)

_METHODS = st.one_of(
    _USUAL_METHODS,
    st.sampled_from([b"PUT", b"TRACE", b"patch", b"CONNECT"]),
    st.binary(max_size=5),
)

_USUAL_TARGETS = {
    method: st.sampled_from([upload(slot) for slot in (0, 0, 0, 1, 1, 2, 3)])
    for method in (b"PATCH", b"HEAD", b"DELETE", b"GET")
}

_TARGETS = st.one_of(
    _USUAL_TARGETS[b"PATCH"],
    st.sampled_from(
        [
            *(b"/files", b"*", b"/", b"/files/unknown", b"/files/../x", b"/files/?x"),
            *(b"/files/%2e%2e/x", b"/files/%00", b"/files//", b"http://x" + upload(0)),
            *(b"/files/" + b"a" * 300, b"/files/a.info", b"/%66iles/", b"files/"),
            b"x:1",
        ]
    ),
    st.just(upload(0)).flatmap(mutated),
    st.binary(max_size=10),
)


def checksum_of(body: bytes) -> bytes:
    """Write the right checksum of a body."""
    return b"sha1 " + base64.b64encode(hashlib.sha1(body).digest())


@st.composite
def framed(draw: st.DrawFn, body: bytes, careful: bool) -> tuple[list[bytes], bytes]:
    """
    Frame a body: the header lines for it, and how it is sent.

    :param careful: in a way that is right.
    """
    length = b"Content-Length: %d" % len(body)
    chunked = b"Transfer-Encoding: chunked"
    at = draw(st.integers(0, len(body)))
    coded = in_chunks(*filter(None, [body[:at], body[at:]]))
    right = b"Upload-Checksum: " + checksum_of(body)
    announced = b"Trailer: Upload-Checksum"
    end = b"0\r\n\r\n"
    good = [
        ([length], body),
        ([length], body),
        ([length, right], body),
        ([chunked], coded + end),
        ([chunked], coded + end),
        ([chunked, announced], coded + b"0\r\n" + right + b"\r\n\r\n"),
        ([chunked, announced], coded + b"0\r\nUpload-Checksum: md5 YQ==\r\n\r\n"),
        ([chunked], coded.replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\nx:y\r\n\r\n"),
        ([chunked, right], coded + end),
        ([], b""),
    ]
    bad = [
        ([chunked], coded),
        ([chunked, right], coded),
        ([chunked], coded + b"xyz\r\n"),
        ([chunked], b"%x\r\n" % (len(body) + 5) + body + b"\r\n" + end),
        ([chunked], b"-1\r\n" + body),
        ([chunked], b"f" * 400 + b"\r\n" + body),
        ([], body),
        ([b"Content-Length: %d" % (len(body) + 9)], body),
        ([b"Content-Length: %d" % (len(body) + 9), right], body),
        ([b"Content-Length: %d" % (len(body) // 2)], body),
        ([length, chunked], coded + end),
        ([chunked, length], body),
        ([length, length], body),
        ([b"Transfer-Encoding: identity", length], body),
        ([b"Transfer-Encoding: gzip, chunked"], coded),
    ]
    return draw(st.sampled_from(good if careful else bad))


@frozen
class Raw:
    """One request: ``{0}`` stands for the id of upload 0, and so on."""

    wire: bytes


@st.composite
def requests(draw: st.DrawFn, marker: int) -> Raw:
    """
    Make a request.

    :param marker: what its body begins with, so that one can tell whose bytes are
        stored.
    """
    careful = draw(st.integers(0, 3)) > 0
    size = draw(st.integers(0, 9))
    body = (b"%c" % (ord("A") + marker) + b"%c" % (ord("a") + marker) * size)[:size]
    method = draw(_USUAL_METHODS if careful else _METHODS)
    target = draw(_USUAL_TARGETS.get(method, st.just(BASE)) if careful else _TARGETS)
    lines = [b"Host: " + HOST, b"Tus-Resumable: 1.0.0"]
    if method == b"PATCH" or draw(st.booleans()):
        offset = draw(st.sampled_from([b"5", b"5", b"5", b"6", b"9", b"0"]))
        lines += [b"Content-Type: " + _OCTETS, b"Upload-Offset: " + offset]
    if method == b"POST":
        length = b"Upload-Length: " + draw(st.sampled_from([b"0", b"5", b"9"]))
        lines.append(draw(st.sampled_from([length, length, b"Upload-Defer-Length: 1"])))
    elif draw(st.integers(0, 3)) == 0:
        lines.append(b"Upload-Length: " + draw(st.sampled_from([b"5", b"7", b"9"])))
    framing, sent = draw(framed(body, careful or draw(st.booleans())))
    lines += framing
    names = st.lists(st.sampled_from(list(_HEADERS)), max_size=1 if careful else 4)
    for name in draw(names):
        value = draw(_HEADERS[name] if careful else spoiled(_HEADERS[name]))
        lines.insert(draw(st.integers(0, len(lines))), name + b": " + value)
    version = b"HTTP/1.1"
    if not careful and draw(st.booleans()):
        lines.pop(draw(st.integers(0, len(lines) - 1)))
        version = draw(st.sampled_from([b"HTTP/1.0", b"HTTP/2.0", version]))
    head = b"\r\n".join([b" ".join([method, target, version]), *lines, b"", b""])
    if not careful and draw(st.booleans()):
        head = draw(mutated(head))
    return Raw(head + sent)


class Do:
    """The kinds of steps that are no bytes."""

    DISK = "the disk does the call that waits longest"
    LEAVE = "the client leaves"
    TURN = "the reactor turns"
    WAIT = "half a minute passes"


Step = tuple[int, bytes | str]
"""Of a connection: bytes that it sends, or something to do."""


@st.composite
def conversations(draw: st.DrawFn, most: int) -> list[Step]:
    """Let some connections send requests, cut and mixed in any way."""
    queues: list[list[bytes]] = []
    for connection in range(draw(st.integers(1, most))):
        wire = b"".join(
            draw(requests(3 * connection + number)).wire
            for number in range(draw(st.integers(1, 3)))
        )
        cuts = draw(st.lists(st.integers(0, len(wire)), max_size=4))
        places = [0, *sorted(cuts), len(wire)]
        queues.append([wire[a:b] for a, b in pairwise(places) if a < b])
    others = [Do.DISK, Do.DISK, Do.TURN, Do.TURN, Do.LEAVE, Do.WAIT]
    steps: list[Step] = []
    while any(queues):
        which = draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        steps.append((which, queues[which].pop(0)))
        if draw(st.integers(0, 3)) == 0:
            steps.append((which, draw(st.sampled_from(others))))
    return steps
