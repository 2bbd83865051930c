"""
What somebody wants to be changed of the answer to a request, checked when it is made.

A value that no answer can have is a :class:`ValueError`, never a broken connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import Attribute, field, frozen

MAX_BODY_BYTES = 1024 * 1024
"""A longer body is no message to a client."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(
    r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
    r"[\x21-\x7e\x80-\xff])?)?"
)

_OF_THE_SERVER = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "trailer",
        "transfer-encoding",
        "tus-resumable",
        "upgrade",
        "upload-offset",
    }
)
"""What would break the connection, or lie about what is stored."""


def _check_status(_: object, __: Attribute[Any], status: int | None) -> None:
    if status is not None and not (type(status) is int and 200 <= status <= 599):
        raise ValueError(f"{status!r} is no status from 200 to 599")


def _check_headers(_: object, __: Attribute[Any], headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OF_THE_SERVER:
            raise ValueError(f"{name} is for the server to set")
        if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
            raise ValueError(f"{name} has a value that no header can have")


def _check_body(_: object, __: Attribute[Any], body: str) -> None:
    if not isinstance(body, str) or len(body.encode("utf-8")) > MAX_BODY_BYTES:
        raise ValueError(f"a body is a text of at most {MAX_BODY_BYTES} bytes")


@frozen
class HttpAnswer:
    """What a hook changes of the answer to a request."""

    status: int | None = field(default=None, validator=_check_status)
    """200 to 599; ``None``: as it would be."""

    headers: Mapping[str, str] = field(factory=dict, validator=_check_headers)
    """Set beside those of the server, or in their place."""

    body: str = field(default="", validator=_check_body)
    """Sent in UTF-8; empty: as it would be."""

    def then(self, later: HttpAnswer) -> HttpAnswer:
        """Return what two hooks together change; the later one has the last word."""
        return HttpAnswer(
            self.status if later.status is None else later.status,
            {**self.headers, **later.headers},
            later.body or self.body,
        )


NO_CHANGE: Final = HttpAnswer()
"""What a hook changes that changes nothing: one for all, which most requests need."""
