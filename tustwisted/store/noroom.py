"""The way of a claim for which a full disk has no room: nothing but removal."""

from __future__ import annotations

import errno
import os

from attrs import define

from tustwisted.store.passage import Passage


@define(eq=False, repr=False)
class NoRoom(Passage):
    """
    Publishes nothing, and takes names away at once.

    Only for an upload that nobody else has claimed.  Without it nobody could make room
    by removing uploads.  What is left to chance: that who removes an upload is frozen
    for longer than his lease right before the file goes, and that there is room again
    when another one goes on with it.
    """

    @property
    def is_contested(self) -> bool:
        """Pretend it, so that bytes need a new file, for which there is no room."""
        return True

    @property
    def small(self) -> str:
        """
        Refuse to write.

        :raises OSError: (``ENOSPC``) always.
        """
        raise _no_space()

    @property
    def content(self) -> str:
        """
        Refuse to write.

        :raises OSError: (``ENOSPC``) always.
        """
        raise _no_space()

    def require(self) -> None:
        """Believe in the lock."""

    def require_after(self, error: OSError) -> None:
        """Believe in the lock."""

    def reaches(self, directory: str) -> bool:
        """Leave that to who has room."""
        return True

    def take_away(self, path: str) -> None:
        """Unlink a file elsewhere."""
        self._files.unlink(path)


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
