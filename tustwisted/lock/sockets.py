"""The sockets by which the processes that share a directory reach each other."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import suppress

from attrs import define

SOCKETS_NAME = ".tustwisted.sockets"
"""No upload id begins with a dot, so no upload ever meets this directory."""

NAME = re.compile(r"[0-9a-f]{32}")
"""What a socket is called; whatever else lies there is none of ours."""

_LONGEST_ADDRESS = 107
"""``sun_path`` of ``unix(7)`` without its closing zero, bytes."""


def new_name() -> str:
    """Make up a name that no process ever had."""
    return secrets.token_hex(16)


@define(eq=False, repr=False)
class Sockets:
    """
    The directory where each living process has its socket, open until ``close``.

    A socket is found by its path, so it does not matter in which network or process
    namespace the others are.
    """

    _path: str
    _fd: int

    @classmethod
    def open(cls, directory: str) -> Sockets:
        """
        Open the place in a directory of uploads, and make it if it is missing.

        :raises OSError: it cannot be made or opened.
        """
        path = os.path.join(os.path.abspath(directory), SOCKETS_NAME)
        with suppress(FileExistsError):
            os.mkdir(path, 0o770)
        return cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def names(self) -> list[str]:
        """List the sockets that are there, also those of the dead."""
        return [name for name in os.listdir(self._fd) if NAME.fullmatch(name)]

    def address(self, name: str) -> str:
        """
        Tell where a socket is bound or found; good while this is open.

        A path that is longer than an address may be is shortened by the descriptor.
        """
        path = os.path.join(self._path, name)
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
            return path
        return f"/proc/self/fd/{self._fd}/{name}"

    def connect(self, name: str) -> socket.socket | None:
        """
        Connect to a socket, without waiting for the process behind it.

        The kernel does it at once, or not at all if too many have come before.

        :returns: ``None`` if nobody listens there, or it cannot be done now.
        """
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:  # too many are open
            return None
        connection.setblocking(False)
        try:
            connection.connect(self.address(name))
        except OSError:
            connection.close()
            return None
        return connection

    def bury(self, name: str) -> None:
        """Remove the socket of a process that is dead, if nobody else has."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def close(self) -> None:
        """Let go of the directory; it stays."""
        os.close(self._fd)
