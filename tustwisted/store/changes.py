"""
Changing an upload on a shelf: opening it for writing, its length, its state.

All of it blocks, and whoever calls it holds the lock of the upload.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from tustwisted.errors import LockLost, StorageFailed, UploadNotFound
from tustwisted.protocol.upload import UploadState
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen
from tustwisted.store.placement import look_up_to_change
from tustwisted.store.records import Record
from tustwisted.store.replacement import Replacement
from tustwisted.store.shelf import Shelf
from tustwisted.store.writer import FileWriter

LARGE_BYTES = 1024 * 1024
"""A smaller upload has hardly made the disk busy."""


def open_end(
    shelf: Shelf, seen: Seen, copy: Replacement | None = None
) -> tuple[FileWriter, bool]:
    """
    Open an upload for writing at its end; past receiving, it takes no bytes.

    To cut much off takes as long as to free its blocks.

    :param seen: from :func:`~.placement.look_up_to_change`, under the same lock.
    :param copy: what has taken the place of its data file since.
    :returns: the writer, and whether :func:`adopt` must be called before it is used,
        since the record does not speak for this store and boot.
    :raises StorageFailed: the file system failed.
    :raises LockLost: somebody has claimed the upload since; nothing was changed.
    """
    upload_id, offset = seen.upload_id, seen.offset
    takes_bytes = seen.state is UploadState.RECEIVING
    with storage_errors(upload_id):
        writer = FileWriter(
            shelf.files,
            upload_id,
            copy.detach() if copy else shelf.open_content(seen.path),
            offset,
            seen.record.synced_offset if takes_bytes else offset,
            seen.record.synced_at_s,
            shelf.durability,
            shelf.seconds,
            lambda synced_offset, now_s: mark(shelf, upload_id, synced_offset, now_s),
            shelf.require_claim,
            takes_bytes,
        )
        if not takes_bytes:
            return writer, False
        try:
            _cut(shelf, writer.fileno(), copy.seen if copy else seen)
        except (OSError, LockLost):
            writer.close()
            raise
    return writer, _is_foreign(shelf, seen)


def _cut(shelf: Shelf, fd: int, seen: Seen) -> None:
    """Cut off what does not count, and only then end the doubt about it."""
    if seen.surplus_bytes:
        shelf.files.truncate(fd, seen.offset)
    if seen.is_doubted:
        with suppress(FileNotFoundError):
            shelf.take_away(shelf.layout.unverified(seen.upload_id))


def _is_foreign(shelf: Shelf, seen: Seen) -> bool:
    """Tell whether the record would judge wrongly the bytes that we now add."""
    record = seen.record
    return (
        record.state is not seen.state
        or record.durability is not shelf.durability
        or (shelf.durability.syncs and record.host != shelf.host)
        or record.synced_offset > seen.offset
    )


def adopt(shelf: Shelf, writer: FileWriter, seen: Seen) -> None:
    """
    Make the record of an upload speak for this store and this boot.

    After the cut, so that the old record tells the same offset until the new one takes
    its place; and synced, name and all, before any byte is added which the old record
    would wrongly believe in if it came back with the power.

    :raises NoSpace: the old record still holds.
    :raises StorageFailed: the old record still holds.
    """
    upload_id = seen.upload_id
    syncs = shelf.durability.syncs
    with storage_errors(upload_id):
        if syncs:
            shelf.files.fdatasync(writer.fileno())
        record = _claim(shelf, seen, seen.state)
        shelf.put(record, synced=syncs)
        if syncs:
            for directory in shelf.directories(upload_id, seen.path):
                shelf.files.sync_directory(directory)
    writer.synced_offset = record.synced_offset
    writer.synced_at_s = record.synced_at_s


def _claim(shelf: Shelf, seen: Seen, state: UploadState) -> Record:
    """Return the record as ours, for when all that counts is synced (if we sync)."""
    offset, syncs = seen.offset, shelf.durability.syncs
    return seen.record.claimed(
        state,
        shelf.durability,
        shelf.host,
        offset if syncs else min(seen.record.synced_offset, offset),
        shelf.seconds() if syncs else seen.record.synced_at_s,
    )


def mark(shelf: Shelf, upload_id: str, synced_offset: int, now_s: float) -> None:
    """
    Note how much of an upload is on the device.

    :raises NoSpace: the old note still holds.
    :raises StorageFailed: the old note still holds, or the record is gone.
    """
    try:
        with storage_errors(upload_id):
            # Read again: another state or length may have come meanwhile.
            record = shelf.read(upload_id)
            shelf.put(record.mark(synced_offset, now_s), synced=True)
            path = shelf.layout.find_content(upload_id, record.storage_path)
            # All names each time: nobody knows if whoever made them lived to do it.
            for directory in shelf.directories(upload_id, path):
                shelf.files.sync_directory(directory)
    except UploadNotFound:
        raise StorageFailed from None


def put_length(shelf: Shelf, upload_id: str, length: int) -> None:
    """
    Put a length in the record, as safely as what it said before.

    A record that was synced is never replaced by one that a power loss may tear.  The
    name is not synced: then the old record, without the length, comes back.

    :raises UploadNotFound: no such upload.
    :raises NoSpace: the length is still deferred.
    :raises StorageFailed: the length is still deferred.
    """
    record = look_up_to_change(shelf, upload_id).record
    with storage_errors(upload_id):
        shelf.put(
            evolve(record, info=evolve(record.info, length=length)),
            synced=shelf.durability.syncs,
        )


def put_state(shelf: Shelf, upload_id: str, state: UploadState) -> Seen:
    """
    Put a state in the record, after the bytes are safe.

    The names are not synced yet: the directories of the upload remain to be.

    :returns: what was before, for :func:`put_back`.
    :raises UploadNotFound: no such upload.
    :raises NoSpace: the old state still holds.
    :raises StorageFailed: the old state still holds.
    """
    seen = look_up_to_change(shelf, upload_id)
    put_state_of(shelf, seen, state)
    return seen


def put_state_if_small(shelf: Shelf, upload_id: str, state: UploadState) -> Seen | None:
    """
    Do what :func:`put_state` does, unless the disk may be busy with the bytes.

    To replace a record ext4 has the new one written out first, behind all that.

    :returns: what to give to :func:`put_state_of`; ``None``: it is done.
    """
    seen = look_up_to_change(shelf, upload_id)
    if (seen.size or 0) > LARGE_BYTES:
        return seen
    put_state_of(shelf, seen, state)
    return None


def put_state_of(shelf: Shelf, seen: Seen, state: UploadState) -> None:
    """
    Do what :func:`put_state` does with an upload that was found under the same lock.

    :raises NoSpace: or :class:`StorageFailed`; the old state still holds.
    """
    with storage_errors(seen.upload_id):
        secure(shelf, seen)
        shelf.put(_claim(shelf, seen, state), synced=shelf.durability.syncs)


def put_back(shelf: Shelf, seen: Seen) -> None:
    """Put an earlier record back, as far as that is possible."""
    with suppress(OSError, LockLost):
        shelf.put(seen.record, synced=False)


def secure(shelf: Shelf, seen: Seen) -> None:
    """
    Cut off what does not count, and sync the rest unless that was done before.

    :raises OSError: what could not be synced is cut off, too.
    """
    record = seen.record
    needs_cut = seen.is_doubted or seen.surplus_bytes > 0
    needs_sync = shelf.durability.syncs and not (
        record.syncs and record.synced_offset == seen.offset
    )
    if seen.size is None or not (needs_cut or needs_sync):
        return
    fd = shelf.open_content(seen.path)
    try:
        _cut(shelf, fd, seen)
        if needs_sync:
            _sync_content(shelf, fd, record)
    finally:
        shelf.files.close(fd)


def _sync_content(shelf: Shelf, fd: int, record: Record) -> None:
    try:
        shelf.files.fdatasync(fd)
    except OSError:
        # As in FileWriter: the next sync would succeed without these bytes.  Those
        # that were written under no promise are left as they are.
        if record.syncs:
            shelf.files.truncate(fd, record.synced_offset)
        raise


def require_claim(shelf: Shelf, upload_id: str) -> None:
    """
    See that what was done until now was done by whoever may do it.

    :raises LockLost: somebody has claimed the upload since.
    :raises StorageFailed: the file system does not tell.
    """
    with storage_errors(upload_id):
        shelf.require_claim()
