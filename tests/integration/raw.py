"""A tus client without a library, which can do what no good client does."""

from __future__ import annotations

import re
import socket
import struct
from typing import IO

from attrs import frozen

LIMIT_S = 30.0
"""Longer than anything here takes: who waits longer fails the test."""

PATCH = (
    "PATCH {path} HTTP/1.1\r\nHost: {host}\r\nTus-Resumable: 1.0.0\r\n"
    "Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
)


@frozen
class Response:
    """One answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """
    One connection; every call blocks, for ``LIMIT_S`` at the most.

    :param address: host and port, or the path of a Unix socket.
    """

    def __init__(self, address: tuple[str, int] | str) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.host = "localhost"
        else:
            is_six = ":" in address[0]
            self.socket = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET)
            name = f"[{address[0]}]" if is_six else address[0]
            self.host = f"{name}:{address[1]}"
        self.socket.settimeout(LIMIT_S)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._seen = b""

    # -- whole requests ----------------------------------------------------------------

    def create(self, base_path: str, length: int) -> str:
        """Create an upload and return its path."""
        response = self.post(base_path, length)
        if response.status != 201:
            raise AssertionError(f"an upload was not created: {response}")
        return re.sub("^https?://[^/]+", "", response.headers["location"])

    def post(self, base_path: str, length: int) -> Response:
        """Ask for an upload."""
        return self.request("POST", base_path, f"Upload-Length: {length}")

    def head(self, path: str) -> int:
        """Ask for an upload's offset."""
        response = self.request("HEAD", path)
        if response.status != 200:
            raise AssertionError(f"HEAD failed: {response}")
        return int(response.headers["upload-offset"])

    def patch(self, path: str, offset: int, body: bytes) -> Response:
        """Send bytes in one request."""
        self.begin_patch(path, offset, len(body))
        self.send(body)
        return self.response(LIMIT_S)

    def request(self, method: str, path: str, *headers: str) -> Response:
        """Make a request that has no body."""
        self.begin(method, path, *headers)
        return self.response(LIMIT_S, has_body=method != "HEAD")

    # -- parts of them -----------------------------------------------------------------

    def begin(self, method: str, path: str, *headers: str) -> None:
        """Send a request that has no body."""
        lines = (f"Host: {self.host}", "Tus-Resumable: 1.0.0", "Content-Length: 0")
        top = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, *headers])
        self.send(f"{top}\r\n\r\n".encode())

    def begin_patch(
        self,
        path: str,
        offset: int,
        length: int | None,
        *headers: str,
        start: bytes = b"",
    ) -> None:
        """
        Send the headers of a PATCH, whose body is chunked if it has no length.

        :param start: of the body; sent in one go with the headers.
        """
        top = PATCH.format(path=path, host=self.host, offset=offset)
        framing = "Transfer-Encoding: chunked"
        if length is not None:
            framing = f"Content-Length: {length}"
        head = (top + "\r\n".join([framing, *headers]) + "\r\n\r\n").encode()
        self.send(head + start)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Send a part of a file without reading it into this process."""
        self.socket.sendfile(file, offset, count)

    def send_chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; an empty one ends it."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def response(self, limit_s: float = LIMIT_S, has_body: bool = True) -> Response:
        """Read one answer, or an interim one."""
        self.socket.settimeout(limit_s)
        while b"\r\n\r\n" not in self._seen:
            self._more()
        top, _, self._seen = self._seen.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = self._body(headers) if has_body else b""
        return Response(int(status.split()[1]), headers, body)

    def at_end(self, limit_s: float = LIMIT_S) -> bool:
        """Whether the server has closed the connection, and said nothing before."""
        self.socket.settimeout(limit_s)
        try:
            return not self._seen and not self.socket.recv(1)
        except ConnectionResetError:
            return True

    # -- the end -----------------------------------------------------------------------

    def close(self) -> None:
        """Close: a FIN, unless something came that was not read."""
        self.socket.close()

    def reset(self) -> None:
        """Close with an RST; what this side's kernel still holds is dropped."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _body(self, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" not in headers:
            return self._exactly(int(headers.get("content-length", 0)))
        body = b""
        while piece := self._chunk():
            body += piece
        return body

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._seen:
            self._more()
        size, _, self._seen = self._seen.partition(b"\r\n")
        return self._exactly(int(size, 16) + 2)[:-2]

    def _exactly(self, size: int) -> bytes:
        while len(self._seen) < size:
            self._more()
        piece, self._seen = self._seen[:size], self._seen[size:]
        return piece

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._seen += data
