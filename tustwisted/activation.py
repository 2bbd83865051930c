"""
Sockets that systemd opened: whether the one that ``--port systemd:...`` means is there.

Twisted adopts them.  When it cannot, it says an IndexError, a KeyError, or nothing.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Any, Final

from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString

_SYSTEMD: Final = re.compile(r"^(?:haproxy:)?systemd\\?:(.*)$")

_FAMILIES: Final = {
    "INET": socket.AF_INET,
    "INET6": socket.AF_INET6,
    "UNIX": socket.AF_UNIX,
}


def check_activation(reactor: Any, port: str) -> None:
    """
    Check that a port that systemd should have opened can be served.

    :param port: an endpoint description; one that asks for no such port is fine.
    :raises ValueError: it cannot; the message says what to change.
    """
    asked = _SYSTEMD.match(port)
    if asked is None:
        return
    description = f"systemd:{asked[1]}"
    words = dict(word.partition("=")[::2] for word in asked[1].split(":"))
    if words.get("domain") not in _FAMILIES:
        raise ValueError("domain= must be INET, INET6 or UNIX")
    try:
        endpoint = serverFromString(reactor, description)
    except (LookupError, ValueError):
        raise ValueError(_missing(reactor, words.get("name"))) from None
    assert isinstance(endpoint, AdoptedStreamServerEndpoint)
    _check_socket(endpoint.fileno, words["domain"])


def _missing(reactor: Any, name: str | None) -> str:
    """Say why there is no such socket."""
    if name is None:
        return "must have the name= that the socket unit gives by FileDescriptorName="
    try:
        serverFromString(reactor, "systemd:domain=INET:index=0")
    except LookupError:
        return _none(name)
    return (
        f"systemd gave no socket of that name: write FileDescriptorName={name} in its "
        "socket unit, without which the name is that of the unit, with .socket"
    )


def _none(name: str) -> str:
    """Say why there is no socket at all."""
    meant = os.environ.get("LISTEN_PID")  # Twisted takes it away when it is for us
    if meant is not None:
        return (
            f"systemd opened sockets for process {meant}, and this is {os.getpid()}: "
            "start twistd without a program before it, or let that end in exec"
        )
    return (
        "systemd gave no socket with a name: start the socket unit, which has "
        f"FileDescriptorName={name}, or use systemd-socket-activate --fdname={name}"
    )


def _check_socket(fd: int, domain: str) -> None:
    with socket.socket(fileno=os.dup(fd)) as given:
        family, kind = given.family, given.type
        listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if kind != socket.SOCK_STREAM or not listens:
        raise ValueError(
            "systemd gave a socket that does not listen for connections: write "
            "ListenStream= and Accept=no in its socket unit"
        )
    if family != _FAMILIES[domain]:
        real = family.name.removeprefix("AF_")
        raise ValueError(f"the socket that systemd gave is {real}: write domain={real}")
