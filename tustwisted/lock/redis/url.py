"""
Where a Redis is, as a user writes it.

Imports no reactor and no client, so that options can be read with it.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from attrs import field, frozen

PORT = 6379

FORMS = "redis://[user:password@]host[:port][/db], rediss://... or unix:/path[?db=N]"

_LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)

_MAX_PATH_BYTES = 107
"""What a Unix socket's address holds on Linux (unix(7)), its closing zero left out."""


@frozen
class RedisURL:
    """
    Where a Redis is, and who may use it; ``str()`` and ``repr()`` show no password.

    :param host: empty when it is reached by a Unix socket.
    :param path: of that socket; else empty.
    """

    host: str = ""
    port: int = PORT
    path: str = ""
    db: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool = False

    @property
    def address(self) -> str:
        """What is connected to, for people."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}?db={self.db}"
        scheme = "rediss" if self.is_tls else "redis"
        return f"{scheme}://{self.address}/{self.db}"


def parse_redis_url(text: str) -> RedisURL:
    """
    Read an address.

    :param text: see :data:`FORMS`; user and password are percent-encoded.
    :raises ValueError: a sentence that names the fix, and never shows ``text``: there
        may be a password in it.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("the brackets around the host do not match") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(f"it must be {FORMS}")
    if parts.fragment:
        raise ValueError("a # in it must be written %23")
    if parts.scheme == "unix":
        return _parse_unix(parts)
    if parts.query:
        raise ValueError("a ? means nothing here: write %3F, and the database as /db")
    if not parts.hostname:
        raise ValueError(
            "the host is missing: write redis://localhost; in a password / must be "
            "written %2F"
        )
    user, password = _parse_credentials(parts)
    return RedisURL(
        host=_parse_host(parts.hostname),
        port=_parse_port(parts),
        db=_parse_db(parts.path.removeprefix("/") or "0"),
        user=user,
        password=password,
        is_tls=parts.scheme == "rediss",
    )


def _parse_unix(parts: SplitResult) -> RedisURL:
    if parts.hostname:
        raise ValueError(
            "a socket is on this machine: write unix:/path, without a host"
        )
    path = unquote(parts.path)
    if not path.startswith("/"):
        raise ValueError("the socket's path must begin with /: write unix:/path")
    if len(path.encode()) > _MAX_PATH_BYTES or "\0" in path:
        raise ValueError(f"a socket's path has at most {_MAX_PATH_BYTES} bytes, none 0")
    options = parse_qs(parts.query, keep_blank_values=True)
    databases = options.pop("db", ["0"])
    if options or len(databases) != 1:
        raise ValueError("after ? only db=N may stand, once")
    user, password = _parse_credentials(parts)
    db = _parse_db(databases[0])
    return RedisURL(path=path, db=db, user=user, password=password)


def _parse_credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None:
        return None, None
    if not parts.password:
        raise ValueError(
            "the password is missing: write user:password@, or :password@ alone"
        )
    return unquote(parts.username) or None, unquote(parts.password)


def _parse_host(host: str) -> str:
    """Refuse what Twisted would not look up, such as names with an underscore."""
    try:
        if ":" in host:
            ipaddress.ip_address(host)
            return host
        labels = host.encode("idna").decode().removesuffix(".").split(".")
    except ValueError:
        labels = [""]
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            "the host must be a name of letters, digits, - and ., or an IP address"
        )
    return host


def _parse_port(parts: SplitResult) -> int:
    try:
        port = PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(
            "the port must be a number from 1 to 65535; in a password / must be "
            "written %2F"
        )
    return port


def _parse_db(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            "the database must be a number: write /0; in a password / must be "
            "written %2F"
        )
    return int(text)
