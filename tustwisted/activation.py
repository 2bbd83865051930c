"""
Sockets that systemd opened: whether the one that ``--port systemd:...`` means is there.

Twisted adopts them.  When it cannot, it says an IndexError, a KeyError, or nothing.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.logger import Logger

log = Logger()

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
    words = dict(word.partition("=")[::2] for word in asked[1].split(":"))
    if words.get("domain") not in _FAMILIES:
        raise ValueError("domain= must be INET, INET6 or UNIX")
    try:
        fd = _descriptor(reactor, asked[1])
    except (LookupError, ValueError):
        raise ValueError(_missing(reactor, words.get("name"))) from None
    _check_socket(fd, words["domain"])


def warn_of_unused(reactor: Any, ports: Iterable[str]) -> None:
    """
    Say in the log that systemd opened sockets that nobody will serve.

    Whoever connects to one of them would wait for ever.  That is so for a socket unit
    that opens two, since both have its name, and a name means one of them.

    :param ports: all that are served; those of systemd have been checked.
    """
    asked = filter(None, map(_SYSTEMD.match, ports))
    served = {_descriptor(reactor, words[1]) for words in asked}
    unused = sum(fd not in served for fd in _given(reactor))
    if unused:
        log.warn(
            "systemd opened sockets that no --port names, {unused} of them, at which "
            "nobody is answered: write one ListenStream= into each socket unit, with a "
            "FileDescriptorName= of its own, and a --port for each name",
            unused=unused,
        )


def _given(reactor: Any) -> Iterator[int]:
    """Tell the descriptors that systemd gave."""
    for index in count():
        try:
            yield _descriptor(reactor, f"domain=INET:index={index}")
        except LookupError:
            return


def _descriptor(reactor: Any, words: str) -> int:
    """Tell which descriptor is meant; raises what Twisted does if there is none."""
    endpoint = serverFromString(reactor, f"systemd:{words}")
    assert isinstance(endpoint, AdoptedStreamServerEndpoint)
    return int(endpoint.fileno)


def _missing(reactor: Any, name: str | None) -> str:
    """Say why there is no such socket."""
    if name is None:
        return "must have the name= that the socket unit gives by FileDescriptorName="
    if next(_given(reactor), None) is None:
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
