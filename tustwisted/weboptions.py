"""Those options of ``twistd tus`` that say how uploads are served over HTTP."""

from __future__ import annotations

from twisted.python import usage

from tustwisted.config import parse_size
from tustwisted.options import tried
from tustwisted.protocol.cors import ANY_ORIGIN, parse_field_name, parse_origin
from tustwisted.protocol.hosts import parse_public_url
from tustwisted.web.cors import CorsPolicy
from tustwisted.web.limits import (
    MAX_HEADER_BYTES,
    MIN_HEADER_BYTES,
    HeaderLimits,
)
from tustwisted.web.settings import WebSettings

NO_CORS = "none"


class WebOptions(usage.Options):
    """
    Read before the others, into ``self["web"]`` and ``self["header-limits"]``.

    These are a :class:`~tustwisted.web.settings.WebSettings` and a
    :class:`~tustwisted.web.limits.HeaderLimits`.
    """

    optParameters = [  # noqa: RUF012 - usage.Options wants lists on the class
        [
            "public-url",
            None,
            None,
            "The creation URL as clients know it, such as https://example.com/files/; "
            "by default it is taken from each request.",
        ],
        [
            "max-header-size",
            None,
            "64KiB",
            "Refuse requests whose headers have more in all.",
        ],
    ]

    optFlags = [  # noqa: RUF012
        [
            "behind-proxy",
            None,
            "Believe Forwarded and X-Forwarded-*; only where a proxy sets them.",
        ],
        ["no-downloads", None, "Serve no uploads to GET."],
        ["relative-location", None, "Tell new uploads' URLs without scheme and host."],
        [
            "cors-credentials",
            None,
            "Let browsers send cookies of your pages' visitors.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self._cors_origins: list[str] = []
        self._cors_allow_headers: list[str] = []
        self._cors_expose_headers: list[str] = []

    def opt_cors_origin(self, origin: str) -> None:
        """
        Let pages of this origin upload, such as https://app.example; may be repeated;
        "none" switches CORS off. [default: all origins]
        """
        self._cors_origins.append(origin)

    def opt_cors_allow_header(self, name: str) -> None:
        """Let pages send this header, too; may be repeated."""
        self._cors_allow_headers.append(name)

    def opt_cors_expose_header(self, name: str) -> None:
        """Let pages read this header, too; may be repeated."""
        self._cors_expose_headers.append(name)

    def postOptions(self) -> None:
        """
        Read these options.

        :raises UsageError: a value cannot be used.
        """
        super().postOptions()
        self["web"] = self._web_settings()
        size_bytes = tried(
            "max-header-size", self["max-header-size"], _parse_header_size
        )
        self["header-limits"] = HeaderLimits(size_bytes=size_bytes)

    def _web_settings(self) -> WebSettings:
        public_url = self["public-url"]
        if public_url is not None:
            if self["relative-location"]:
                raise usage.UsageError(
                    "--relative-location: must not come with --public-url"
                )
            public_url = tried("public-url", public_url, parse_public_url)
        return WebSettings(
            relative_location=bool(self["relative-location"]),
            behind_proxy=bool(self["behind-proxy"]),
            public_url=public_url,
            cors=self._cors_policy(),
            downloads=not self["no-downloads"],
        )

    def _cors_policy(self) -> CorsPolicy | None:
        if self["cors-credentials"] and not self._cors_origins:
            # Any page on the web could act in its visitor's name: not by oversight.
            raise usage.UsageError(
                "--cors-credentials: must come with --cors-origin and the origins that "
                "may, or * for any page on the web"
            )
        origins = self._cors_origins or [ANY_ORIGIN]
        for alone in (ANY_ORIGIN, NO_CORS):
            if alone in origins and len(origins) > 1:
                raise usage.UsageError(f"--cors-origin {alone}: must be the only one")
        policy = CorsPolicy(
            origins=[
                tried("cors-origin", origin, parse_origin)
                for origin in origins
                if origin != NO_CORS
            ],
            credentials=bool(self["cors-credentials"]),
            allow_headers=[
                tried("cors-allow-header", name, parse_field_name)
                for name in self._cors_allow_headers
            ],
            expose_headers=[
                tried("cors-expose-header", name, parse_field_name)
                for name in self._cors_expose_headers
            ],
        )
        return None if origins == [NO_CORS] else policy


def _parse_header_size(text: str) -> int:
    size_bytes = parse_size(text)
    if not MIN_HEADER_BYTES <= size_bytes <= MAX_HEADER_BYTES:
        raise ValueError("must be a size from 16KiB to 1MiB")
    return size_bytes
