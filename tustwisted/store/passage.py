"""
The way by which whoever has claimed an upload changes names in the store (DESIGN D6).

It leads through a directory that is the claim's alone: what is to be published is
renamed from there, and what is to go is renamed to there.  A successor takes that
directory away before he looks at the upload; from then on each such rename fails,
wherever the predecessor was frozen.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from attrs import define, field

from tustwisted.errors import LockLost
from tustwisted.store.ifiles import IFiles

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})
"""What is said of a directory that another machine, perhaps, has removed."""


@define(eq=False, repr=False)
class Passage:
    """
    The directory of one claim.

    Its methods block; they are called from any thread, but never from two at once.
    """

    _files: IFiles
    directory: str
    """A path; nobody makes it anew once it was removed."""

    _lock: int | None = None
    """The descriptor of its lock, which tells others on this machine that we live."""

    _revoked: list[str] = field(factory=list, init=False)
    """What tells of those who may still write to the data file: directories."""

    @property
    def is_contested(self) -> bool:
        """Somebody may still write to the data file that has the upload's name now."""
        return bool(self._revoked)

    def contest(self, mark: str) -> None:
        """Note what tells of somebody who may still write to it."""
        if mark not in self._revoked:
            self._revoked.append(mark)

    def end_contest(self) -> None:
        """Note that nobody may: it has a new data file, or takes no more bytes."""
        revoked, self._revoked = self._revoked, []
        for directory in revoked:
            with suppress(OSError):  # then the next one replaces the file once more
                self._files.remove_directory(directory)

    def close(self) -> None:
        """Let go of its lock; harmless when done twice."""
        fd, self._lock = self._lock, None
        if fd is not None:
            with suppress(OSError):
                self._files.close(fd)

    def __del__(self) -> None:
        """Close it with the last writer, if nobody has released the claim."""
        self.close()

    @property
    def small(self) -> str:
        """Where a small file is written before it has its name."""
        return f"{self.directory}/small"

    @property
    def content(self) -> str:
        """Where a data file is written before it has its name."""
        return f"{self.directory}/content"

    def require(self) -> None:
        """
        See that the claim still holds.

        :raises LockLost: it does not.
        :raises OSError: the file system does not tell.
        """
        try:
            self._files.require_directory(self.directory)
        except OSError as error:
            if error.errno in _GONE:
                raise LockLost from None
            raise

    def require_after(self, error: OSError) -> None:
        """
        See whether an error is that the claim holds no more.

        :raises LockLost: it is.
        """
        if error.errno in _GONE:
            self.require()

    def require_file(self, path: str, error: OSError) -> None:
        """
        See whether an error is that a file in here is gone, and the claim with it.

        Whoever revokes a claim unlinks its files first, so that the directory may be
        there still.

        :raises LockLost: it is.
        """
        if error.errno in _GONE and not self._files.exists(path):
            raise LockLost from None

    def link(self, path: str, target: str) -> None:
        """
        Give a file elsewhere another name, by way of one in here.

        A successor takes that one away; from then on there is nothing to be named.

        :raises LockLost: nothing was changed.
        :raises FileExistsError: there is something of that name.
        """
        held = f"{self.directory}/held"
        try:
            with suppress(FileNotFoundError):  # what an attempt before this one left
                self._files.unlink(held)
            self._files.link(path, held)
        except OSError as error:
            self.require_after(error)
            raise
        try:
            self._files.link(held, target)
        except OSError as error:
            self.require_file(held, error)
            raise
        finally:
            with suppress(OSError):  # done again by whoever removes the directory
                self._files.unlink(held)

    def reaches(self, directory: str) -> bool:
        """
        Tell whether names can be renamed from here to a directory, if it is there.

        :raises LockLost: the claim holds no more.
        :raises OSError: the file system does not tell.
        """
        try:
            return self._files.can_rename(self.directory, directory)
        except OSError as error:
            self.require_after(error)
            if error.errno in _GONE:
                return True  # whoever wants it there is told so
            raise

    def take_away(self, path: str) -> None:
        """
        Unlink a file elsewhere.

        Where no rename leads to, the claim is only looked at before; who is frozen
        after that takes away what another one has put there.  But nobody has added
        bytes to it: see :mod:`tustwisted.store.placement`.

        :raises LockLost: nothing was changed.
        :raises FileNotFoundError: it is not there.
        """
        if self._files.exists(f"{path}/."):  # which rename would take as well
            raise IsADirectoryError(errno.EISDIR, "is a directory", path)
        gone = f"{self.directory}/gone"
        try:
            self._files.replace(path, gone)
        except OSError as error:
            if error.errno == errno.EXDEV:
                self.require()
                self._files.unlink(path)
                return
            self.require_after(error)
            raise
        with suppress(OSError):  # done again by whoever removes the directory
            self._files.unlink(gone)
