"""
What was sent and what came, read independently of the server.

The requests are read to know for how many of them an answer is due: the bytes of a
fuzzer are seldom what they were meant to be.
"""

from __future__ import annotations

import re

from attrs import frozen

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x20-\x7e]*)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:;[^\r\n]*)?")


UNKNOWN = -1
"""Nobody can tell where a body ends."""


@frozen
class Asked:
    """
    One request among the bytes that were sent.

    :ivar is_due: an answer, or the end of the connection, must come without more bytes.
    :ivar body: what came of its body, decoded.
    """

    method: bytes
    target: bytes
    is_due: bool
    body: bytes = b""


def read_requests(sent: bytes) -> list[Asked]:
    """
    Read requests until one is not complete, or cannot be followed by another.

    What is not well-formed is due: the server refuses it, or answers it anyway.
    """
    found: list[Asked] = []
    while sent:
        sent = sent.removeprefix(b"\r\n")
        head, end, rest = sent.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        method, _, after = line.partition(b" ")
        target = after.partition(b" ")[0]
        size, body = _read_body(lines, rest) if end else (None, b"")
        if head or end:
            found.append(Asked(method, target, size is not None, body))
        if size is None or size == UNKNOWN:
            break
        sent = rest[size:]
    return found


def _read_body(lines: list[bytes], rest: bytes) -> tuple[int | None, bytes]:
    """Tell how long a body is on the wire (``None``: more is to come); decode it."""
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", b"\r\n".join(lines)).split(b"\r\n")
    framing = []
    for line in unfolded:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"transfer-encoding"):
            framing.append((name.lower(), value.strip(b" \t")))
    if not framing:
        return 0, b""
    (name, value), *others = framing
    if others or (name == b"content-length" and not value.isdigit()):
        return UNKNOWN, b""
    if name == b"content-length":
        length = int(value) if len(value) < 19 else len(rest) + 1
        return (None if length > len(rest) else length), rest[:length]
    return _read_chunks(rest) if value.lower() == b"chunked" else (UNKNOWN, b"")


def _read_chunks(rest: bytes) -> tuple[int | None, bytes]:
    at, body = 0, b""
    while True:
        line, end, _ = rest[at:].partition(b"\r\n")
        size = _CHUNK_SIZE.fullmatch(line)
        if not end:
            return None, body
        if size is None:
            return UNKNOWN, body
        at += len(line) + 2
        length = int(size[1], 16)
        if length == 0:
            return _trailer_end(rest, at), body
        body += rest[at : at + length]
        at += length
        if at + 2 > len(rest):
            return None, body
        if rest[at : at + 2] != b"\r\n":
            return UNKNOWN, body
        at += 2


def _trailer_end(rest: bytes, at: int) -> int | None:
    if rest.startswith(b"\r\n", at):
        return at + 2
    end = rest.find(b"\r\n\r\n", at)
    return None if end < 0 else end + 4


class Garbled(Exception):
    """What came is no response."""


@frozen
class Answer:
    """One response, with the request that it answers, if it is known."""

    asked: Asked | None
    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def __getitem__(self, name: bytes) -> bytes | None:
        """The value of a header, given in lower case."""
        values = [value for key, value in self.fields if key.lower() == name]
        if len(values) > 1 and name != b"vary":
            raise Garbled(f"{name!r} is there {len(values)} times")
        return values[0] if values else None

    @property
    def is_raw(self) -> bool:
        """Twisted's parser has written it: there was no request."""
        return self.status == 400 and not self.fields


def read_answers(
    came: bytes, asked: list[Asked], closed: bool
) -> tuple[list[Answer], bytes]:
    """
    Read responses.

    :param closed: nothing more will come.
    :returns: the whole ones, and what is there of the next one.
    :raises Garbled: it is none.
    """
    found: list[Answer] = []
    waiting = list(asked)
    while came:
        head, end, rest = came.partition(b"\r\n\r\n")
        if not end:
            break
        status, fields = _read_head(head)
        one = (waiting.pop(0) if waiting else None) if status >= 200 else None
        answer = Answer(one, status, fields, b"")
        size = _answer_size(answer, rest, closed)
        if size is None or size > len(rest):
            break
        found.append(Answer(one, status, fields, rest[:size]))
        came = rest[size:]
    return found, came


def _read_head(head: bytes) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    status_line, *lines = head.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(status_line)
    if status is None:
        raise Garbled(f"this is no status line: {status_line[:200]!r}")
    fields = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Garbled(f"this is no header: {line[:200]!r}")
        fields.append((field[1], field[2]))
    return int(status[1]), tuple(fields)


def _answer_size(answer: Answer, rest: bytes, closed: bool) -> int | None:
    if answer.status < 200 or answer.status in (204, 304) or answer.is_raw:
        return 0
    if answer.asked is not None and answer.asked.method == b"HEAD":
        return 0
    length = answer[b"content-length"]
    if answer[b"transfer-encoding"] is not None:
        raise Garbled("an answer of unknown length")
    if length is not None:
        return int(length)
    return len(rest) if closed else None
