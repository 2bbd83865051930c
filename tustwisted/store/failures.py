"""How an error of the operating system becomes one that a client may see."""

from __future__ import annotations

import errno
from types import TracebackType

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import NoSpace, StorageFailed

log = Logger()

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The storage is full, or the user's share of it."""

NOTHING_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
"""No file of ours can be at that path: nothing at all, a directory, a symlink."""


def storage_error(error: OSError, upload_id: str) -> NoSpace | StorageFailed:
    """
    Translate an error; what it says of paths and devices goes to the log only.

    :returns: the error to raise in its place.
    """
    if error.errno in FULL:
        log.warn("no space left for upload {upload_id}", upload_id=upload_id)
        return NoSpace()
    log.failure(
        "the file system failed upload {upload_id}",
        Failure(error),
        upload_id=upload_id,
    )
    return StorageFailed()


@frozen(eq=False, repr=False)
class storage_errors:  # noqa: N801 - a context, as suppress is
    """
    Let no :class:`OSError` out.

    :raises NoSpace: the storage is full.
    :raises StorageFailed: another :class:`OSError`.
    """

    _upload_id: str

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise storage_error(error, self._upload_id) from None
