"""The headers of a request, one value for each line that was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from twisted.web.iweb import IRequest

Sent: TypeAlias = Mapping[bytes, Sequence[bytes]]
"""
The values by the names, however the client spelled these: as Twisted does.

That is with one capital in each word, as in ``X-Http-Method-Override``.
"""


def sent_headers(request: IRequest) -> Sent:
    """
    Take all headers, for who looks at several: each is then found by one call of five.
    """
    return dict(request.requestHeaders.getAllRawHeaders())


def values(request: IRequest, name: bytes) -> Sequence[bytes]:
    """Return the values of a header; none when it was not sent."""
    found: Sequence[bytes] = request.requestHeaders.getRawHeaders(name, ())
    return found
