"""How a request is spoiled; each mutation knows nothing of what it gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz.attacks import FORWARDED, HOSTS, NUMBERS
from tests.fuzz.corpus import CHUNKED, CONDITIONS, METADATA, OCTETS, RANGES, TRICKS

Mutation = Callable[[Random, bytes], bytes]

LINES = (
    CHUNKED,
    OCTETS,
    b"Content-Length: 5",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Connection: close",
    b"Tus-Resumable: 0.2.2",
    b"Upload-Defer-Length: 1",
    b"Upload-Length: 5",
    b"Upload-Offset: 0",
    b"Upload-Concat: partial",
    b"Upload-Checksum: sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    b"Trailer: Upload-Checksum",
    b"X-HTTP-Method-Override: DELETE",
    b"X-HTTP-Method-Override: HEAD",
    b"Upload-Draft-Interop-Version: 6",
    b"Upload-Complete: ?1",
    b"Range: bytes=0-1",
    *CONDITIONS,
    *FORWARDED,
)
"""Header lines that mean something where they did not stand."""

TOKENS = (
    *(b"GET", b"HEAD", b"POST", b"PATCH", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"),
    *(b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"1.0.0", b"chunked", b"identity"),
    *(b"..", b"%2e%2e", b"%2F", b"%00", b"\x00", b"\r\n", b"\n", b"\t", b";", b","),
    *("é".encode(), "٣".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xae"),
    *(b"partial", b"final;", b"close", b"keep-alive", b"gzip", b'"', b"=", b":"),
    *NUMBERS[:12],
    *HOSTS[:4],
    *TRICKS[:12],
    *METADATA[:2],
    *RANGES[:6],
)
"""What may stand anywhere, and should not."""

_NUMBER = re.compile(rb"[0-9]+")
_WORD = re.compile(rb"[!-~]+")


def _place(random: Random, sent: bytes) -> int:
    return random.randrange(len(sent) + 1)


def _span(random: Random, sent: bytes) -> tuple[int, int]:
    begin = _place(random, sent)
    return begin, min(len(sent), begin + random.choice([1, 1, 2, 5, 20, 100]))


def flip_bits(random: Random, sent: bytes) -> bytes:
    """Change some bits."""
    spoiled = bytearray(sent)
    for _ in range(random.choice([1, 1, 2, 8])):
        if spoiled:
            spoiled[random.randrange(len(spoiled))] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def insert_bytes(random: Random, sent: bytes) -> bytes:
    """Put bytes in."""
    at = _place(random, sent)
    one = random.choice([b"\x00", b"\r", b"\n", b" ", b"\x7f", b"\xff", b"0", b"%"])
    extra = random.choice([one, one * random.choice([2, 50]), random.randbytes(3)])
    return sent[:at] + extra + sent[at:]


def delete_bytes(random: Random, sent: bytes) -> bytes:
    """Leave bytes out."""
    begin, end = _span(random, sent)
    return sent[:begin] + sent[end:]


def repeat_bytes(random: Random, sent: bytes) -> bytes:
    """Say some bytes again."""
    begin, end = _span(random, sent)
    times = random.choice([2, 3, 30])
    return sent[:begin] + sent[begin:end] * times + sent[end:]


def put_token(random: Random, sent: bytes) -> bytes:
    """Put something that means something in the place of a word."""
    words = [match.span() for match in _WORD.finditer(sent[:2000])]
    begin, end = random.choice(words) if words else (0, 0)
    return sent[:begin] + random.choice(TOKENS) + sent[end:]


def put_number(random: Random, sent: bytes) -> bytes:
    """Put another number in the place of one."""
    numbers = [match.span() for match in _NUMBER.finditer(sent[:2000])]
    begin, end = random.choice(numbers) if numbers else (0, 0)
    return sent[:begin] + random.choice(NUMBERS) + sent[end:]


def put_target(random: Random, sent: bytes) -> bytes:
    """Ask for something else."""
    method, space, rest = sent.partition(b" ")
    _, after, rest = rest.partition(b" ")
    return method + space + random.choice(TRICKS) + after + rest


def _with_lines(
    random: Random, sent: bytes, change: Callable[[list[bytes]], object]
) -> bytes:
    head, end, body = sent.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    change(lines)
    return b"\r\n".join(lines) + end + body


def add_line(random: Random, sent: bytes) -> bytes:
    """Add a header line."""
    line = random.choice(LINES)
    return _with_lines(
        random, sent, lambda lines: lines.insert(random.randint(1, len(lines)), line)
    )


def drop_line(random: Random, sent: bytes) -> bytes:
    """Leave a header line out, or the request line."""
    return _with_lines(
        random, sent, lambda lines: lines.pop(random.randrange(len(lines)))
    )


def double_line(random: Random, sent: bytes) -> bytes:
    """Say a header line, or the request line, again."""

    def change(lines: list[bytes]) -> None:
        lines.insert(random.randint(1, len(lines)), random.choice(lines))

    return _with_lines(random, sent, change)


def mix_lines(random: Random, sent: bytes) -> bytes:
    """Put the lines of the head in another order."""
    return _with_lines(random, sent, random.shuffle)


def bare_feeds(random: Random, sent: bytes) -> bytes:
    """End some lines by a line feed alone, or by a carriage return alone."""
    end = random.choice([b"\n", b"\r", b"\r\r\n"])
    count = random.choice([1, 2, 100])
    return sent.replace(b"\r\n", end, count)


def truncate(random: Random, sent: bytes) -> bytes:
    """Leave the end out."""
    return sent[: _place(random, sent)]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    insert_bytes,
    delete_bytes,
    repeat_bytes,
    put_token,
    put_token,
    put_number,
    put_target,
    add_line,
    add_line,
    add_line,
    drop_line,
    double_line,
    mix_lines,
    bare_feeds,
    truncate,
)


GENTLE: tuple[Mutation, ...] = (
    put_number,
    put_target,
    add_line,
    add_line,
    drop_line,
    double_line,
    mix_lines,
)
"""Those that mostly leave a request that a parser takes."""


def mutate(
    random: Random, sent: bytes, times: int, mutations: Sequence[Mutation]
) -> bytes:
    """Spoil a request some times."""
    for _ in range(times):
        sent = random.choice(mutations)(random, sent)
    return sent


def splice(random: Random, one: bytes, other: bytes) -> bytes:
    """Begin as one request and go on as another."""
    return one[: _place(random, one)] + other[_place(random, other) :]
