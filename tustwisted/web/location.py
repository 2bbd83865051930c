"""The URL that a new upload is told."""

from __future__ import annotations

from twisted.web.server import Request

from tustwisted.protocol.hosts import names_host
from tustwisted.web.forwarded import told_by_proxy
from tustwisted.web.settings import WebSettings
from tustwisted.web.values import values

_DEFAULT_PORT = {b"http": b":80", b"https": b":443"}


def location(request: Request, upload_id: str, settings: WebSettings) -> bytes:
    """
    Make the ``Location`` of an upload from the request that created it.

    :param settings: say how much of the request is believed.
    :returns: an absolute URL with the host as the client sees it, or a path where the
        request names no usable host.

    Spec: tus 1.0.0, Creation; rows T-053, T-243 to T-256.
    """
    name = upload_id.encode("ascii")
    if settings.public_url is not None:
        return settings.public_url.encode("ascii") + name
    path = request.path.rstrip(b"/") + b"/" + name
    scheme, host = _origin_of(request, settings.behind_proxy)
    if settings.relative_location or host is None:
        return path
    host = host.removesuffix(b":").removesuffix(_DEFAULT_PORT[scheme])
    return scheme + b"://" + host + path


def _origin_of(request: Request, behind_proxy: bool) -> tuple[bytes, bytes | None]:
    """Tell scheme and host of the URL that the client has asked for."""
    scheme = b"https" if request.isSecure() else b"http"
    hosts = values(request, b"Host")
    host = hosts[0] if len(hosts) == 1 and names_host(hosts[0]) else None
    if not behind_proxy:
        return scheme, host
    told = told_by_proxy(request.requestHeaders)
    return told.scheme or scheme, told.host or host
