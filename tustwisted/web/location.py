"""The URL that a new upload is told."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from twisted.web.server import Request

# What RFC 3986 allows for a host that needs no decoding, and an optional port (T-251);
# labels as long as DNS has them, which Klein wants to be able to encode.
_LABEL = rb"[A-Za-z0-9_~-]{1,63}"
_HOST = re.compile(
    rb"(?:%b(?:\.%b)*\.?|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?" % (_LABEL, _LABEL)
)

_DEFAULT_PORT = {b"http": b":80", b"https": b":443"}


def is_host(value: bytes) -> bool:
    """
    Tell whether ``Host`` has a value that can be worked with; an empty one can.

    Spec: RFC 9112, section 3.2; row T-255.
    """
    return value == b"" or _names_host(value)


def _names_host(value: bytes) -> bool:
    match = _HOST.fullmatch(value)
    if match is None or match[1] is None:
        return match is not None
    try:
        IPv6Address(match[1].decode("ascii"))
    except AddressValueError:
        return False
    return True


def location(request: Request, upload_id: str, relative: bool) -> bytes:
    """
    Make the ``Location`` of an upload from the request that created it.

    :param relative: give only the path.
    :returns: an absolute URL with the host as the client sees it, or a path where the
        request names no usable host.

    Spec: tus 1.0.0, Creation; rows T-053, T-243, T-252, T-254.
    """
    path = request.path.rstrip(b"/") + b"/" + upload_id.encode("ascii")
    hosts = request.requestHeaders.getRawHeaders(b"Host", [])
    if relative or len(hosts) != 1 or not _names_host(hosts[0]):
        return path
    scheme = b"https" if request.isSecure() else b"http"
    return scheme + b"://" + hosts[0].removesuffix(_DEFAULT_PORT[scheme]) + path
