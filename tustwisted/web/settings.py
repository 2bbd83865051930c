"""How one mount of the uploads behaves on the wire."""

from __future__ import annotations

from attrs import frozen


@frozen
class WebSettings:
    """What a :class:`tustwisted.web.resource.TusResource` may be told."""

    relative_location: bool = False
    """Tell new uploads' URLs without scheme and host (T-053)."""

    downloads: bool = True
    """Serve finished uploads to GET, where the store can read them (T-219)."""
