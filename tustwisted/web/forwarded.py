"""
What a reverse proxy tells of the URL that its client has asked for.

To be believed only where a proxy sets these headers itself: anybody can send them.
"""

from __future__ import annotations

import re

from attrs import frozen
from twisted.web.http_headers import Headers

from tustwisted.protocol.hosts import names_host

# One pair, or none, and what ends it.  Blanks around a semicolon and colons outside of
# quotes break RFC 7239, but proxies write them.
_PAIR = re.compile(
    rb"""
    [ \t]*+
    (?: ([!#$%&'*+.^_`|~0-9A-Za-z-]+) =
        ("(?:[^"\\]|\\.)*+" | [^\x00-\x20\x7f-\xff",;\\]*+)
        [ \t]*+
    )?
    (;|,|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLIENT = re.compile(rb"[0-9A-Za-z._:\[\]-]{1,64}")

_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_SCHEMES = (b"http", b"https")


@frozen
class Told:
    """What is known; None where nothing usable was said."""

    scheme: bytes | None
    """``http`` or ``https``."""

    host: bytes | None
    """A host that may stand in a URL, with or without a port."""


def told_by_proxy(headers: Headers) -> Told:
    """
    Read ``Forwarded``, and where it says nothing usable ``X-Forwarded-*``.

    Of a list the first element counts: the proxy that is nearest to the client.

    Spec: RFC 7239; rows T-244 to T-251.
    """
    element = first_element(_joined(headers, b"Forwarded"))
    schemes = (element.get(b"proto"), _first(headers, b"X-Forwarded-Proto"))
    hosts = (element.get(b"host"), _first(headers, b"X-Forwarded-Host"))
    names = (scheme.lower() for scheme in schemes if scheme is not None)
    return Told(
        scheme=next((name for name in names if name in _SCHEMES), None),
        host=next((host for host in hosts if host and names_host(host)), None),
    )


def client_told(headers: Headers) -> str | None:
    """
    Read who the client of the proxy is; ``None``: it says nothing that is an address.

    Spec: RFC 7239, section 5.2, where it may also be ``unknown`` or a made-up name.
    """
    element = first_element(_joined(headers, b"Forwarded"))
    for told in (element.get(b"for"), _first(headers, b"X-Forwarded-For")):
        if told is not None and _CLIENT.fullmatch(told):
            return told.decode("ascii")
    return None


def first_element(value: bytes) -> dict[bytes, bytes]:
    """
    Take the first element of ``Forwarded`` apart.

    :returns: the values, without quotes and escapes, by the parameters' names in lower
        case; nothing if the element is malformed, or names a parameter twice.

    Spec: RFC 7239, section 4.
    """
    found: dict[bytes, bytes] = {}
    position = 0
    while True:
        match = _PAIR.match(value, position)
        if match is None:
            return {}
        name, text, end = match.groups()
        if name is not None:
            if name.lower() in found:
                return {}
            found[name.lower()] = _unquoted(text)
        if end == b"" or (end == b"," and found):
            return found
        position = match.end()


def _unquoted(text: bytes) -> bytes:
    if not text.startswith(b'"'):
        return text
    return _ESCAPED.sub(rb"\1", text[1:-1])


def _first(headers: Headers, name: bytes) -> bytes | None:
    """Take the first element of a plain list; an empty one is none."""
    elements = (e.strip(b" \t") for e in _joined(headers, name).split(b","))
    return next(filter(None, elements), None)


def _joined(headers: Headers, name: bytes) -> bytes:
    return b",".join(headers.getRawHeaders(name, []))
