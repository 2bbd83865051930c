"""
Which locker guards an upload directory: one kind at a time, by a lock of the kernel.

It dies with its process, whatever happens.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from enum import Enum

from attrs import define, field

from tustwisted.errors import DirectoryInUse, OtherLocker, StoreUnusable
from tustwisted.lock.kernel import ByteLocks, has_byte_locks

LOCK_NAME = ".tustwisted.lock"
"""No upload id begins with a dot, so no upload ever meets this file."""


_NAME_BYTES = 32


class LockerKind(Enum):
    """The lockers; the value is the byte of the lock's file that stands for one."""

    MEMORY = 0
    FILE = 1
    REDIS = 2


@define(eq=False, repr=False)
class DirectoryLock:
    """
    Keeps processes out of a directory that would not heed each other (T-240, T-242).

    That is any second one beside the locker of a single process, and whoever has
    another kind of locker than those that are there.

    :param has_byte_locks: this system has :class:`tustwisted.lock.kernel.ByteLocks`.
        Without them the lockers of several processes are not told apart; but then
        there is one of them only, since the one for a single machine needs them.
    """

    _directory: str
    _kind: LockerKind = LockerKind.MEMORY
    _has_byte_locks: bool = field(factory=has_byte_locks)
    _locks: ByteLocks | None = field(init=False, default=None)

    def take(self) -> None:
        """
        Hold the directory, and make it if it is missing: not every store uses it.

        :raises DirectoryInUse: another process holds it for itself.
        :raises OtherLocker: other processes share it by another kind of locker.
        :raises StoreUnusable: it, or the lock's file, cannot be made or locked.
        """
        try:
            os.makedirs(self._directory, exist_ok=True)
            locks = ByteLocks.open(os.path.join(self._directory, LOCK_NAME))
        except OSError as error:
            raise StoreUnusable(self._directory, _plainly(error)) from error
        try:
            self._lock(locks)
        except OSError as error:
            locks.close()
            raise StoreUnusable(self._directory, _plainly(error)) from error
        except BaseException:
            locks.close()
            raise
        self._locks = locks

    def _lock(self, locks: ByteLocks) -> None:
        """Take the own byte first: so of two that start at once one sees the other."""
        is_shared = self._kind is not LockerKind.MEMORY
        if not self._has_byte_locks:
            self._lock_whole(locks.fileno(), is_shared)
            return
        if not locks.try_lock(self._kind.value, is_shared=is_shared):
            raise DirectoryInUse(self._directory)
        for other in set(LockerKind) - {self._kind}:
            if locks.is_locked_elsewhere(other.value):
                raise OtherLocker(self._directory, other.name.lower())

    def _lock_whole(self, fd: int, is_shared: bool) -> None:
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DirectoryInUse(self._directory) from error

    def release(self) -> None:
        """Let go of the directory; harmless when it is not held."""
        if self._locks is not None:
            self._locks.close()
            self._locks = None


def name_of(directory: str) -> str:
    """
    Tell a name that no other upload directory has, wherever it is mounted.

    It stands in the file of the lock, by whoever was the first to ask.

    :raises StoreUnusable: it cannot be read or written.
    """
    try:
        fd = os.open(
            os.path.join(directory, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        )
        try:
            if len(os.pread(fd, _NAME_BYTES, 0)) < _NAME_BYTES:
                os.pwrite(fd, secrets.token_hex(_NAME_BYTES // 2).encode(), 0)
            return os.pread(fd, _NAME_BYTES, 0).decode("ascii", "replace")
        finally:
            os.close(fd)
    except OSError as error:
        raise StoreUnusable(directory, _plainly(error)) from error


def _plainly(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
