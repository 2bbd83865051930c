"""Where the checksum of a body stands: before it, or in its trailer."""

from __future__ import annotations

from collections.abc import Collection

from twisted.web.iweb import IRequest

from tustwisted.errors import InvalidChecksum
from tustwisted.protocol.checksum import Checksum, TrailingChecksum, parse_checksum
from tustwisted.protocol.extensions import Extension
from tustwisted.web.body import IBody
from tustwisted.web.values import values

_HEADER = "Upload-Checksum"


def read_checksum(
    request: IRequest, body: IBody, offered: Collection[Extension]
) -> Checksum | TrailingChecksum | None:
    """
    Read, or get ready to read, the checksum of a body.

    :param offered: the extensions that the client may use; without them nothing is
        looked at (T-147).
    :returns: ``None``: the client says nothing of it.
    :raises InvalidChecksum: it is malformed, or announced where it cannot come.

    Spec: tus 1.0.0, Checksum; rows T-129, T-139 to T-147.
    """
    if Extension.CHECKSUM not in offered:
        return None
    sent = parse_checksum(values(request, _HEADER.encode()))
    if Extension.CHECKSUM_TRAILER not in offered or not _is_announced(request):
        return sent
    if sent is not None:
        raise InvalidChecksum(_HEADER, "stands in the header and in the trailer")
    if not values(request, b"Transfer-Encoding"):
        raise InvalidChecksum(_HEADER, "can be in a trailer of a chunked body only")
    return TrailingChecksum(lambda: _read_trailer(body))


def _is_announced(request: IRequest) -> bool:
    names = b",".join(values(request, b"Trailer")).lower().split(b",")
    return _HEADER.lower().encode() in [name.strip() for name in names]


def _read_trailer(body: IBody) -> Checksum:
    checksum = parse_checksum(body.trailers.getRawHeaders(_HEADER.encode(), []))
    if checksum is None:
        raise InvalidChecksum(_HEADER, "is not in the trailer that announced it")
    return checksum
