"""
CORS: which pages of other origins a browser lets use the uploads.

Spec: Fetch standard, CORS protocol; rows T-193 to T-204.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import ge

from tustwisted.errors import OriginNotAllowed
from tustwisted.protocol.cors import (
    ANY_ORIGIN,
    is_below,
    parse_field_name,
    parse_origin,
)
from tustwisted.web.values import values

if TYPE_CHECKING:
    from twisted.web.server import Request

# Also what is switched off: a page can read a 405, but not why a preflight failed.
_ALLOW_METHODS = b"POST, HEAD, PATCH, OPTIONS, GET, DELETE"

_ALLOW_HEADERS = (
    *("Authorization", "Origin", "X-Requested-With", "X-Request-ID"),
    *("X-HTTP-Method-Override", "Content-Type", "Content-Disposition"),
    *("Upload-Length", "Upload-Offset", "Tus-Resumable", "Upload-Metadata"),
    *("Upload-Defer-Length", "Upload-Concat", "Upload-Checksum", "Upload-Incomplete"),
    *("Upload-Complete", "Upload-Draft-Interop-Version", "Content-Digest"),
    *("Repr-Digest", "Want-Repr-Digest"),
)

_EXPOSE_HEADERS = (
    *("Upload-Offset", "Location", "Upload-Length", "Tus-Version", "Tus-Resumable"),
    *("Tus-Max-Size", "Tus-Extension", "Tus-Checksum-Algorithm", "Upload-Metadata"),
    *("Upload-Defer-Length", "Upload-Concat", "Upload-Expires", "Upload-Incomplete"),
    *("Upload-Complete", "Upload-Limit", "Upload-Draft-Interop-Version"),
    *("Repr-Digest", "Retry-After"),
)

_WRITTEN_ORIGIN = re.compile(rb"[!-~]+")


def _parsed_origins(origins: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(parse_origin, origins))


def _parsed_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(parse_field_name, names))


@frozen(slots=False)
class CorsPolicy:
    """
    Which pages may use the uploads, and what they may send and see.

    :raises ValueError: an origin or a header name is none.
    """

    origins: tuple[str, ...] = field(
        default=(ANY_ORIGIN,), converter=_parsed_origins, kw_only=True
    )
    """As :func:`tustwisted.protocol.cors.parse_origin` takes them; ``*`` means all."""

    credentials: bool = field(default=False, kw_only=True)
    """
    Browsers may send cookies and the like, and show the answers.

    With all origins allowed, any page on the web then acts in its visitor's name.
    """

    allow_headers: tuple[str, ...] = field(
        default=(), converter=_parsed_names, kw_only=True
    )
    """What pages may send beside the headers of the protocol."""

    expose_headers: tuple[str, ...] = field(
        default=(), converter=_parsed_names, kw_only=True
    )
    """What pages may read beside the headers of the protocol."""

    max_age_s: int = field(default=86400, kw_only=True, validator=ge(0))
    """How long a browser may remember the answer to a preflight."""

    def allows(self, origin: bytes) -> bool:
        """
        Tell whether pages of an origin may use the uploads.

        :param origin: as the browser wrote it.
        """
        if _WRITTEN_ORIGIN.fullmatch(origin) is None or origin == b"*":
            return False
        if ANY_ORIGIN in self.origins:
            return True
        name = origin.decode("ascii").lower()
        return name in self.origins or any(
            is_below(name, pattern) for pattern in self.origins
        )

    @cached_property
    def allow_headers_value(self) -> bytes:
        """The value of ``Access-Control-Allow-Headers`` (T-199)."""
        return ", ".join((*_ALLOW_HEADERS, *self.allow_headers)).encode("ascii")

    @cached_property
    def expose_headers_value(self) -> bytes:
        """The value of ``Access-Control-Expose-Headers`` (T-201)."""
        return ", ".join((*_EXPOSE_HEADERS, *self.expose_headers)).encode("ascii")


def is_preflight(request: Request) -> bool:
    """Tell whether a browser asks, before it sends what a page wants to send."""
    return (
        request.method == b"OPTIONS"
        and _origin(request) != b""
        and request.requestHeaders.hasHeader(b"Access-Control-Request-Method")
    )


def mark_answer(request: Request, policy: CorsPolicy) -> None:
    """
    Set the headers that let a page see the answer, if its origin is allowed.

    Rows T-193 to T-202.
    """
    headers = request.responseHeaders
    headers.addRawHeader(b"Vary", b"Origin")  # without an origin, too (T-194)
    origin = _origin(request)
    if not origin or not policy.allows(origin):
        return
    headers.setRawHeaders(b"Access-Control-Allow-Origin", [origin])
    if policy.credentials:
        headers.setRawHeaders(b"Access-Control-Allow-Credentials", [b"true"])
    if is_preflight(request):
        allow_headers, max_age = policy.allow_headers_value, b"%d" % policy.max_age_s
        headers.setRawHeaders(b"Access-Control-Allow-Methods", [_ALLOW_METHODS])
        headers.setRawHeaders(b"Access-Control-Allow-Headers", [allow_headers])
        headers.setRawHeaders(b"Access-Control-Max-Age", [max_age])
    else:
        expose_headers = policy.expose_headers_value
        headers.setRawHeaders(b"Access-Control-Expose-Headers", [expose_headers])


def check_origin(request: Request, policy: CorsPolicy) -> None:
    """
    Refuse a page whose origin is not allowed.

    :raises OriginNotAllowed: it is not, or is no origin, or there are several.

    Row T-196.
    """
    origin = _origin(request)
    if origin and not policy.allows(origin):
        raise OriginNotAllowed


def _origin(request: Request) -> bytes:
    """Take what was sent; several lines make what is no origin."""
    return b", ".join(values(request, b"Origin"))
