"""How sizes, times, ports and paths are written, wherever something is configured."""

from __future__ import annotations

import re

from tustwisted.protocol.headers import MAX_BYTES

_SIZE = re.compile(r"([0-9]{1,19})(|KiB|MiB|GiB|TiB)", re.ASCII)
_SIZE_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(|s|m|h|d)", re.ASCII)
_TIME_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)

_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

_HOST = re.compile(r"[A-Za-z0-9.:%_-]+", re.ASCII)

_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)


def parse_size(text: str) -> int:
    """
    Read a size such as ``1048576``, ``64KiB`` or ``10GiB``.

    :returns: bytes, 1 to 2^63-1.
    :raises ValueError: it is none; the message says what is.
    """
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _SIZE_UNITS[match[2]] if match else 0
    if not 0 < size <= MAX_BYTES:
        raise ValueError("must be a size in bytes, KiB, MiB, GiB or TiB, such as 10GiB")
    return size


def parse_time(text: str) -> float:
    """
    Read a span of time such as ``20``, ``1.5s``, ``10m``, ``24h`` or ``7d``.

    :returns: seconds, more than 0.
    :raises ValueError: it is none; the message says what is.
    """
    match = _TIME.fullmatch(text)
    seconds = float(match[1]) * _TIME_UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise ValueError("must be a time in s, m, h or d, such as 60s")
    return seconds


def parse_mode(text: str) -> int:
    """
    Read file permissions in octal, such as ``664``.

    :raises ValueError: they are none; the message says what is.
    """
    if _MODE.fullmatch(text) is None:
        raise ValueError("must be permissions in octal, such as 664")
    return int(text, 8)


def parse_base_path(text: str) -> str:
    """
    Read the path of the creation URL, such as ``/files/``.

    :returns: the path with one slash at its end.
    :raises ValueError: it is none; the message says what is.
    """
    if _BASE_PATH.fullmatch(text) is None or "/." in text or not text:
        raise ValueError("must be a path such as /files/")
    return text.rstrip("/") + "/"


def parse_host(text: str) -> str:
    """
    Read the interface to listen on: an address, or a name of this machine.

    :raises ValueError: it is none; the message says what is.
    """
    if _HOST.fullmatch(text) is None:
        raise ValueError("must be an address such as 127.0.0.1, or 0.0.0.0 for all")
    return text


def parse_port(text: str) -> str:
    """
    Read where to listen: a port's number, or any endpoint description.

    :raises ValueError: the number is no port; the message says what is.
    """
    if text.isascii() and text.isdigit() and int(text) > 65535:
        raise ValueError("must be a port from 0 to 65535 or an endpoint description")
    if not text:
        raise ValueError("must be a port or an endpoint description")
    return text


def describe_port(text: str, host: str) -> str:
    """
    Describe the endpoint that a port's number, or an endpoint description, means.

    :param host: the interface that a number alone means.
    """
    if not text.isascii() or not text.isdigit():
        return text
    return f"tcp:{int(text)}:interface={host.replace(':', chr(92) + ':')}"


def parse_switch(text: str) -> bool:
    """
    Read what is on or off.

    :raises ValueError: it is neither; the message says how to write it.
    """
    if text.lower() not in _SWITCHES:
        raise ValueError("must be true or false")
    return _SWITCHES[text.lower()]
