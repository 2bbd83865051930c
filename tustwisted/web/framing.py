"""
Headers that frame a body, and that Twisted's parser takes although it should not.

*Too many digits.*  A ``Content-Length`` is read by ``int()``, which refuses thousands
of digits with an exception that nobody expects: it comes out where the bytes were read,
or, for a pipelined request, out of the end of the request before.

*Codings that are none.*  ``Transfer-Encoding: identity`` is taken for no coding at all,
also beside a ``Content-Length``: what is behind it could become the next request.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

# A length of more than 600 bytes is refused: Python may read as few as 640 digits.
_BAD = re.compile(
    rb"content-length:.{601}|transfer-encoding:(?![ \t]*chunked[ \t]*\Z)",
    re.IGNORECASE | re.DOTALL,
)

_INITIALS = b"CcTt"
"""Of the names; most headers begin with another letter."""


def watch_framing(channel: Any, refuse: Callable[[Any], None]) -> None:
    """
    Let a connection answer such headers as it answers other bad ones (T-258, T-259).

    :param channel: one of HTTP/1.1, in the middle of the headers of a request.
    :param refuse: lets a channel give that answer.
    """
    # Weak, since a channel that refers to itself stays for the garbage collector.
    channel.headerReceived = partial(_header_received, weakref.ref(channel), refuse)


def is_watched(channel: Any) -> bool:
    """Tell whether that was done; once is enough for all requests of a connection."""
    # Not by vars(): whose attributes were once looked at as a dict, finds them slowly
    # ever after.
    return isinstance(channel.headerReceived, partial)


def _header_received(
    find_channel: Callable[[], Any], refuse: Callable[[Any], None], line: bytes
) -> bool:
    channel = find_channel()
    if line[0] in _INITIALS and _BAD.match(line):
        refuse(channel)
        return False
    is_taken: bool = type(channel).headerReceived(channel, line)
    return is_taken
