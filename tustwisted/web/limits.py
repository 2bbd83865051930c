"""How large the head of a request may be."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from attrs.validators import and_, ge, le

if TYPE_CHECKING:
    from twisted.web.http import HTTPChannel

MIN_HEADER_BYTES: Final = 16_384
"""What Twisted allows by itself (T-082)."""

MAX_HEADER_BYTES: Final = 1_048_576
"""Every connection may hold so much before anybody is asked who he is."""


@frozen(kw_only=True)
class HeaderLimits:
    """
    The limits of HTTP/1.1; a request beyond them is 400, and its connection closes.

    HTTP/2 has limits of its own: 65536 bytes.
    """

    size_bytes: int = field(
        default=65_536, validator=and_(ge(MIN_HEADER_BYTES), le(MAX_HEADER_BYTES))
    )
    """
    Request line and headers in all, and any one of these lines.

    Five hundred URLs of 70 characters in one ``Upload-Concat`` need 36 KiB (T-192).
    """

    count: int = field(default=500, validator=ge(1))
    """How many header lines there may be."""

    def set_on(self, channel: HTTPChannel) -> None:
        """Let a connection have these limits from the next line on."""
        channel.totalHeadersSize = self.size_bytes
        channel.maxHeaders = self.count
        channel.MAX_LENGTH = self.size_bytes
        refuse = partial(_refuse_line, channel.transport)
        channel.lineLengthExceeded = refuse  # type: ignore[method-assign]


def _refuse_line(transport: Any, line: bytes) -> None:
    """Answer as Twisted answers headers that are too long in all."""
    transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    transport.loseConnection()
