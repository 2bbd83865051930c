"""What went over a line, read only as far as to see where each request ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BufferedReader

from attrs import define, field

PIECE = 65536

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(?:[^\r]+\r\n)*\r\n")


@define(eq=False)
class Seen:
    """
    A request; header names are in lower case.

    :param answers: all that the server said on this connection.
    :param place: how many requests came before it there.
    :param sent: bytes of its body, without framing, that the client sent.
    """

    method: str
    target: str
    headers: dict[str, str]
    answers: bytearray
    place: int
    sent: int = 0
    trailers: dict[str, str] = field(factory=dict)

    @property
    def statuses(self) -> list[int]:
        """The interim answers, and the final one."""
        place, found = 0, list[int]()
        for match in ANSWER.finditer(self.answers):
            status = int(match[1])
            if place == self.place:
                found.append(status)
            if status >= 200:
                place += 1
        return found

    @property
    def status(self) -> int | None:
        """The final answer; none if the connection broke before."""
        return next((status for status in self.statuses if status >= 200), None)

    @property
    def offset(self) -> int:
        """What its ``Upload-Offset`` says."""
        return int(self.headers["upload-offset"])


@define(eq=False)
class Line:
    """
    What one client sends on one connection.

    :param send: takes heads and framing.
    :param send_body: takes the bytes of bodies.
    """

    _client: BufferedReader
    _send: Callable[[bytes], None]
    _send_body: Callable[[bytes], None]
    _answers: bytearray
    _place: int = 0

    def requests(self) -> Iterator[Seen]:
        """Tell each request at its head; its body is sent on before the next."""
        while line := self._line():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            headers = self._fields()
            seen = Seen(method, target, headers, self._answers, self._place)
            self._place += 1
            yield seen
            if headers.get("transfer-encoding") == "chunked":
                self._chunks(seen)
            else:
                self._body(seen, int(headers.get("content-length", 0)))

    def _chunks(self, seen: Seen) -> None:
        while line := self._line():
            size = int(line.partition(b";")[0], 16)
            if not size:
                seen.trailers.update(self._fields())
                return
            self._body(seen, size)
            self._line()

    def _body(self, seen: Seen, size: int) -> None:
        while size and (piece := self._client.read1(min(size, PIECE))):
            seen.sent += len(piece)
            size -= len(piece)
            self._send_body(piece)

    def _line(self) -> bytes:
        line = self._client.readline()
        self._send(line)
        return line

    def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := self._line().strip():
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return fields
