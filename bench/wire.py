"""HTTP as a benchmark speaks it: prebuilt requests, raw sockets, checked answers."""

from __future__ import annotations

import re
import socket
from types import TracebackType

from attrs import frozen

LIMIT_S = 60.0
"""A server that says nothing for so long has failed."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *(?:https?://[^/\r]+)?(/[^\r]+)", re.IGNORECASE)
_OFFSET = re.compile(rb"\r\nupload-offset: *(\d+)", re.IGNORECASE)


class WrongAnswer(Exception):
    """A server did not answer as it must."""


@frozen
class Answer:
    """An answer; its body is not kept."""

    status: int
    head: bytes
    """From the status line to the empty line, both included."""

    @property
    def location(self) -> str:
        """The path of the upload that was created."""
        found = _LOCATION.search(self.head)
        if found is None:
            raise WrongAnswer(f"there is no Location in {self.head!r}")
        return found[1].decode()

    @property
    def offset(self) -> int:
        """``Upload-Offset``; -1 without one."""
        found = _OFFSET.search(self.head)
        return -1 if found is None else int(found[1])

    @property
    def length(self) -> int:
        """``Content-Length``; 0 without one."""
        found = _LENGTH.search(self.head)
        return 0 if found is None else int(found[1])


def parse_answer(received: bytes, has_body: bool = True) -> Answer | None:
    """
    Read one answer; ``None`` while something of it is missing.

    :param has_body: whether a body may follow; not after ``HEAD``.
    """
    end = received.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    found = Answer(int(received[9:12]), received[:end])
    if not has_body or found.status == 204:
        return found
    if _CHUNKED.search(found.head):
        return (
            found if received.endswith(b"0\r\n\r\n") and len(received) > end else None
        )
    return found if len(received) >= end + found.length else None


def answer(client: socket.socket) -> bytes:
    """Read one answer's headers."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError("the server left")
        received += piece
    return received


@frozen
class Site:
    """Where a server serves uploads, and the requests that it is sent."""

    port: int
    path: str = "/files/"

    def create(self, length: int, body: bytes | None = None) -> bytes:
        """A ``POST``, with all of the content or with none."""
        head = (
            f"Upload-Length: {length}\r\n"
            "Upload-Metadata: filename aGVsbG8udHh0,filetype dGV4dC9wbGFpbg==\r\n"
        )
        if body is not None:
            head += "Content-Type: application/offset+octet-stream\r\n"
        head += f"Content-Length: {len(body or b'')}\r\n"
        return self._head("POST", self.path, head) + (body or b"")

    def patch(self, path: str, offset: int, length: int) -> bytes:
        """A ``PATCH`` without its body."""
        return self._head(
            "PATCH",
            path,
            f"Upload-Offset: {offset}\r\n"
            "Content-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {length}\r\n",
        )

    def head(self, path: str) -> bytes:
        """A ``HEAD``."""
        return self._head("HEAD", path)

    def get(self, path: str) -> bytes:
        """A ``GET``."""
        return self._head("GET", path)

    def _head(self, method: str, path: str, fields: str = "") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Tus-Resumable: 1.0.0\r\n{fields}\r\n"
        ).encode()


class Connection:
    """A kept-alive connection: one request at a time."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.socket = socket.create_connection(("127.0.0.1", site.port), LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; what was sent still arrives."""
        self.socket.close()

    def ask(self, request: bytes, status: int) -> Answer:
        """
        Send a request and wait for its answer.

        :raises WrongAnswer: the answer has another status.
        """
        self.socket.sendall(request)
        return self.expect(request, status)

    def expect(self, request: bytes, status: int) -> Answer:
        """Wait for the answer to a request that was sent."""
        found = self.answer(not request.startswith(b"HEAD"))
        if found.status != status:
            line = request.partition(b"\r\n")[0].decode()
            raise WrongAnswer(f"{line} was answered with {found.status}, not {status}")
        return found

    def answer(self, has_body: bool = True) -> Answer:
        """Read one answer."""
        received = b""
        while (found := parse_answer(received, has_body)) is None:
            piece = self.socket.recv(65536)
            if not piece:
                raise WrongAnswer("the server left instead of answering")
            received += piece
        return found
