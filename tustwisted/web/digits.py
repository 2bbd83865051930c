"""
A ``Content-Length`` of more digits than Python reads.

Twisted reads it by ``int()``, which refuses thousands of digits with an exception that
nobody expects: it comes out where the bytes were read, or, for a pipelined request, out
of the end of the request before.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

_MOST_BYTES = 600
"""A longer line is refused; Python reads 4300 digits, or as few as 640 if told so."""


def refuse_long_lengths(channel: Any) -> None:
    """
    Let a connection answer them as it answers any bad length (T-258).

    :param channel: one of HTTP/1.1, in the middle of the headers of a request.
    """
    if "headerReceived" not in vars(channel):
        # Weak, since a channel that refers to itself stays for the garbage collector.
        channel.headerReceived = partial(_header_received, weakref.ref(channel))


def _header_received(find_channel: Callable[[], Any], line: bytes) -> bool:
    channel = find_channel()
    if len(line) > _MOST_BYTES and line[:15].lower() == b"content-length:":
        channel._respondToBadRequestAndDisconnect()
        return False
    return bool(type(channel).headerReceived(channel, line))
