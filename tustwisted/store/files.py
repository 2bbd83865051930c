"""The file system of the operating system, as the file store asks it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence

from zope.interface import implementer

from tustwisted.store.ifiles import FileStat, IFiles
from tustwisted.store.writeout import start_write_out

# O_NOFOLLOW: a symlink planted among the uploads leads nowhere.  O_NONBLOCK: nor does
# a FIFO there hold a thread; regular files do not know the flag.
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

_CANNOT_SYNC_DIRECTORIES = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP})
"""What some network and FUSE file systems say; their names are as safe as they are."""

_NO_NAME = ".tustwisted.none"
"""There is never a file of this name."""

_MOVE = getattr(os, "SPLICE_F_MOVE", 0)

_COPY_BYTES = 256 * 1024
"""Of a pipe, in memory at a time."""

_SMALL_READ = 8192
"""Bytes; all but freak records come in one read of this size."""


@implementer(IFiles)
class OsFiles:
    """The file system of the operating system."""

    def create(self, path: str, mode: int) -> int:
        """See :meth:`IFiles.create`."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS, mode)

    def open(self, path: str, mode: int) -> int:
        """See :meth:`IFiles.open`."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | _ALWAYS, mode)

    def open_existing(self, path: str) -> int:
        """See :meth:`IFiles.open_existing`."""
        return os.open(path, os.O_WRONLY | _ALWAYS)

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """See :meth:`IFiles.pwritev`."""
        return os.pwritev(fd, buffers, offset)

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """See :meth:`IFiles.splice`."""
        try:
            return os.splice(pipe, fd, size_bytes, offset_dst=offset, flags=_MOVE)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return _copy_out(pipe, fd, size_bytes, offset)

    def open_to_read(self, path: str) -> int:
        """See :meth:`IFiles.open_to_read`."""
        return os.open(path, os.O_RDONLY | _ALWAYS)

    def pread(self, fd: int, size_bytes: int, offset: int) -> bytes:
        """See :meth:`IFiles.pread`."""
        return os.pread(fd, size_bytes, offset)

    def copy_range(
        self,
        source: int,
        source_offset: int,
        target: int,
        target_offset: int,
        count: int,
    ) -> int:
        """See :meth:`IFiles.copy_range`."""
        if not hasattr(os, "copy_file_range"):  # not Linux
            raise OSError(errno.ENOSYS, "no copy_file_range")
        return os.copy_file_range(source, target, count, source_offset, target_offset)

    def write_out(self, fd: int, offset: int, length: int) -> None:
        """See :meth:`IFiles.write_out`."""
        start_write_out(fd, offset, length)

    def fdatasync(self, fd: int) -> None:
        """See :meth:`IFiles.fdatasync`."""
        _fdatasync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """See :meth:`IFiles.truncate`."""
        os.ftruncate(fd, size)

    def stat_open(self, fd: int) -> FileStat:
        """See :meth:`IFiles.stat_open`."""
        return _file_stat(os.fstat(fd), str(fd))

    def close(self, fd: int) -> None:
        """See :meth:`IFiles.close`."""
        os.close(fd)

    def stat(self, path: str) -> FileStat | None:
        """See :meth:`IFiles.stat`."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return None
        return _file_stat(found, path)

    def changed_s(self, path: str) -> float:
        """See :meth:`IFiles.changed_s`."""
        found = os.lstat(path)
        return max(found.st_mtime, found.st_ctime)

    def free_bytes(self, path: str) -> int:
        """See :meth:`IFiles.free_bytes`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def exists(self, path: str) -> bool:
        """See :meth:`IFiles.exists`."""
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def real(self, path: str) -> str:
        """See :meth:`IFiles.real`."""
        return os.path.realpath(path)

    def read(self, path: str, limit: int) -> bytes:
        """See :meth:`IFiles.read`."""
        fd = os.open(path, os.O_RDONLY | _ALWAYS)
        try:
            content = os.read(fd, min(_SMALL_READ, limit))
            # One read shorter than asked is the end of a regular file.
            while _SMALL_READ <= len(content) < limit:
                more = os.read(fd, limit - len(content))
                if not more:
                    break
                content += more
            return content
        finally:
            os.close(fd)

    def write(self, path: str, content: bytes, mode: int, synced: bool) -> None:
        """See :meth:`IFiles.write`."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _ALWAYS, mode)
        try:
            written = os.write(fd, content)
            while written < len(content):
                written += os.write(fd, memoryview(content)[written:])
            if synced:
                os.fsync(fd)
        finally:
            os.close(fd)

    def replace(self, source: str, target: str) -> None:
        """See :meth:`IFiles.replace`."""
        os.replace(source, target)

    def link(self, source: str, target: str) -> None:
        """See :meth:`IFiles.link`."""
        os.link(source, target, follow_symlinks=False)

    def is_same(self, path: str, other: str) -> bool:
        """See :meth:`IFiles.is_same`."""
        try:
            return os.path.samestat(os.lstat(path), os.lstat(other))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def can_rename(self, source: str, target: str) -> bool:
        """See :meth:`IFiles.can_rename`."""
        if os.stat(source).st_dev != os.stat(target).st_dev:
            return False
        try:
            # The kernel compares the mounts before it looks for the names.
            os.rename(f"{source}/{_NO_NAME}", f"{target}/{_NO_NAME}")
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def unlink(self, path: str) -> None:
        """See :meth:`IFiles.unlink`."""
        os.unlink(path)

    def sync_directory(self, path: str) -> None:
        """See :meth:`IFiles.sync_directory`."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC_DIRECTORIES:
                raise
        finally:
            os.close(fd)

    def make_directory(self, path: str, mode: int) -> None:
        """See :meth:`IFiles.make_directory`."""
        os.mkdir(path, mode)

    def remove_directory(self, path: str) -> None:
        """See :meth:`IFiles.remove_directory`."""
        os.rmdir(path)

    def require_directory(self, path: str) -> None:
        """See :meth:`IFiles.require_directory`."""
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | _ALWAYS))

    def lock_directory(self, path: str) -> int:
        """See :meth:`IFiles.lock_directory`."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _ALWAYS)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd

    def scan(self, path: str) -> Iterator[tuple[str, bool]]:
        """See :meth:`IFiles.scan`."""
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)


def _copy_out(pipe: int, fd: int, size_bytes: int, offset: int) -> int:
    """Write what is in a pipe where the file system knows no splicing."""
    rest = memoryview(os.read(pipe, min(size_bytes, _COPY_BYTES)))
    end = offset
    while rest:
        written = os.pwrite(fd, rest, end)
        if not written:
            raise OSError(errno.EIO, "the file takes no bytes")
        end += written
        rest = rest[written:]
    return end - offset


def _file_stat(found: os.stat_result, name: str) -> FileStat:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "not a regular file", name)
    return FileStat(found.st_size, found.st_mtime)
