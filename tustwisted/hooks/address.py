"""
The URL of a hook, as a user writes it.

Pure: options are read with it.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit, urlunsplit

from attrs import field, frozen

_VISIBLE = re.compile(r"[\x21-\x7e]+")

_LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""Twisted looks up nothing else, such as names with an underscore."""

_NAME_DIGITS = 12


@frozen
class HookURL:
    """Where a hook is called; ``str()`` and ``repr()`` show no secret."""

    name: str
    """Different for different URLs, and nothing of them is seen in it."""

    shown: str
    """The URL without user, password and query, which may hold secrets."""

    target: bytes = field(repr=False)
    """The URL without user and password."""

    authorization: str | None = field(default=None, repr=False)
    """``Authorization`` for that user and password."""

    def __str__(self) -> str:
        return self.shown


def parse_hook_url(text: str) -> HookURL:
    """
    Read a URL.

    :raises ValueError: a sentence that never shows ``text``: it may hold a secret.
    """
    if _VISIBLE.fullmatch(text) is None:
        raise ValueError("must be a URL in ASCII: write other characters as %XX")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("its host or port makes no sense") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must be a URL that begins with http:// or https://")
    if not parts.hostname:
        raise ValueError("the host is missing: write http://host/path")
    _require_known(parts.hostname)
    if port == 0:
        raise ValueError("the port must be a number from 1 to 65535")
    if "#" in text:
        raise ValueError("a # is not sent: omit it, or write it %23")
    place = parts.netloc.rpartition("@")[2]
    return HookURL(
        "http-" + hashlib.sha256(text.encode("ascii")).hexdigest()[:_NAME_DIGITS],
        urlunsplit((parts.scheme, place, parts.path, "", "")),
        urlunsplit((parts.scheme, place, parts.path or "/", parts.query, "")).encode(),
        _authorization(parts),
    )


def _require_known(host: str) -> None:
    try:
        if ":" in host:
            ipaddress.IPv6Address(host)
            return
        host.encode("ascii").decode("idna")
        labels = host.removesuffix(".").split(".")
    except ValueError:
        labels = [""]
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            "the host must be a name of letters, digits, - and ., or an IP address"
        )


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    password = unquote_to_bytes(parts.password or "")
    pair = unquote_to_bytes(parts.username) + b":" + password
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
