"""Where the checksum of a body stands: before it, or in its trailer."""

from __future__ import annotations

from collections.abc import Collection

from tustwisted.errors import InvalidChecksum
from tustwisted.protocol.checksum import Checksum, TrailingChecksum, parse_checksum
from tustwisted.protocol.extensions import Extension
from tustwisted.web.interfaces import IBody
from tustwisted.web.values import Sent

_HEADER = "Upload-Checksum"


def read_checksum(
    sent: Sent, body: IBody, offered: Collection[Extension]
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
    checksum = parse_checksum(sent.get(b"Upload-Checksum", ()))
    if Extension.CHECKSUM_TRAILER not in offered or not _is_announced(sent):
        return checksum
    if checksum is not None:
        raise InvalidChecksum(_HEADER, "stands in the header and in the trailer")
    if not sent.get(b"Transfer-Encoding"):
        raise InvalidChecksum(_HEADER, "can be in a trailer of a chunked body only")
    return TrailingChecksum(lambda: _read_trailer(body))


def _is_announced(sent: Sent) -> bool:
    if b"Trailer" not in sent:  # as nearly always
        return False
    names = b",".join(sent[b"Trailer"]).lower().split(b",")
    return _HEADER.lower().encode() in [name.strip() for name in names]


def _read_trailer(body: IBody) -> Checksum:
    checksum = parse_checksum(body.trailers.getRawHeaders(_HEADER.encode(), []))
    if checksum is None:
        raise InvalidChecksum(_HEADER, "is not in the trailer that announced it")
    return checksum
