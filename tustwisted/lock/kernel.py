"""
Locks of the kernel on single bytes of a file; they die with their process.

They are open-file-description locks (``fcntl_locking(2)``, Linux 3.15): whoever opened
the file has them, not the thread or the process, so neither a second descriptor that is
closed in this process nor a program that is started by it can give them away.  The
kernel frees them when the descriptor goes, whatever the process died of.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import sys

from attrs import define

_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock``: type, whence, start, length, process id; in the machine's order."""

_UPLOAD_BITS = 62
"""Bytes of uploads are below this power of two, those of names above; ``off_t`` ends
at the next but one."""


def has_byte_locks() -> bool:
    """Tell whether this system has the locks that are meant here."""
    return sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")


def byte_of_upload(upload_id: str) -> int:
    """
    Tell which byte stands for an upload.

    Two uploads may share one, with a chance of one in 2 to the 62nd for each pair:
    then they are locked together.
    """
    return _hash(upload_id)


def byte_of_name(name: str) -> int:
    """Tell which byte stands for a process by the name of its socket."""
    return (1 << _UPLOAD_BITS) + _hash(name)


def _hash(text: str) -> int:
    encoded = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(encoded, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - _UPLOAD_BITS)


@define(eq=False, repr=False)
class ByteLocks:
    """
    A file whose bytes are locked; it stays empty, and it stays behind.

    To unlink it would let two processes each lock a file of the same name.
    """

    _fd: int

    @classmethod
    def open(cls, path: str) -> ByteLocks:
        """
        Open the file, and make it if it is missing.

        :raises OSError: it cannot be made or opened.
        """
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def try_lock(self, byte: int, *, is_shared: bool = False) -> bool:
        """
        Lock a byte, unless somebody else has locked it.

        What was locked here already stays locked.

        :param is_shared: others may have it too, if they share it as well.
        :raises OSError: this file system has no such locks, or no room for more.
        """
        kind = fcntl.F_RDLCK if is_shared else fcntl.F_WRLCK
        try:
            self._call(fcntl.F_OFD_SETLK, kind, byte)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
            return False
        return True

    def unlock(self, byte: int) -> None:
        """Let go of a byte; harmless when it is not locked here."""
        self._call(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, byte)

    def is_locked_elsewhere(self, byte: int) -> bool:
        """Tell whether somebody else has locked a byte, shared or not."""
        told = self._call(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, byte)
        return bool(_FLOCK.unpack(told)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Let go of all bytes at once; nothing may be called afterwards."""
        os.close(self._fd)

    def _call(self, command: int, kind: int, byte: int) -> bytes:
        return fcntl.fcntl(
            self._fd, command, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)
        )
