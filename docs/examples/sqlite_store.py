"""
A store of one's own: records in SQLite, bytes in files.

Run it with ``PYTHONPATH=. twistd -n tus --store sqlite_store:make_store``.
"""

from __future__ import annotations

import io
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attrs import define, evolve, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.abilities import IDefersLength
from tustwisted.errors import (
    NoSpace,
    OffsetConflict,
    StorageFailed,
    StoreUnusable,
    UploadExists,
    UploadNotFound,
)
from tustwisted.interfaces import IDataStore, IDisk, IUploadWriter
from tustwisted.lock.directory import DirectoryLock
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.failures import FULL

log = Logger()

Pwrite = Callable[[int, memoryview, int], int]

# -- the schema
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS uploads (
    file TEXT PRIMARY KEY,         -- its name in bytes/; not there before it is needed
    id TEXT UNIQUE,                -- NULL: it was removed, and its file is to go
    length INTEGER,                -- NULL: it is told later
    state TEXT NOT NULL,
    metadata TEXT NOT NULL,        -- Upload-Metadata, as it was sent
    created_s REAL NOT NULL,
    is_partial INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    partial_uploads TEXT NOT NULL, -- ids have no blanks in them
    concat_header TEXT NOT NULL,
    owner TEXT,                    -- this and the rest: NULL unless a hook has set it
    max_size_bytes INTEGER,
    expire_after_s REAL
);
CREATE INDEX IF NOT EXISTS unfinished ON uploads (state) WHERE state <> 'finished';
"""
# -- the schema ends


class _Connection:
    """A connection to the database, which threads use in turn."""

    def __init__(self, path: Path) -> None:
        self._turn = threading.Lock()
        # Without an isolation level each statement is a transaction of its own.
        self._sqlite = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False
        )
        self._sqlite.row_factory = sqlite3.Row

    def prepare(self) -> None:
        """Make the table, and have every change on the device when it is done."""
        self._sqlite.executescript(_SCHEMA)

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return what a SELECT finds."""
        with self._turn:
            return self._sqlite.execute(sql, values).fetchall()

    def change(self, sql: str, *values: object) -> None:
        """Do something that is on the device when this returns."""
        with self._turn:
            self._sqlite.execute(sql, values)

    def close(self) -> None:
        """Close it, after what is going on."""
        with self._turn:
            self._sqlite.close()


