"""The headers of a request, one value for each line that was sent."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.iweb import IRequest


def values(request: IRequest, name: bytes) -> Sequence[bytes]:
    """Return the values of a header; none when it was not sent."""
    found: Sequence[bytes] = request.requestHeaders.getRawHeaders(name, ())
    return found
