"""
The calls on the file system that the file store makes, as one thin layer.

It exists so that tests can make the disk full, slow, broken or forgetful at any call.
It knows nothing of uploads.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence

from attrs import frozen
from zope.interface import Interface, implementer

from tustwisted.store.writeout import start_write_out

# O_NOFOLLOW: a symlink planted among the uploads leads nowhere.  O_NONBLOCK: nor does
# a FIFO there hold a thread; regular files do not know the flag.
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

_CANNOT_SYNC_DIRECTORIES = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP})
"""What some network and FUSE file systems say; their names are as safe as they are."""

_SMALL_READ = 8192
"""Bytes; all but freak records come in one read of this size."""


@frozen
class FileStat:
    """What is known of a file without opening it."""

    size: int
    """Bytes."""

    modified_s: float
    """When a byte was last written to it, seconds since 1970."""


class IFiles(Interface):
    """
    What the store asks of a file system; every call blocks.

    Paths are absolute.  Each call raises :class:`OSError` when it cannot do its work,
    with the ``errno`` of the operating system.  Modes are subject to the umask.
    """

    def create(path: str, mode: int) -> int:
        """
        Create a file and open it for writing.

        :returns: the descriptor.
        :raises FileExistsError: anything is there already.
        """

    def open(path: str, mode: int) -> int:
        """Open a file for writing, creating it if need be; return the descriptor."""

    def open_existing(path: str) -> int:
        """
        Open a file for writing that is there; return the descriptor.

        :raises FileNotFoundError: it is not; nothing is created.
        """

    def pwritev(fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        """Write at an offset, perhaps not all; return how many bytes were written."""

    def open_to_read(path: str) -> int:
        """Open a file for reading; return the descriptor."""

    def pread(fd: int, size_bytes: int, offset: int) -> bytes:
        """Read at an offset; fewer bytes than asked for mean nothing, none the end."""

    def copy_range(
        source: int, source_offset: int, target: int, target_offset: int, count: int
    ) -> int:
        """
        Copy between two open files without the bytes coming here.

        The file system may let both files share the blocks (reflink).

        :returns: how many bytes were copied: perhaps not all, none at the end.
        :raises OSError: also where this pair of files cannot be copied in this way.
        """

    def write_out(fd: int, offset: int, length: int) -> None:
        """Begin to bring a range to the device; a hint that never fails or waits."""

    def fdatasync(fd: int) -> None:
        """Bring the bytes of a file to the device, and its size."""

    def truncate(fd: int, size: int) -> None:
        """Cut a file off at a size, bytes."""

    def stat_open(fd: int) -> FileStat:
        """
        Tell of a regular file that is open.

        :raises OSError: (``ELOOP``) something else is, such as a FIFO.
        """

    def close(fd: int) -> None:
        """Close a descriptor."""

    def stat(path: str) -> FileStat | None:
        """
        Tell of a regular file; ``None`` when nothing is there.

        :raises OSError: (``ELOOP``) something else is there, such as a symlink.
        """

    def changed_s(path: str) -> float:
        """
        Tell when anything of a file or a directory last changed, seconds since 1970.

        That is its content or what else is known of it: unlike the time when a byte was
        written, it cannot be set back.
        """

    def exists(path: str) -> bool:
        """
        Tell whether anything is there, also a symlink that leads nowhere.

        :raises OSError: the file system does not tell.
        """

    def read(path: str, limit: int) -> bytes:
        """Read a small file whole, but not more than ``limit`` bytes."""

    def write(path: str, content: bytes, mode: int, synced: bool) -> None:
        """
        Write a small file anew.

        :param synced: content and size reach the device before this returns.
        """

    def replace(source: str, target: str) -> None:
        """Rename a file at one stroke over another, if that is there."""

    def unlink(path: str) -> None:
        """Remove the name of a file."""

    def sync_directory(path: str) -> None:
        """Bring the names in a directory to the device."""

    def make_directory(path: str, mode: int) -> None:
        """Make one directory; its parent must be there."""

    def remove_directory(path: str) -> None:
        """Remove an empty directory."""

    def require_directory(path: str) -> None:
        """
        See that a directory is there by opening it.

        A network file system then asks its server, where it may answer a ``stat`` from
        what it remembers.
        """

    def lock_directory(path: str) -> int:
        """
        Lock a directory until the descriptor that this returns is closed.

        The kernel closes it when the process dies, and not before its last call ended.

        :raises BlockingIOError: somebody has locked it.
        :raises OSError: also where directories cannot be locked.
        """

    def scan(path: str) -> Iterator[tuple[str, bool]]:
        """List a directory: each name, and whether it is a (real) directory."""


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

    def exists(self, path: str) -> bool:
        """See :meth:`IFiles.exists`."""
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

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


def _file_stat(found: os.stat_result, name: str) -> FileStat:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "not a regular file", name)
    return FileStat(found.st_size, found.st_mtime)
