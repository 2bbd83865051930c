"""
What can be done with an open file at once, since nothing has to wait for the disk.

The kernel tells what it has in memory, and sends that to a socket by itself.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from twisted.internet.error import ConnectionLost

IS_POSSIBLE: Final = hasattr(os, "sendfile") and hasattr(os, "RWF_NOWAIT")
"""The system can do it: Linux."""

FETCHED_BYTES: Final = 4 * 1024 * 1024
"""How far ahead the disk is told to read: the next pieces come while one is sent."""

_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})
"""The socket takes nothing at this moment."""

_UNABLE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""The file system, or a sandbox, does not do it."""

_LOST: Final = frozenset(
    {
        errno.EPIPE,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPROTO,
    }
)
"""What ``sendfile`` says of a socket; anything else it says of the file."""


class CannotSend(Exception):
    """The kernel does not send this file: read it."""


def read_at_hand(fd: int, offset: int, size_bytes: int) -> bytes | None:
    """
    Read what is in memory.

    :returns: perhaps not all; ``None`` where the disk would have to be waited for, or
        where the file system does not tell (NFS, FUSE and tmpfs do not).
    """
    buffer = bytearray(size_bytes)
    try:
        count = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError:
        return None  # whoever reads it in earnest is told what is wrong
    del buffer[count:]
    return bytes(buffer)


def is_at_hand(fd: int, offset: int, size_bytes: int) -> bool:
    """
    Tell whether bytes are in memory, by the last of them.

    Files are read ahead from their begin, so those before it are hardly missing.
    """
    return bool(read_at_hand(fd, offset + size_bytes - 1, 1))


def fetch(fd: int, offset: int, size_bytes: int, wanted_bytes: int) -> None:
    """
    Bring bytes into memory; waits for the disk.

    :param wanted_bytes: how many from there on will be asked for in the end.
    :raises OSError: they cannot be read, or are not there.
    """
    ahead = max(size_bytes, min(wanted_bytes, FETCHED_BYTES))
    os.posix_fadvise(fd, offset, ahead, os.POSIX_FADV_WILLNEED)
    if not os.pread(fd, 1, offset + size_bytes - 1):
        raise OSError(errno.EIO, "the file was cut off")


def send(fd: int, offset: int, size_bytes: int, socket: int) -> int:
    """
    Send bytes of a file to a socket that does not block.

    :returns: how many it took; 0: none at this moment.
    :raises ConnectionLost: nothing can be sent any more.
    :raises CannotSend: nothing of this file can be sent.
    :raises OSError: the file cannot be read, or ends before.
    """
    try:
        count = os.sendfile(socket, fd, offset, size_bytes)
    except OSError as error:
        if error.errno in _FULL:
            return 0
        if error.errno in _LOST:
            raise ConnectionLost(error.errno) from None
        if error.errno in _UNABLE:
            raise CannotSend from None
        raise
    if not count:
        raise OSError(errno.EIO, "the file was cut off")
    return count


def closes_at_once(fd: int) -> bool:
    """Tell whether to close it frees no blocks, which may take seconds."""
    return os.fstat(fd).st_nlink > 0
