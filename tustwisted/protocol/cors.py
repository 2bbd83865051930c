"""
Which origins and header names a CORS policy can be made of.

Spec: Fetch standard, CORS protocol; RFC 6454, section 6.2 (how origins are written).
"""

from __future__ import annotations

import re

ANY_ORIGIN = "*"

_NAMES = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_ORIGIN = re.compile(
    rf"([a-z][a-z0-9+.-]*)://(?:(?:\*\.)?{_NAMES}|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?"
)
_SUBDOMAINS = re.compile(_NAMES)
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def parse_origin(text: str) -> str:
    """
    Read an origin whose pages may use the server.

    :param text: such as ``https://app.example``, ``https://*.app.example`` for every
        domain below that one, ``null``, or ``*`` for all origins.
    :returns: as browsers write it: in lower case, without the scheme's own port.
    :raises ValueError: it is none; the message says what is.
    """
    origin = text.lower()
    if origin in (ANY_ORIGIN, "null"):
        return origin
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise ValueError(
            "must be an origin such as https://app.example or https://*.app.example, "
            "without a path"
        )
    if match[2] is not None and match[2] == _DEFAULT_PORT.get(match[1]):
        origin = origin.removesuffix(match[2])
    return origin


def parse_field_name(text: str) -> str:
    """
    Read the name of a header.

    :raises ValueError: it is none; the message says what is.
    """
    if _FIELD_NAME.fullmatch(text) is None:
        raise ValueError("must be the name of a header, such as X-Request-ID")
    return text


def is_below(origin: str, pattern: str) -> bool:
    """
    Tell whether an origin is one of those that a pattern with ``*.`` means.

    :param origin: in lower case.
    :param pattern: as :func:`parse_origin` gives it.
    """
    scheme, star, domain = pattern.partition("*")
    if not star or not (origin.startswith(scheme) and origin.endswith(domain)):
        return False
    # What stands for the star must be names alone, or https://evil.example/ would do.
    subdomains = origin[len(scheme) : -len(domain)]
    return _SUBDOMAINS.fullmatch(subdomains) is not None
