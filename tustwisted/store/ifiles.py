"""
What the file store asks of a file system, as one thin layer.

It exists so that tests can make the disk full, slow, broken or forgetful at any call.
It knows nothing of uploads.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen
from zope.interface import Interface


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

    def splice(pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """
        Write at an offset what is in a pipe, without the bytes coming here.

        :param pipe: the descriptor of its reading end; so many bytes are in there.
        :returns: how many bytes were written, perhaps not all.
        """

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

    def free_bytes(path: str) -> int:
        """Tell how much room the file system of a directory has for this process."""

    def exists(path: str) -> bool:
        """
        Tell whether anything is there, also a symlink that leads nowhere.

        :raises OSError: the file system does not tell.
        """

    def real(path: str) -> str:
        """
        Follow all symlinks of a path; what is not there is left as it is named.

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

    def link(source: str, target: str) -> None:
        """
        Give a file another name (a hard link).

        :raises FileExistsError: anything is there already.
        :raises OSError: also (``EXDEV``) between two file systems, or two mounts of
            one, and where the file system has no such names.
        """

    def is_same(path: str, other: str) -> bool:
        """
        Tell whether two names are of one file.

        :returns: false also where one is not there.
        :raises OSError: the file system does not tell.
        """

    def can_rename(source: str, target: str) -> bool:
        """
        Tell whether names can be renamed from one directory into another one.

        Not so between two file systems, nor between two mounts of one.

        :raises FileNotFoundError: one of the directories is not there.
        """

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
