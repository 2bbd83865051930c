"""
Whether renames lead from a claim to where an upload lies (DESIGN D6).

All of the upload directory must be one file system, and one mount.  Where it is not,
nothing could be published by way of a claim, after all bytes were taken; so none are.
"""

from __future__ import annotations

import os

from twisted.logger import Logger

from tustwisted.errors import StorageFailed
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen, look_up
from tustwisted.store.passage import Passage
from tustwisted.store.shelf import Shelf

log = Logger()


def look_up_to_change(shelf: Shelf, upload_id: str) -> Seen:
    """
    Look at an upload that is to be changed, if it can be by the way of its claim.

    :raises UploadNotFound: or :class:`StorageFailed`, as :func:`look_up`.
    :raises StorageFailed: renames do not lead to its files.
    :raises LockLost: there is a newer claim.
    """
    # Where there are claims an older holder may be at work yet.
    is_alone = shelf.passage is None
    seen = look_up(shelf, upload_id, to_change=True, is_alone=is_alone)
    if shelf.passage is not None:
        _require_reach(shelf, shelf.passage, seen)
    return seen


def _require_reach(shelf: Shelf, passage: Passage, seen: Seen) -> None:
    upload_id, layout = seen.upload_id, shelf.layout
    places = {os.path.dirname(path) for path in (seen.path, layout.record(upload_id))}
    # The claims lie in the root itself: for most uploads nothing has to be asked.
    for directory in sorted(places - {layout.root}):
        with storage_errors(upload_id):
            is_reached = passage.reaches(directory)
        if not is_reached:
            log.error(
                "upload {upload_id} can only be removed: its directory {directory} "
                "is on another file system, or another mount, than its claim {claim}. "
                "Have all of the upload directory on one mount, or use a locker that "
                "needs no claims: file or memory",
                upload_id=upload_id,
                directory=directory,
                claim=passage.directory,
            )
            raise StorageFailed
