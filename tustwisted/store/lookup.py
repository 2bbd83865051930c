"""Finding out what is on a shelf; needs no lock and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from attrs import frozen
from twisted.logger import Logger

from tustwisted.errors import TusError, UploadNotFound
from tustwisted.protocol.ids import MAX_ID_CHARACTERS, is_upload_id
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.failures import NOTHING_THERE, storage_error
from tustwisted.store.ifiles import FileStat
from tustwisted.store.layout import RECORD_ENDING, UNVERIFIED_ENDING
from tustwisted.store.offsets import read_unverified, tell
from tustwisted.store.records import MAX_RECORD_BYTES, Record, may_await_finish
from tustwisted.store.shelf import Shelf

log = Logger()

_LONGEST_NAME = MAX_ID_CHARACTERS + len(UNVERIFIED_ENDING)

_UNVERIFIED_BYTES = 100  # enough for any number; more than that is no number


@frozen
class Seen:
    """What was found of an upload at one moment."""

    record: Record
    path: str
    """Of the data file."""

    size: int | None
    """Of the data file, bytes; ``None``: it is missing."""

    is_doubted: bool
    """A part of it is unverified; looked for in an empty file only to change it."""

    offset: int
    """How many of its bytes count."""

    state: UploadState
    """The state that holds, whatever the record says."""

    _stat: FileStat | None
    _storage: Storage

    @property
    def upload_id(self) -> str:
        """Whose it is."""
        return self.record.info.upload_id

    @property
    def surplus_bytes(self) -> int:
        """How much of the data file does not count."""
        return max(0, (self.size or 0) - self.offset)

    @property
    def modified_s(self) -> float:
        """When its last byte came, or it was created, seconds since 1970."""
        then = self.record.info
        written_s = self._stat.modified_s if self._stat else then.modified_s
        return max(then.created_s, written_s)

    @property
    def info(self) -> UploadInfo:
        """What may be told; put together for who asks, and whoever writes does not."""
        return self.record.info.as_stored(
            self.offset, self.state, self._storage, self.modified_s
        )


def look_up(
    shelf: Shelf, upload_id: str, *, to_change: bool = False, is_alone: bool = False
) -> Seen:
    """
    Look at an upload: its record, then its size, then what is in doubt.

    In this order it is right beside a writer too: whatever a record says was true of
    the bytes that were there when it was written, and bytes are only added to those.

    :param to_change: a doubt that is left of an empty file matters, too.
    :param is_alone: nobody else may write to it.
    :raises UploadNotFound: no such upload, not an id, or no sense in its record.
    :raises StorageFailed: the file system would not tell.
    """
    shelf.layout.check(upload_id)
    try:
        return see(shelf, upload_id, to_change=to_change, is_alone=is_alone)
    except OSError as error:
        if error.errno in NOTHING_THERE:
            raise UploadNotFound from None
        raise storage_error(error, upload_id) from None


def see(
    shelf: Shelf, upload_id: str, *, to_change: bool = False, is_alone: bool = False
) -> Seen:
    """
    Do what :func:`look_up` does, leaving errors as they are.

    :raises UploadNotFound: no sense in its record, or its bytes are gone.
    :raises OSError: it is not there, or the file system would not tell.
    """
    record_path = shelf.layout.record(upload_id)
    record = shelf.read_from(record_path, upload_id)
    path = shelf.layout.find_content(upload_id, record.storage_path)
    stat = shelf.files.stat(path)
    base = None
    if _may_be_doubted(record) and (to_change or (stat and stat.size)):
        base = _find_unverified(shelf, upload_id, record)
        if base is None and stat and stat.size and not is_alone:
            stat = _smaller(stat, shelf.files.stat(path))
            base = _find_unverified(shelf, upload_id, record)
    if stat is None and not shelf.files.exists(record_path):
        raise UploadNotFound  # removed since its record was read
    size = None if stat is None else stat.size
    told = tell(record, size, base, shelf.host)
    placed = _find_placed(shelf, record, path)
    storage = Storage(path, record_path, placed)
    return Seen(
        record, path, size, base is not None, told.offset, told.state, stat, storage
    )


def _find_placed(shelf: Shelf, record: Record, path: str) -> str:
    """
    Tell the other name of the bytes, if they have it.

    Before the upload is finished a record may tell of one that is about to be given.
    """
    placed = record.placed_path
    if placed is None or (
        record.state is not UploadState.FINISHED
        and not shelf.files.is_same(path, placed)
    ):
        return ""
    return placed


def _may_be_doubted(record: Record) -> bool:
    """Tell whether bytes may come yet: no other state is reached but with all right."""
    return record.state in (None, UploadState.RECEIVING)


def _smaller(then: FileStat, now: FileStat | None) -> FileStat:
    """
    Return the smaller of two sizes, of before and after it was known to be undoubted.

    A chunk that was cut off in between was in the first one.  One that has begun in
    between is in the second one, and its note is there when that is looked for again.
    """
    return then if now is None or then.size <= now.size else now


def _find_unverified(shelf: Shelf, upload_id: str, record: Record) -> int | None:
    path = shelf.layout.unverified(upload_id)
    try:
        content = shelf.files.read(path, _UNVERIFIED_BYTES)
    except FileNotFoundError:
        return None
    return read_unverified(content, record)


def find_awaiting_finish(shelf: Shelf, is_stopped: Callable[[], bool]) -> list[str]:
    """
    List the uploads whose finish step is due.

    Reads every record there is, most of them only for their state: with 100,000 uploads
    that takes seconds.  What is not an upload is passed by.

    :param is_stopped: asked before each record: whether to return what was found.
    """
    found = []
    for upload_id in find_ids(shelf):
        if is_stopped():
            break
        try:
            if _awaits_finish(shelf, upload_id):
                found.append(upload_id)
        except (TusError, OSError):
            pass  # removed meanwhile, torn, unreadable
        except Exception:  # an edge: no odd upload keeps the others from their end
            log.failure("cannot look at upload {upload_id}", upload_id=upload_id)
    return found


def _awaits_finish(shelf: Shelf, upload_id: str) -> bool:
    content = shelf.files.read(shelf.layout.record(upload_id), MAX_RECORD_BYTES + 1)
    return may_await_finish(content) and look_up(shelf, upload_id).info.awaits_finish


def find_ids(shelf: Shelf) -> Iterator[str]:
    """Find every id that has a record, in no order."""
    for path, is_directory in _walk(shelf):
        if not is_directory and path.endswith(RECORD_ENDING):
            upload_id = path.removesuffix(RECORD_ENDING)
            if is_upload_id(upload_id):
                yield upload_id


def find_directories(shelf: Shelf) -> Iterator[str]:
    """Find every directory in which uploads may lie, the root first."""
    yield shelf.layout.root
    # Not by _walk(): nothing is served before this, and it would take twice as long.
    above = [shelf.layout.root]
    while above:
        directory = above.pop()
        with suppress(OSError):
            for name, is_directory in shelf.files.scan(directory):
                if is_directory and not name.startswith("."):
                    path = os.path.join(directory, name)
                    yield path
                    above.append(path)


def _walk(shelf: Shelf) -> Iterator[tuple[str, bool]]:
    """Find every name under the root but hidden ones, and which are directories."""
    prefixes = [""]
    while prefixes:
        prefix = prefixes.pop()
        directory = shelf.layout.content(prefix) if prefix else shelf.layout.root
        with suppress(OSError):  # lost+found, or a directory removed meanwhile
            for name, is_directory in shelf.files.scan(directory):
                path = prefix + name
                if name.startswith("."):
                    continue
                if len(path) > _LONGEST_NAME and not is_directory:
                    continue  # no id is as long, but bytes may lie in any directory
                yield path, is_directory
                if is_directory:
                    prefixes.append(f"{path}/")
