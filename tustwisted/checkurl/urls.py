"""Parts of URLs, compared."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


def parse_url(text: str) -> str:
    """
    Read the URL of a server.

    :raises ValueError: it cannot be asked; the message says why, without its password.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("is no URL") from error
    if parts.scheme not in _PORTS or not parts.hostname or not text.isascii():
        raise ValueError("must begin with http:// or https://, and be all ASCII")
    if parts.username is not None:
        raise ValueError(
            "has a name or a password: give these by --header "
            "'Authorization: Basic ...'"
        )
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("has blanks in it")
    return urlunsplit(parts._replace(fragment="", path=parts.path or "/"))


def origin_of(url: str) -> tuple[str, str, int]:
    """
    Tell scheme, host and port.

    :raises ValueError: the port is no number.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return parts.scheme, (parts.hostname or "").lower(), port


def resolved(url: str, location: str) -> str | None:
    """
    Tell what a ``Location`` means.

    :returns: a URL; ``None`` if it is none.
    """
    try:
        return parse_url(urljoin(url, location))
    except ValueError:
        return None


def moved_to(url: str, location: str) -> str:
    """Tell the URL that has the path of one URL, and the rest of another."""
    home, there = urlsplit(url), urlsplit(location)
    return _put(home, there.path, there.query)


def below(url: str, location: str) -> str:
    """Tell the URL below one that has the last segment of another's path."""
    home, there = urlsplit(url), urlsplit(location)
    name = there.path.rstrip("/").rpartition("/")[2]
    return _put(home, f"{home.path.rstrip('/')}/{name}", there.query)


def is_below(url: str, location: str) -> bool:
    """Whether a path lies below another one."""
    base = f"{urlsplit(url).path.rstrip('/')}/"
    path = urlsplit(location).path
    return path.startswith(base) and path != base


def _put(parts: SplitResult, path: str, query: str) -> str:
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))