@contextmanager
def _errors() -> Iterator[None]:
    """Turn an error from below into one for the client; the log gets all of it."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in FULL:
            log.warn("no space left: {error}", error=error)
            raise NoSpace from None
        log.failure("the store failed")
        raise StorageFailed from None


@implementer(IDataStore, IDefersLength)
@define(eq=False)
class SqliteStore:
    """
    Keeps records in ``<directory>/records.sqlite3`` and bytes in ``<directory>/bytes``.

    For one process.  What blocks is done in threads, by the methods with an underscore.
    """

    directory: str
    """Made if missing; a relative one is under the working directory of start."""

    _disk: IDisk
    _pwrite: Pwrite = os.pwrite
    _fsync: Callable[[int], None] = os.fsync
    _bytes: Path = field(init=False)
    _changing: _Connection = field(init=False)
    _reading: _Connection = field(init=False)
    _taken: ExitStack = field(init=False, factory=ExitStack)

    async def start(self) -> None:
        await self._disk.sync(self._start)

    def _start(self) -> None:
        with ExitStack() as taken:  # all of it is given back if something fails
            try:
                self._take(taken)
            except (OSError, sqlite3.Error) as error:
                problem = getattr(error, "strerror", None) or str(error)
                raise StoreUnusable(self.directory, problem.lower()) from error
            self._taken = taken.pop_all()

    def _take(self, taken: ExitStack) -> None:
        root = Path(self.directory).absolute()
        self._bytes = root / "bytes"
        self._bytes.mkdir(parents=True, exist_ok=True)
        # First of all: another process may be at work here.
        lock = DirectoryLock(str(self._bytes))
        lock.take()
        taken.callback(lock.release)
        self._changing = _Connection(root / "records.sqlite3")
        taken.callback(self._changing.close)
        self._reading = _Connection(root / "records.sqlite3")
        taken.callback(self._reading.close)
        self._changing.prepare()
        for row in self._reading.read("SELECT file FROM uploads WHERE id IS NULL"):
            self._forget(row["file"])
        for directory in (self._bytes, *self._bytes.parents):
            with suppress(OSError):  # one that we may not read
                self._sync(directory)

    async def stop(self) -> None:
        await self._disk.sync(self._taken.close)

    async def create(self, info: UploadInfo) -> None:
        await self._disk.sync(self._create, info)

    @_errors()
    def _create(self, info: UploadInfo) -> None:
        try:
            self._changing.change(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                secrets.token_hex(16),
                info.upload_id,
                info.length,
                info.state.value,
                info.metadata.header,
                info.created_s,
                info.is_partial,
                info.is_final,
                " ".join(info.partial_uploads),
                info.concat_header,
                info.owner,
                info.max_size_bytes,
                info.expire_after_s,
            )
        except sqlite3.IntegrityError:
            raise UploadExists(info.upload_id) from None

    async def info(self, upload_id: str) -> UploadInfo:
        info, _ = await self._disk.read(self._find, upload_id)
        return info

    @_errors()
    def _find(self, upload_id: str) -> tuple[UploadInfo, Path]:
        row = self._row(upload_id)
        info = self._tell(row)
        if not info.offset:
            self._row(upload_id)  # or its file is gone because it was just removed
        return info, self._bytes / row["file"]

    def _row(self, upload_id: str) -> sqlite3.Row:
        if is_upload_id(upload_id):
            sql = "SELECT * FROM uploads WHERE id = ?"
            for row in self._reading.read(sql, upload_id):
                return row
        raise UploadNotFound

    def _tell(self, row: sqlite3.Row) -> UploadInfo:
        """Tell what a record and the file of its bytes say together."""
        info = UploadInfo(
            row["id"],
            row["length"],
            metadata=parse_metadata([row["metadata"].encode("ascii")]),
            state=UploadState(row["state"]),
            created_s=row["created_s"],
            is_partial=bool(row["is_partial"]),
            is_final=bool(row["is_final"]),
            partial_uploads=tuple(row["partial_uploads"].split()),
            concat_header=row["concat_header"],
            owner=row["owner"],
            max_size_bytes=row["max_size_bytes"],
            expire_after_s=row["expire_after_s"],
            modified_s=row["created_s"],
        )
        with suppress(FileNotFoundError):  # until the first writer has made it
            file = (self._bytes / row["file"]).stat()
            offset = file.st_size
            if info.length is not None:
                offset = min(offset, info.length)
            modified_s = max(file.st_mtime, info.created_s)
            info = evolve(info, offset=offset, modified_s=modified_s)
        if info.state is not UploadState.RECEIVING and not info.is_whole:
            raise UploadNotFound  # somebody has taken its bytes away
        return info

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        return await self._disk.write(self._open_writer, upload_id, offset)

    @_errors()
    def _open_writer(self, upload_id: str, offset: int) -> _Writer:
        info, path = self._find(upload_id)
        if offset != info.offset:
            raise OffsetConflict(info.offset, offset)
        if info.state is not UploadState.RECEIVING:
            return _Writer(None, offset, self._pwrite)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        file = os.fdopen(fd, "wb", buffering=0)
        if os.fstat(fd).st_size > offset:
            os.ftruncate(fd, offset)
        return _Writer(file, offset, self._pwrite)

    async def set_length(self, upload_id: str, length: int) -> None:
        await self._disk.sync(self._put, "length", length, upload_id)

    async def set_state(self, upload_id: str, state: UploadState) -> None:
        await self._disk.sync(self._set_state, upload_id, state)

    @_errors()
    def _set_state(self, upload_id: str, state: UploadState) -> None:
        info, path = self._find(upload_id)
        if info.offset and state is not UploadState.RECEIVING:
            try:
                self._sync(path)
            except OSError:
                # The kernel takes the bytes for written now, and the next sync would
                # say so: they have to come again.
                os.truncate(path, 0)
                raise
            self._sync(self._bytes)
        self._put("state", state.value, upload_id)

    def _sync(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._fsync(fd)
        finally:
            os.close(fd)

    @_errors()
    def _put(self, column: str, value: object, upload_id: str) -> None:
        file = self._row(upload_id)["file"]
        sql = f"UPDATE uploads SET {column} = ? WHERE file = ?"
        self._changing.change(sql, value, file)

    async def remove(self, upload_id: str) -> None:
        await self._disk.sync(self._remove, upload_id)

    @_errors()
    def _remove(self, upload_id: str) -> None:
        file = self._row(upload_id)["file"]
        self._put("id", None, upload_id)
        self._forget(file)

    def _forget(self, file: str) -> None:
        (self._bytes / file).unlink(missing_ok=True)
        self._changing.change("DELETE FROM uploads WHERE file = ?", file)

    async def awaiting_finish(self) -> Sequence[str]:
        return await self._disk.read(self._awaiting_finish)

    @_errors()
    def _awaiting_finish(self) -> list[str]:
        found = []
        for row in self._reading.read(
            "SELECT * FROM uploads WHERE state <> 'finished' AND id IS NOT NULL"
        ):
            with suppress(UploadNotFound):
                if self._tell(row).awaits_finish:
                    found.append(row["id"])
        return found


@implementer(IUploadWriter)
@define(eq=False)
class _Writer:
    _file: io.FileIO | None
    """``None``: it takes no bytes (any more)."""

    offset: int
    _pwrite: Pwrite
    sync_due = False  # neither write nor settle waits for the device

    @_errors()
    def write(self, buffers: Sequence[bytes]) -> None:
        if self._file is None:
            raise StorageFailed
        try:
            for buffer in buffers:
                rest = memoryview(buffer)
                while rest:
                    written = self._pwrite(self._file.fileno(), rest, self.offset)
                    self.offset += written
                    rest = rest[written:]
        except OSError:
            self.close()
            raise

    def settle(self) -> int:
        return self.offset

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def make_store(directory: str, disk: IDisk) -> SqliteStore:
    """Make the store for ``--store``; opens nothing."""
    return SqliteStore(directory, disk)
