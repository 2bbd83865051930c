"""
Which requests stream: predicates that look at the request line and the headers.

They run for every request of a site, before any routing, and so they are cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from twisted.web.http_headers import Headers

Wants: TypeAlias = Callable[[bytes, bytes, Headers], bool]
"""Takes method, URI (with the query) and headers; true if the body shall stream."""

_BODY_METHODS = frozenset([b"POST", b"PATCH", b"PUT"])


def speaks_tus(method: bytes, uri: bytes, headers: Headers) -> bool:
    """
    Tell whether this is an upload request of tus, or one that carries upload bytes.

    ``X-HTTP-Method-Override`` counts as well as the method (tus 1.0.0, Headers).
    """
    overrides = headers.getRawHeaders(b"X-HTTP-Method-Override", [])
    if _BODY_METHODS.isdisjoint([method, *(o.strip().upper() for o in overrides)]):
        return False
    if headers.hasHeader(b"Tus-Resumable"):
        return True
    types = headers.getRawHeaders(b"Content-Type", [])
    return any(
        value.partition(b";")[0].strip().lower() == b"application/offset+octet-stream"
        for value in types
    )


def everything(method: bytes, uri: bytes, headers: Headers) -> bool:
    """Want every request: for a site that serves nothing but uploads."""
    return True


def under(path: bytes | str) -> Wants:
    """
    Make a predicate for every request to ``path`` or below it, whatever its method.

    :param path: such as ``/files/tus``; compared segment by segment, decoded.
    """
    prefix = _segments(path.encode() if isinstance(path, str) else path)
    while prefix and not prefix[-1]:
        prefix.pop()

    def is_under(method: bytes, uri: bytes, headers: Headers) -> bool:
        return _segments(uri.partition(b"?")[0])[: len(prefix)] == prefix

    return is_under


def _segments(path: bytes) -> list[bytes]:
    segments = path.split(b"/")
    # Twisted decodes after splitting, too: an encoded slash parts nothing.
    return [unquote_to_bytes(s) for s in segments] if b"%" in path else segments
