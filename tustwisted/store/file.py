"""Uploads as files, in the layout of tusd (DESIGN D3, D4, D8)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from threading import Event

from attrs import define, field
from zope.interface import implementer

from tustwisted.abilities import (
    IChoosesPath,
    IChunkWriter,
    IConcatenates,
    IDefersLength,
    IFences,
    IOpensJudged,
    IPlaces,
    IReads,
    ISearch,
    ISweeps,
    IUploadReader,
    IVerifiesChunks,
)
from tustwisted.errors import StoreUnusable, TusError
from tustwisted.interfaces import IDataStore, IDisk, IUploadWriter
from tustwisted.lock.filesystem import network_filesystem
from tustwisted.probes import IHasRoom
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store import changes, lookup, removal, starting
from tustwisted.store.chunk import HELD_BYTES, FileChunk
from tustwisted.store.claims import FileClaim, claim
from tustwisted.store.concatenation import Concatenation, concatenate
from tustwisted.store.creation import Creation
from tustwisted.store.durability import Durability
from tustwisted.store.failures import storage_errors
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host, read_host
from tustwisted.store.ifiles import IFiles
from tustwisted.store.layout import Layout
from tustwisted.store.opening import open_at_end, open_judged
from tustwisted.store.placing import Placing
from tustwisted.store.reader import open_reader
from tustwisted.store.replacement import end_contest
from tustwisted.store.search import FileSearch
from tustwisted.store.sharedsync import SharedSync
from tustwisted.store.shelf import Shelf
from tustwisted.store.states import StateChange


@implementer(
    IDataStore,
    IChoosesPath,
    IConcatenates,
    IDefersLength,
    IFences,
    IOpensJudged,
    IPlaces,
    IReads,
    ISweeps,
    IVerifiesChunks,
    IHasRoom,
)
@define(eq=False, repr=False)
class FileStore:
    """
    Keeps the bytes of an upload in ``<directory>/<id>`` and its facts in ``<id>.info``.

    Several processes may share a directory, if they share its locks.  Everything that
    blocks goes through the disk: what may wait for the device by its ``sync``.
    """

    directory: str
    """The upload directory; a relative one is under the working directory of start."""

    _disk: IDisk

    durability: Durability = Durability.FINISH

    _file_mode: int = 0o664
    """Of new files; as with tusd, the umask takes its bits away."""

    _dir_mode: int = 0o775
    """Of new directories; as with tusd, the umask takes its bits away."""

    _files: IFiles = field(factory=OsFiles)

    _seconds: Callable[[], float] = time.time
    """Tells the time, seconds since 1970; called from any thread."""

    _read_host: Callable[[], Host] = read_host
    """Tells which machine and boot this is; called once, by :meth:`start`."""

    _network_filesystem: Callable[[str], str | None] = network_filesystem
    """Names a file system that other machines may use; called by :meth:`start`."""

    _held_bytes: int = HELD_BYTES
    """How much of a chunk is held in memory until it is verified."""

    _random_bytes: Callable[[int], bytes] = os.urandom
    """Gives what no two claims have in common."""

    finished_directory: str | None = None
    """Where finished uploads can be placed; beside the upload directory."""

    _stopped: Event = field(factory=Event, init=False)
    """Ends the searches that were begun since :meth:`start`; set in the reactor."""

    _shelf: Shelf = field(init=False)
    _directories: SharedSync = field(init=False)

    async def start(self) -> None:
        """
        Make the directories, if need be, and see that they can be written.

        :raises StoreUnusable: the upload directory cannot.
        :raises PlaceUnusable: finished uploads cannot be given names in theirs.
        """
        self._stopped = Event()  # another one, so that old searches stay stopped
        try:
            await self._disk.sync(self._start)
        except OSError as error:
            problem = starting.problem(error)
            raise StoreUnusable(self.directory, problem) from None

    def _start(self) -> None:
        layout = Layout(self.directory, self.finished_directory)
        starting.make_directories(self._files, layout, self._file_mode, self._dir_mode)
        self._shelf = Shelf(
            layout,
            self._files,
            self.durability,
            self._read_host(),
            self._file_mode,
            self._dir_mode,
            self._seconds,
            self._network_filesystem(layout.root) is None,
            self._random_bytes,
        )
        if self.durability.syncs:
            starting.sync_all_names(self._shelf)
        self._directories = SharedSync(
            lambda path: self._disk.sync(self._files.sync_directory, path)
        )

    async def stop(self) -> None:
        """End searches early; between calls the store holds nothing."""
        self._stopped.set()

    async def room(self) -> int:
        """See :meth:`tustwisted.probes.IHasRoom.room`."""
        return await self._disk.read(starting.room, self._shelf)

    async def create(self, info: UploadInfo) -> None:
        """
        See :meth:`tustwisted.interfaces.IDataStore.create`.

        :raises InvalidMetadata: it is too long to be kept; nothing remains.
        """
        creation = Creation(self._shelf, info)
        if self.durability is not Durability.STRICT:
            await self._disk.quick(creation.run)
            return
        await self._disk.sync(creation.run)
        await self._sync_new(info.upload_id, creation)

    async def concatenate(
        self, info: UploadInfo, is_wanted: Callable[[], bool]
    ) -> None:
        """See :meth:`tustwisted.abilities.IConcatenates.concatenate`."""
        work = Concatenation(self._shelf, info)
        await concatenate(work, self._disk, is_wanted)
        if self.durability is Durability.STRICT:
            await self._sync_new(info.upload_id, work)

    async def _sync_new(self, upload_id: str, new: Creation | Concatenation) -> None:
        try:
            await self._sync_names(upload_id, new.path)
        except TusError:
            await self._disk.copy(new.undo)
            raise

    async def _sync_names(self, upload_id: str, path: str | None = None) -> None:
        with storage_errors(upload_id):
            for directory in self._shelf.directories(upload_id, path):
                await self._directories.sync(directory)

    def check_path(self, path: str) -> None:
        """See :meth:`tustwisted.abilities.IChoosesPath.check_path`."""
        Layout(self.directory).chosen(path)

    def storage_of(self, info: UploadInfo) -> Storage:
        """See :meth:`tustwisted.abilities.IChoosesPath.storage_of`."""
        layout = self._shelf.layout
        record = layout.record(info.upload_id)
        if info.storage is None:
            return Storage(layout.content(info.upload_id), record)
        return Storage(layout.chosen(info.storage.path), record)

    async def info(self, upload_id: str) -> UploadInfo:
        """
        See :meth:`tustwisted.interfaces.IDataStore.info`.

        :raises StorageFailed: the file system would not tell.
        """
        return (await self._disk.quick(lookup.look_up, self._shelf, upload_id)).info

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        """
        See :meth:`tustwisted.interfaces.IDataStore.open_writer`.

        An upload past receiving is opened too, without a change, and takes no bytes.
        """
        return await open_at_end(self._shelf, self._disk, upload_id, offset)

    async def open_judged(
        self, upload_id: str, judge: Callable[[UploadInfo], object]
    ) -> tuple[UploadInfo, IUploadWriter]:
        """See :meth:`tustwisted.abilities.IOpensJudged.open_judged`."""
        return await open_judged(self._shelf, self._disk, upload_id, judge)

    async def open_chunk(self, upload_id: str, offset: int) -> IChunkWriter:
        """See :meth:`tustwisted.abilities.IVerifiesChunks.open_chunk`."""
        writer = await open_at_end(self._shelf, self._disk, upload_id, offset)
        return FileChunk(self._shelf, upload_id, writer, self._held_bytes)

    async def set_length(self, upload_id: str, length: int) -> None:
        """See :meth:`tustwisted.abilities.IDefersLength.set_length`."""
        run = self._disk.sync if self.durability.syncs else self._disk.quick
        await run(changes.put_length, self._shelf, upload_id, length)
        if self.durability is Durability.STRICT:
            await self._sync_names(upload_id)
        await self._require_claim(upload_id)

    async def open_reader(self, upload_id: str) -> IUploadReader:
        """See :meth:`tustwisted.abilities.IReads.open_reader`."""
        return await self._disk.quick(open_reader, self._shelf, upload_id)

    async def set_state(self, upload_id: str, state: UploadState) -> None:
        """See :meth:`tustwisted.interfaces.IDataStore.set_state`."""
        change = StateChange(self._shelf, self._disk, self._sync_names)
        await change.put(upload_id, state)
        await self._require_claim(upload_id)

    async def place(self, upload_id: str, names: Iterable[str], moves: bool) -> str:
        """
        See :meth:`tustwisted.abilities.IPlaces.place`.

        :raises UploadNotFinished: it is not whole.
        :raises ValueError: there is no ``finished_directory``.
        """
        if self.finished_directory is None:
            raise ValueError("there is no directory of finished uploads")
        await end_contest(self._shelf, self._disk, upload_id)
        placing = Placing(self._shelf, self._disk, self._sync_names)
        path = await placing.place(upload_id, names, moves)
        await self._require_claim(upload_id)
        return path

    async def _require_claim(self, upload_id: str) -> None:
        if self._shelf.passage is not None:
            await self._disk.quick(changes.require_claim, self._shelf, upload_id)

    async def remove(self, upload_id: str) -> None:
        """
        See :meth:`tustwisted.interfaces.IDataStore.remove`.

        :raises StorageFailed: the file system failed.
        """
        # In a thread: to free the blocks of a large file takes seconds.
        await self._disk.copy(removal.remove, self._shelf, upload_id)
        if self.durability is Durability.STRICT:
            await self._sync_names(upload_id)
        await self._require_claim(upload_id)

    async def claim(self, upload_id: str) -> FileClaim:
        """See :meth:`tustwisted.abilities.IFences.claim`."""
        shelf = await claim(self._shelf, self._disk, upload_id)
        store = copy(self)
        store._shelf = shelf
        return FileClaim(store, shelf, self._disk, upload_id)

    async def awaiting_finish(self) -> Sequence[str]:
        """
        See :meth:`tustwisted.interfaces.IDataStore.awaiting_finish`.

        :returns: what was found so far, when the store is stopped meanwhile.
        """
        return await self._disk.read(
            lookup.find_awaiting_finish, self._shelf, self._stopped.is_set
        )

    def search(self, leftover_before_s: float) -> ISearch:
        """See :meth:`tustwisted.abilities.ISweeps.search`."""
        return FileSearch(
            self._shelf, self._disk, leftover_before_s, self._stopped.is_set
        )
