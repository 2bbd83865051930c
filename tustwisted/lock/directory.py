"""A kernel lock on an upload directory: it dies with its process, whatever happens."""

from __future__ import annotations

import fcntl
import os

from attrs import define

from tustwisted.errors import DirectoryInUse, StoreUnusable

LOCK_NAME = ".tustwisted.lock"
"""No upload id begins with a dot, so no upload ever meets this file."""


@define(eq=False)
class DirectoryLock:
    """
    Keeps a second process out of a directory (T-240, T-242).

    The file stays behind when it is released: to unlink it would let two processes
    each lock a file of the same name.
    """

    _directory: str
    _fd: int | None = None

    def take(self) -> None:
        """
        Hold the directory, and make it if it is missing: not every store uses it.

        :raises DirectoryInUse: another process holds it.
        :raises StoreUnusable: it, or the lock's file, cannot be made or locked.
        """
        path = os.path.join(self._directory, LOCK_NAME)
        try:
            os.makedirs(self._directory, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnusable(self._directory, _plainly(error)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise DirectoryInUse(self._directory) from error
        except OSError as error:
            os.close(fd)
            raise StoreUnusable(self._directory, _plainly(error)) from error
        self._fd = fd

    def release(self) -> None:
        """Let go of the directory; harmless when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _plainly(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
