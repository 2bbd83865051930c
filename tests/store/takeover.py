"""
Two and more holders of one upload, of whom the older ones are frozen and go on later.

All that a store does is a call on its files, so a holder is frozen by running the whole
story of his successor right before one of his calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from tests.store.support import HELD_BYTES, HOST, intercepted, run
from tustwisted.abilities import IClaim
from tustwisted.errors import (
    LockLost,
    OffsetConflict,
    StorageFailed,
    TusError,
    UploadNotFound,
)
from tustwisted.interfaces import IUploadWriter
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.chunk import FileChunk
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.store.layout import CLAIMS
from tustwisted.testing import ImmediateDisk

LENGTH = 24
FIRST = b"committed"
"""What is in the upload before anybody claims it."""

ID = "day/u"

REFUSALS = (LockLost, OffsetConflict, StorageFailed, UploadNotFound)
"""What whoever has lost the upload may be told."""


class UnsyncedFiles(OsFiles):
    """Real files, without the waiting."""

    def fdatasync(self, fd: int) -> None:
        """Do nothing, for the power stays."""

    def sync_directory(self, path: str) -> None:
        """Do nothing."""

    def write(self, path: str, content: bytes, mode: int, synced: bool) -> None:
        """Write a small file."""
        super().write(path, content, mode, False)


@define
class Freeze:
    """Lets something else happen right before one call."""

    number: int
    meanwhile: Callable[[], None]
    count: int = 0

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, once it is thawed."""
        self.count += 1
        if self.count == self.number:
            self.meanwhile()
        return call()


@define
class World:
    """A directory, and what its users were told."""

    directory: str
    durability: Durability
    length: int | None = LENGTH
    files: IFiles = field(factory=UnsyncedFiles)
    now_s: float = 1000.0
    told: bytes = b""
    """What the upload must begin with."""

    told_state: UploadState | None = None
    told_length: int | None = None
    frozen: list[IClaim] = field(factory=list)
    """Those whose processes are alive as long as they are in here."""

    is_removed: bool = False
    """Its record was taken out of its place by whoever was to remove it."""

    def make_store(
        self, files: IFiles | None = None, letter: bytes = b"-"
    ) -> FileStore:
        """Return the store of one process, whose claims bear a letter."""
        store = FileStore(
            self.directory,
            ImmediateDisk(),
            self.durability,
            files=files or self.files,
            seconds=lambda: self.now_s,
            read_host=lambda: HOST,
            held_bytes=HELD_BYTES,
            random_bytes=lambda count: letter * count,
        )
        run(store.start())
        return store

    def begin(self) -> None:
        """Make an upload that has some bytes."""
        store = self.make_store()
        run(store.create(UploadInfo(ID, self.length)))
        writer = run(store.open_writer(ID, 0))
        writer.write([FIRST])
        self.told = FIRST[: writer.settle()]
        writer.close()

    @property
    def path(self) -> str:
        """Where the bytes are."""
        return f"{self.directory}/{ID}"

    def look(self, store: FileStore) -> UploadInfo:
        """Look at the upload and see that all is there which anybody was told."""
        info = run(store.info(ID))
        self.check(info)
        return info

    def check(self, info: UploadInfo) -> None:
        """See that what is told of the upload now is what everybody was told."""
        assert not self.is_removed, "it comes back"
        found = b""
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                found = file.read()
        assert len(found) >= info.offset, (len(found), info)
        assert found[: info.offset].startswith(self.told), (found, self.told)
        assert self.told_state in (None, info.state) or (
            info.state is UploadState.FINISHED  # by whoever was frozen before he knew
        ), info
        assert self.told_length in (None, info.length), info
        self.told = found[: info.offset]

    def snapshot(self) -> dict[str, bytes]:
        """Return all files but claims."""
        found = {}
        for above, directories, names in os.walk(self.directory):
            if CLAIMS in directories:
                directories.remove(CLAIMS)
            for name in names:
                with open(f"{above}/{name}", "rb") as file:
                    found[os.path.relpath(f"{above}/{name}", self.directory)] = (
                        file.read()
                    )
        return found

    def has_record(self) -> bool:
        """Tell whether there is the upload."""
        return os.path.exists(f"{self.path}.info")

    def claims(self) -> list[str]:
        """List the claims of the upload, and the marks of those that were revoked."""
        found: list[str] = []
        for _above, directories, _names in os.walk(f"{self.directory}/{CLAIMS}"):
            found += [name[6:] for name in directories if name.startswith("day,u~")]
        return found


