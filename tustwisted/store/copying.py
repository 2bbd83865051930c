"""Copying between two open files, in the kernel if that can be."""

from __future__ import annotations

import errno
from typing import Final

from tustwisted.store.ifiles import IFiles

STEP_BYTES: Final = 16 * 1024 * 1024
"""Copied in one go: a third of a second on a slow disk, so that a stop is prompt."""

PIECE_BYTES: Final = 1024 * 1024
"""Read and written at a time where the kernel does not copy."""

_CANNOT_COPY = frozenset(
    {
        errno.EXDEV,  # two file systems, before Linux 5.3 or of two kinds
        errno.EINVAL,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.EBADF,
        errno.EPERM,  # also what sandboxes say of calls that they do not know
        errno.ETXTBSY,
    }
)
"""What ``copy_file_range`` says of a pair of files that must be read and written."""


def copy_some(
    files: IFiles, source: int, begin: int, target: int, end: int, *, count: int
) -> int:
    """
    Copy some bytes, or let both files share them.

    :param source: the descriptor of a file that is open for reading.
    :param begin: where in it the bytes begin.
    :param target: the descriptor of a file that is open for writing.
    :param end: where in it they go.
    :param count: how many at the most, 1 or more.
    :returns: how many these were; 0: the source ends before.
    :raises OSError: the file system failed.
    """
    try:
        copied = files.copy_range(source, begin, target, end, count)
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
        copied = 0
    if copied:
        return copied
    # Some file systems say "no bytes" when they mean "not in this way".
    content = files.pread(source, min(count, PIECE_BYTES), begin)
    if not content:
        return 0
    copied = files.pwritev(target, [content], end)
    if not copied:
        raise OSError(errno.EIO, "the file takes no bytes")
    return copied
