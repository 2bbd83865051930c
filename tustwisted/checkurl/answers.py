"""An answer of HTTP, as judges want to look at it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from attrs import frozen

SAID_CHARACTERS = 120
"""As much of a body is told."""

_TITLE = re.compile(r"(?i)<title>([^<]*)</title>")
_OFFSET = re.compile(r"[0-9]{1,18}")


@frozen
class Answer:
    """What came back for one request."""

    method: str
    url: str
    status: int
    headers: Sequence[tuple[str, str]] = ()
    """As they came; a name may be there more than once."""

    body: bytes = b""
    took_s: float = 0.0
    version: str = "1.1"

    def values(self, name: str) -> list[str]:
        """Find the values of a header."""
        return [v.strip() for k, v in self.headers if k.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """Find the first value of a header."""
        return next(iter(self.values(name)), None)

    def words(self, name: str) -> set[str]:
        """Find the elements of a header that is a list, in lower case."""
        elements = ",".join(self.values(name)).lower().split(",")
        return {element.strip() for element in elements} - {""}

    @property
    def offset(self) -> int | None:
        """Its ``Upload-Offset``; ``None`` if there is none that is one."""
        value = self.value("Upload-Offset") or ""
        return int(value) if _OFFSET.fullmatch(value) else None

    @property
    def is_good(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether it sends the client elsewhere."""
        return self.status in (301, 302, 303, 307, 308)

    @property
    def is_from_tus(self) -> bool:
        """Whether a tus server says that it is its own answer."""
        return bool(self.values("Tus-Resumable"))

    @property
    def told(self) -> str:
        """Tell what was asked, what came back, and by what program."""
        try:
            phrase = f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            phrase = ""
        told = f"{self.method} is answered by {self.status}{phrase}"
        server = self.value("Server")
        if server is not None and not self.is_from_tus:
            told += f" (Server: {printable(server)})"
        return told

    @property
    def said(self) -> str:
        """Tell the first line of its body, or the title of a page."""
        text = self.body.decode("utf-8", "replace").strip()
        title = _TITLE.search(text)
        line = title[1].strip() if title else text.partition("\n")[0]
        return "" if line.startswith("<") else printable(line)


def printable(text: str) -> str:
    """Make what somebody else wrote fit for a terminal."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    if len(shown) > SAID_CHARACTERS:
        return f"{shown[:SAID_CHARACTERS]}..."
    return shown
