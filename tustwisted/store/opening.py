"""The way to a writer: what is found is made fit to be written to, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tustwisted.errors import OffsetConflict, TusError
from tustwisted.interfaces import IDisk
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store import changes
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen
from tustwisted.store.placement import look_up_to_change
from tustwisted.store.replacement import must_replace, replace
from tustwisted.store.shelf import Shelf
from tustwisted.store.writer import FileWriter

_T = TypeVar("_T")

LARGE_CUT_BYTES = 256 * 1024
"""To cut more off than this keeps the reactor waiting while blocks are freed."""


async def open_at_end(
    shelf: Shelf, disk: IDisk, upload_id: str, offset: int
) -> FileWriter:
    """
    Open an upload for writing.

    See :meth:`tustwisted.store.file.FileStore.open_writer`.
    """

    def judge(seen: Seen) -> None:
        if seen.offset != offset:
            raise OffsetConflict(seen.offset, offset)

    _, writer = await _open(shelf, disk, upload_id, judge)
    return writer


async def open_judged(
    shelf: Shelf, disk: IDisk, upload_id: str, judge: Callable[[UploadInfo], object]
) -> tuple[UploadInfo, FileWriter]:
    """
    Show an upload, and open it for writing.

    See :meth:`tustwisted.store.file.FileStore.open_judged`.
    """

    def show(seen: Seen) -> UploadInfo:
        upload = seen.info
        judge(upload)
        return upload

    return await _open(shelf, disk, upload_id, show)


async def _open(
    shelf: Shelf, disk: IDisk, upload_id: str, judge: Callable[[Seen], _T]
) -> tuple[_T, FileWriter]:
    seen, judged, opened = await disk.quick(_open_if_fit, shelf, upload_id, judge)
    if opened is None:
        opened = await _make_fit(shelf, disk, seen)
    writer, is_foreign = opened
    if is_foreign:
        run = disk.sync if shelf.durability.syncs else disk.quick
        try:
            await run(changes.adopt, shelf, writer, seen)
        except TusError:
            writer.close()
            raise
    return judged, writer


def _open_if_fit(
    shelf: Shelf, upload_id: str, judge: Callable[[Seen], _T]
) -> tuple[Seen, _T, tuple[FileWriter, bool] | None]:
    """
    Find an upload, and open it unless something must be done before.

    :param judge: raises whatever speaks against that; then nothing was changed.
    """
    seen = look_up_to_change(shelf, upload_id)
    judged = judge(seen)
    is_fit = (
        seen.size is not None
        and seen.surplus_bytes <= LARGE_CUT_BYTES
        and not must_replace(shelf, seen)
    )
    return seen, judged, changes.open_end(shelf, seen) if is_fit else None


async def _make_fit(shelf: Shelf, disk: IDisk, seen: Seen) -> tuple[FileWriter, bool]:
    if seen.size is None:
        await disk.quick(make_way, shelf, seen)
    replaced = None
    if must_replace(shelf, seen):
        replaced = await replace(shelf, disk, seen)
    cuts_much = replaced is None and seen.surplus_bytes > LARGE_CUT_BYTES
    run = disk.copy if cuts_much else disk.quick
    return await run(changes.open_end, shelf, seen, replaced)


def make_way(shelf: Shelf, seen: Seen) -> None:
    """
    Make the directories of a data file that is missing, if these are, too.

    A power loss may leave a record whose bytes were to be in another directory.

    :raises NoSpace: or :class:`StorageFailed`.
    """
    # Without the root: if that is gone its disk is, and nothing is made instead.
    with storage_errors(seen.upload_id):
        for directory in reversed(shelf.layout.directories(seen.path)[:-1]):
            shelf.make_directory(directory)
