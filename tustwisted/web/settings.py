"""How one mount of the uploads behaves on the wire."""

from __future__ import annotations

from attrs import field, frozen

from tustwisted.web.cors import CorsPolicy


@frozen
class WebSettings:
    """What a :class:`tustwisted.web.resource.TusResource` may be told."""

    relative_location: bool = False
    """Tell new uploads' URLs without scheme and host (T-053)."""

    cors: CorsPolicy | None = field(factory=CorsPolicy)
    """Which pages of other origins may use it; None says nothing of that (T-204)."""