@define
class Holder:
    """One process that holds the upload, and writes bytes that show who it was."""

    world: World
    letter: bytes
    files: IFiles | None = None
    has_lost: bool = False
    """Somebody has claimed the upload since."""

    refused: TusError | None = None
    claim: IClaim | None = None
    """Its process is alive as long as this is there."""

    store: FileStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start its process."""
        self.store = self.world.make_store(self.files, self.letter)

    @property
    def has_claim(self) -> bool:
        """Nobody has taken its claim away, nor was it released."""
        return any(
            name.startswith((self.letter * 8).hex()) and "." not in name
            for name in self.world.claims()
        )

    def live(self, story: Story, end: str = "releases") -> None:
        """Claim the upload, do something to it, and release it, freeze or die."""
        try:
            self.claim = claim = run(self.store.claim(ID))
        except LockLost as refused:
            self.refused = refused
            return
        store = claim.store
        assert isinstance(store, FileStore)
        try:
            story(self, store)
        except REFUSALS as refused:
            self.refused = refused
        if end == "releases":
            run(claim.release())
        elif end == "freezes":
            self.world.frozen.append(claim)

    @contextmanager
    def promise(self) -> Iterator[None]:
        """Do what ends with a promise, which nobody may be given who has lost."""
        yield
        assert not self.has_lost, "a success is told that is not true"

    # -- deeds -------------------------------------------------------------------------

    def _bytes(self, count: int) -> bytes:
        return bytes(self.letter[0] + n for n in range(count))

    def _write(self, writer: IUploadWriter, count: int) -> None:
        begin, content = writer.offset, self._bytes(count)
        writer.write([content[:2], content[2:4]])
        self.world.now_s += 40.0  # so that a mark is due in the middle
        writer.write([content[4:]])
        if isinstance(writer, FileChunk):
            with self.promise():
                writer.accept()
        with self.promise():
            end = writer.settle()
        self.world.told = self.world.told[:begin] + content
        assert end == len(self.world.told)

    def _look(self, store: FileStore) -> UploadInfo:
        info = run(store.info(ID))
        if not self.has_lost:
            self.world.check(info)
        return info

    def _room(self, info: UploadInfo, count: int) -> int:
        if info.state is not UploadState.RECEIVING:
            return 0
        return count if info.length is None else min(count, info.length - info.offset)

    def append(self, store: FileStore, count: int = 6) -> None:
        """Add some bytes, if it takes any."""
        info = self._look(store)
        count = self._room(info, count)
        if not count:
            return
        writer = run(store.open_writer(ID, info.offset))
        try:
            self._write(writer, count)
        finally:
            writer.close()

    def append_chunk(self, store: FileStore) -> None:
        """Add some bytes that are verified."""
        info = self._look(store)
        count = self._room(info, 7)
        if not count:
            return
        chunk = run(store.open_chunk(ID, info.offset))
        try:
            self._write(chunk, count)
        finally:
            chunk.close()

    def doubt_chunk(self, store: FileStore) -> None:
        """Add bytes that are wrong, and take them back."""
        info = self._look(store)
        if not self._room(info, 7):
            return
        chunk = run(store.open_chunk(ID, info.offset))
        try:
            chunk.write([self._bytes(7)])
            chunk.discard()
            with self.promise():
                assert chunk.settle() == info.offset
        finally:
            chunk.close()

    def leave_chunk(self, store: FileStore) -> None:
        """Add bytes in doubt, and die."""
        info = self._look(store)
        if not self._room(info, 7):
            return
        chunk = run(store.open_chunk(ID, info.offset))
        chunk.write([self._bytes(7)])
        chunk.close()

    def finish(self, store: FileStore) -> None:
        """Bring the upload to its end."""
        self.set_length(store)
        info = self._look(store)
        assert info.length is not None
        if info.offset < info.length:
            self.append(store, info.length - info.offset)
        for state in (UploadState.FINISHING, UploadState.FINISHED):
            with self.promise():
                run(store.set_state(ID, state))
            self.world.told_state = state

    def set_length(self, store: FileStore) -> None:
        """Tell how long it is, unless somebody has."""
        if self._look(store).length is not None:
            return
        length = LENGTH + self.letter[0] - ord("A")
        with self.promise():
            run(store.set_length(ID, length))
        self.world.told_length = length

    def remove(self, store: FileStore) -> None:
        """Remove it."""
        with self.promise():
            run(store.remove(ID))
        self.world.is_removed = True

    def look(self, store: FileStore) -> None:
        """Do nothing to it."""
        self._look(store)


Story = Callable[[Holder, FileStore], None]


def frozen_at(
    world: World, letter: bytes, number: int, meanwhile: Callable[[Holder], None]
) -> tuple[Holder, Freeze]:
    """Return a holder who is frozen before one of his calls, after his start."""
    freeze = Freeze(10**9, lambda: meanwhile(holder))
    holder = Holder(world, letter, intercepted(world.files, freeze))
    freeze.number = freeze.count + number
    return holder, freeze
