"""
Giving the file of a whole upload another name, or moving it there.

By a hard link, which never takes a name that somebody has.  The name stands in the
record before it is given.  So whoever does this again, after a crash or after a holder
that was frozen, gives the same one, and nobody gives one who has lost his claim (D6).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice

from attrs import evolve, frozen
from twisted.logger import Logger

from tustwisted.errors import StorageFailed, UploadNotFinished
from tustwisted.interfaces import IDisk
from tustwisted.store.changes import secure
from tustwisted.store.failures import storage_errors
from tustwisted.store.lookup import Seen
from tustwisted.store.opening import make_way
from tustwisted.store.placement import look_up_to_change
from tustwisted.store.records import Record
from tustwisted.store.shelf import Shelf

log = Logger()

MAX_NAMES = 300
"""So many are tried; who has as many of one name needs another template."""

_ATTEMPTS = 3
"""Somebody may take empty directories away at any time."""


@frozen
class Placing:
    """
    Places uploads; see :meth:`tustwisted.abilities.IPlaces.place`.

    :param sync_names: syncs the directories of an upload's record, and of a path.
    """

    _shelf: Shelf
    _disk: IDisk
    _sync_names: Callable[[str, str], Awaitable[None]]

    async def place(self, upload_id: str, names: Iterable[str], moves: bool) -> str:
        """
        Place one.

        :raises UploadNotFinished: it is not whole.
        """
        shelf, syncs = self._shelf, self._shelf.durability.syncs
        run = self._disk.sync if syncs else self._disk.quick
        path = await run(give_name, shelf, upload_id, names)
        if syncs:
            await self._sync_names(upload_id, path)
        if moves:
            old = await run(move, shelf, upload_id, path)
            if syncs:  # or the record of before might come back without its bytes
                await self._sync_names(upload_id, path)
            await self._disk.quick(end_move, shelf, upload_id, old, path)
        return path


def give_name(shelf: Shelf, upload_id: str, names: Iterable[str]) -> str:
    """
    Give the data file another name, unless it has one.

    :returns: it, absolute.
    :raises UploadNotFound: no such upload.
    :raises UploadNotFinished: it is not whole.
    :raises NoSpace: or :class:`StorageFailed`; it has no new name.
    :raises LockLost: there is a newer claim.
    """
    seen = look_up_to_change(shelf, upload_id)
    if not seen.info.is_whole:
        raise UploadNotFinished
    with storage_errors(upload_id):
        _have_file(shelf, seen)
        secure(shelf, seen)
        record = seen.record
        for path in _candidates(shelf, record, names):
            is_had = shelf.files.is_same(seen.path, path)
            if not is_had and not _is_free(shelf, path):
                continue
            if record.placed_path != path:
                record = evolve(record, placed_path=path)
                shelf.put(record, synced=shelf.durability.syncs)
            if is_had or _give(shelf, seen.path, path):
                return path
    log.error(
        "finished upload {upload_id} can have none of its names in {directory}",
        upload_id=upload_id,
        directory=shelf.layout.finished,
    )
    raise StorageFailed


def _have_file(shelf: Shelf, seen: Seen) -> None:
    """Have a data file for an upload of no bytes that a power loss has left without."""
    if seen.size is None:
        make_way(shelf, seen)
        shelf.files.close(shelf.open_content(seen.path))


def _candidates(shelf: Shelf, record: Record, names: Iterable[str]) -> Iterator[str]:
    noted = record.placed_path
    if noted is not None and shelf.layout.is_finished(noted):
        yield noted
    for name in islice(names, MAX_NAMES):
        try:
            yield shelf.layout.placed(name)
        except ValueError as error:
            log.warn(
                "no file is placed at {name!r}: it {problem}", name=name, problem=error
            )


def _is_free(shelf: Shelf, path: str) -> bool:
    """Make the directories of a path; tell whether nothing is there."""
    finished = shelf.layout.finished
    if finished is None or not shelf.is_below(path, finished):
        return False  # a symlink leads out of there
    try:
        # Without the root of it: if that is gone its disk is.
        for directory in reversed(shelf.layout.directories(path)[:-1]):
            shelf.make_directory(directory)
        return not shelf.files.exists(path)
    except NotADirectoryError:
        return False


def _give(shelf: Shelf, source: str, path: str) -> bool:
    """Link a file; tell whether the name was free, or had by this file."""
    for _ in range(_ATTEMPTS):
        try:
            shelf.link(source, path)
        except (FileExistsError, NotADirectoryError):
            return shelf.files.is_same(source, path)
        except FileNotFoundError:
            if not _is_free(shelf, path):
                return False
        else:
            return True
    return False


def move(shelf: Shelf, upload_id: str, path: str) -> str | None:
    """
    Let the record tell that the bytes lie under their other name.

    :returns: where they lay before; ``None``: there.
    :raises NoSpace: or :class:`StorageFailed`; the record still tells the old name.
    :raises LockLost: there is a newer claim.
    """
    seen = look_up_to_change(shelf, upload_id)
    if seen.path == path:
        return seen.record.moved_from
    record = evolve(seen.record, storage_path=path, moved_from=seen.path)
    with storage_errors(upload_id):
        shelf.put(record, synced=shelf.durability.syncs)
    return seen.path


def end_move(shelf: Shelf, upload_id: str, old: str | None, path: str) -> None:
    """
    Take the old name of the bytes away, if they have it yet.

    :raises StorageFailed: it is there still.
    :raises LockLost: there is a newer claim; nothing was changed.
    """
    if old is None or old == path:
        return
    with storage_errors(upload_id):
        if shelf.files.is_same(old, path):
            with suppress(FileNotFoundError):
                shelf.take_away(old)
