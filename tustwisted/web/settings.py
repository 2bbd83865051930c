"""How one mount of the uploads behaves on the wire."""

from __future__ import annotations

from attrs import field, frozen
from attrs.converters import optional

from tustwisted.protocol.hosts import parse_public_url
from tustwisted.web.cors import CorsPolicy


@frozen
class WebSettings:
    """What a :class:`tustwisted.web.resource.TusResource` may be told."""

    relative_location: bool = False
    """Tell new uploads' URLs without scheme and host (T-053)."""

    behind_proxy: bool = False
    """
    Believe ``Forwarded`` and ``X-Forwarded-*``, which anybody can send.

    Only for a server that is reached by no other way than a proxy that sets them.
    """

    public_url: str | None = field(default=None, converter=optional(parse_public_url))
    """
    The creation URL as clients know it, whatever a request says (T-253).

    Such as ``https://example.com/files/``; new uploads' URLs begin with it.
    """

    cors: CorsPolicy | None = field(factory=CorsPolicy)
    """Which pages of other origins may use it; None says nothing of that (T-204)."""

    downloads: bool = True
    """Serve finished uploads to GET, where the store can read them (T-219)."""
