"""Those settings that say where and how the daemon serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from tustwisted.config.forms import PORT, TIME, Form, number_to
from tustwisted.config.setting import setting, switch
from tustwisted.config.values import (
    describe_port,
    parse_base_path,
    parse_host,
    parse_size,
    parse_time,
)
from tustwisted.protocol.cors import ANY_ORIGIN, parse_field_name, parse_origin
from tustwisted.protocol.hosts import parse_public_url
from tustwisted.web.cors import CorsPolicy
from tustwisted.web.limits import MAX_HEADER_BYTES, MIN_HEADER_BYTES, HeaderLimits
from tustwisted.web.settings import WebSettings
from tustwisted.workers.role import MAX_WORKERS

NO_CORS = "none"

MIN_SHUTDOWN_S = 1.0
"""In less not even a disk that is well has settled everything."""

MAX_SHUTDOWN_S = 3600.0


def _of_daemon(form: Form, meaning: str, default: Any = None, **facts: Any) -> Any:
    return setting(form, meaning, default, of_mount=False, **facts)


def _parse_header_size(text: str) -> int:
    size_bytes = parse_size(text)
    if not MIN_HEADER_BYTES <= size_bytes <= MAX_HEADER_BYTES:
        raise ValueError("must be a size from 16KiB to 1MiB")
    return size_bytes


def _parse_shutdown_timeout(text: str) -> float:
    seconds = parse_time(text)
    if not MIN_SHUTDOWN_S <= seconds <= MAX_SHUTDOWN_S:
        raise ValueError("must be a time from 1s to 1h")
    return seconds


def _parse_origin(text: str) -> str:
    return text if text == NO_CORS else parse_origin(text)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Listening:
    """Where the daemon listens, and with how many processes."""

    port: tuple[str, ...] = _of_daemon(
        PORT,
        "Port or endpoint description.",
        ("1080",),
        short="p",
        is_many=True,
    )
    host: str = _of_daemon(
        Form("HOST", parse_host),
        "Interface for ports that are a number alone.",
        "127.0.0.1",
    )
    workers: int = _of_daemon(
        number_to(MAX_WORKERS), "Serve with so many processes, at most 64.", "1"
    )
    max_connections: int | None = _of_daemon(
        number_to(1_000_000),
        "Serve so many connections at a time, in each process; others wait.",
        otherwise="as many as there are descriptors for",
        example="2000",
        reloads=True,
    )
    admin_port: str | None = _of_daemon(
        PORT,
        "Port or endpoint description where operators ask for health, readiness and "
        "metrics; a number alone is a port of 127.0.0.1.",
        otherwise="none",
        example="1081",
    )
    idle_timeout: float = _of_daemon(
        TIME, "End a request that sends nothing for so long.", "60s", reloads=True
    )
    max_header_size: int = _of_daemon(
        Form("SIZE", _parse_header_size, is_number=True),
        "Refuse requests whose headers have more in all.",
        "64KiB",
        reloads=True,
    )

    shutdown_timeout: float = setting(
        Form("TIME", _parse_shutdown_timeout, is_number=True),
        "Stop within so long: what is under way is settled, and hooks are told what is "
        "due.",
        "10s",
    )

    @property
    def endpoints(self) -> Sequence[str]:
        """Where to listen: endpoint descriptions."""
        return [describe_port(port, self.host) for port in self.port]

    @property
    def admin_endpoint(self) -> str | None:
        """Where operators ask: an endpoint description, if there is one."""
        if self.admin_port is None:
            return None
        return describe_port(self.admin_port, "127.0.0.1")

    @property
    def header_limits(self) -> HeaderLimits:
        """How large the head of a request may be."""
        return HeaderLimits(size_bytes=self.max_header_size)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Addresses:
    """What the URLs of uploads are, and which pages may use them."""

    enabled: bool = switch(
        "Serve uploads where an application mounts them; else it is as if they were "
        "not there.",
        default=True,
        has_flag=False,
    )
    base_path: str = setting(
        Form("PATH", parse_base_path),
        "Path of the creation URL.",
        "/files/",
        short="b",
    )
    public_url: str | None = setting(
        Form("URL", parse_public_url),
        "The creation URL as clients know it, such as https://example.com/files/.",
        otherwise="taken from each request",
        example="https://example.com/files/",
    )
    relative_location: bool = switch("Tell new uploads' URLs without scheme and host.")
    behind_proxy: bool = switch(
        "Believe Forwarded and X-Forwarded-*; only where a proxy sets them."
    )
    downloads: bool = switch(
        "Serve finished uploads to GET.",
        default=True,
        flag_meaning="Serve no uploads to GET.",
    )
    cors_origin: tuple[str, ...] = setting(
        Form("ORIGIN", _parse_origin),
        'Let pages of this origin upload, such as https://app.example; "none" switches '
        "CORS off.",
        otherwise="all origins",
        example="https://app.example",
        is_many=True,
    )
    cors_credentials: bool = switch(
        "Let browsers send cookies of your pages' visitors."
    )
    cors_allow_header: tuple[str, ...] = setting(
        Form("NAME", parse_field_name),
        "Let pages send this header, too.",
        otherwise="those that uploads need",
        example="X-Requested-By",
        is_many=True,
    )
    cors_expose_header: tuple[str, ...] = setting(
        Form("NAME", parse_field_name),
        "Let pages read this header, too.",
        otherwise="those of uploads",
        example="ETag",
        is_many=True,
    )

    @property
    def web(self) -> WebSettings:
        """How the uploads behave on the wire."""
        origins = [origin for origin in self.cors_origin if origin != NO_CORS]
        policy = CorsPolicy(
            origins=origins or [ANY_ORIGIN],
            credentials=self.cors_credentials,
            allow_headers=self.cors_allow_header,
            expose_headers=self.cors_expose_header,
        )
        return WebSettings(
            relative_location=self.relative_location,
            behind_proxy=self.behind_proxy,
            public_url=self.public_url,
            cors=None if NO_CORS in self.cors_origin else policy,
            downloads=self.downloads,
        )
