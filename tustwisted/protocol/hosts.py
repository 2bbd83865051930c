"""Hosts and URLs that may come to stand in a header of ours."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

# What RFC 3986 allows for a host that needs no decoding, and an optional port (T-251);
# labels as long as DNS has them.
_LABEL = rb"[A-Za-z0-9_~-]{1,63}"
_HOST = re.compile(
    rb"(?:%b(?:\.%b)*\.?|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?" % (_LABEL, _LABEL)
)

_LARGEST_PORT = 65535

_URL = re.compile(r"(https?)://([^/?#]+)((?:/(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*)*)")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)


def is_host(value: bytes) -> bool:
    """
    Tell whether ``Host`` has a value that can be worked with; an empty one can.

    Spec: RFC 9112, section 3.2; row T-255.
    """
    return value == b"" or names_host(value)


@lru_cache(maxsize=16)  # clients of one server name it alike; a value may have 64 KiB
def names_host(value: bytes) -> bool:
    """
    Tell whether a value is a host that may stand in a URL, with or without a port.

    Row T-251.
    """
    match = _HOST.fullmatch(value)
    if match is None or int(match[2] or 0) > _LARGEST_PORT:
        return False
    if match[1] is None:
        return True
    try:
        IPv6Address(match[1].decode("ascii"))
    except AddressValueError:
        return False
    return True


def parse_public_url(text: str) -> str:
    """
    Read the URL by which clients know the creation URL.

    :param text: such as ``https://example.com/files/``.
    :returns: the URL with a slash at its end.
    :raises ValueError: it is none; the message says what is.
    """
    match = _URL.fullmatch(text)
    if (
        match is None
        or not text.isascii()
        or not names_host(match[2].encode("ascii"))
        or "//" in match[3]
        or _DOTS.search(match[3])
    ):
        raise ValueError("must be a URL such as https://example.com/files/")
    return text.removesuffix("/") + "/"
