"""
Request targets that are whole URLs, as a client sends them to a proxy.

A server must take them as well; Twisted would look for a path of that name.
"""

from __future__ import annotations

import re

from twisted.web.http_headers import Headers

from tustwisted.protocol.hosts import is_host

_ABSOLUTE = re.compile(rb"https?://([^/?]*)/?(.*)", re.IGNORECASE | re.DOTALL)


def origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """
    Take the path out of a request target.

    :returns: path and query, and the host if the target names one.

    Spec: RFC 9112, section 3.2.2.
    """
    match = None if target.startswith(b"/") else _ABSOLUTE.fullmatch(target)
    if match is None:
        return target, None
    return b"/" + match[2], match[1]


def adopt_host(headers: Headers, host: bytes) -> None:
    """
    Let the host of the target stand for that of ``Host``, if that one is no error.

    A ``Host`` that is missing, bad or there twice stays to be refused (T-255).

    Spec: RFC 9112, section 3.2.2.
    """
    hosts = headers.getRawHeaders(b"Host", [])
    if len(hosts) == 1 and is_host(hosts[0]):
        headers.setRawHeaders(b"Host", [host])
