"""The end of an upload: its record goes first, then its bytes."""

from __future__ import annotations

import errno
from contextlib import suppress

from tustwisted.errors import UploadNotFound
from tustwisted.store.failures import (
    FULL,
    NOTHING_THERE,
    storage_error,
    storage_errors,
)
from tustwisted.store.records import MAX_RECORD_BYTES
from tustwisted.store.shelf import Shelf


def remove(shelf: Shelf, upload_id: str) -> None:
    """
    Forget an upload, its record first, even if that is torn.

    The record goes by another name until the bytes are gone: if the process dies in
    between, the sweeper knows that they are ours.  Directories of its id stay, for
    others may be about to use them.

    :raises UploadNotFound: it has no record.
    :raises StorageFailed: the file system failed; without its record it is gone.
    :raises LockLost: somebody has claimed the upload since.
    """
    layout = shelf.layout
    layout.check(upload_id)
    paths = [layout.content(upload_id)]
    with suppress(UploadNotFound, OSError):
        paths = _find_content(shelf, upload_id)
    try:
        _withdraw(shelf, upload_id)
    except OSError as error:
        if error.errno in NOTHING_THERE:
            raise UploadNotFound from None
        raise storage_error(error, upload_id) from None
    beside = (layout.unverified(upload_id), layout.temporary(upload_id))
    with storage_errors(upload_id):
        for name in (*paths, *beside, layout.removed(upload_id)):
            with suppress(FileNotFoundError):
                shelf.take_away(name)


def _find_content(shelf: Shelf, upload_id: str) -> list[str]:
    """List the names of its bytes: a move that did not end has left it two."""
    record, layout = shelf.read(upload_id), shelf.layout
    path = layout.find_content(upload_id, record.storage_path)
    if record.moved_from is not None:
        old = layout.find_content(upload_id, record.moved_from)
        if old != path and shelf.files.is_same(old, path):
            return [old, path]
    return [path]


def _withdraw(shelf: Shelf, upload_id: str) -> None:
    """Take a record out of its place."""
    record, removed = shelf.layout.record(upload_id), shelf.layout.removed(upload_id)
    try:
        if shelf.passage:
            # A record beside it tells that the removal has not begun.
            content = shelf.files.read(record, MAX_RECORD_BYTES)
            shelf.place(upload_id, removed, content, synced=False)
        else:
            shelf.files.replace(record, removed)
            return
    except OSError as error:
        if error.errno == errno.EXDEV:
            shelf.require_claim()
            shelf.files.replace(record, removed)
            return
        if error.errno not in FULL:
            raise
        # The longer name may be what does not fit.
    shelf.take_away(record)
