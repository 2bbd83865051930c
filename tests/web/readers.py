"""A store that shows what is read of it, and may fail; a disk that reads by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tustwisted.abilities import IUploadReader
from tustwisted.interfaces import IDataStore
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk

_P = ParamSpec("_P")
_T = TypeVar("_T")


@implementer(IUploadReader)
@define(eq=False)
class WatchedReader:
    """
    A reader that tells what was done with it.

    :ivar reads: offset and size of each read.
    """

    _reader: Any
    _fails_at: int | None
    _error: Exception | None
    reads: list[tuple[int, int]] = field(factory=list)
    is_closed: bool = False

    @property
    def info(self) -> Any:
        """The upload."""
        return self._reader.info

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Read, or fail from an offset on."""
        assert not self.is_closed, "read after its close"
        if self._fails_at is not None and offset + size_bytes > self._fails_at:
            if self._error is None:
                return b""
            raise self._error
        self.reads.append((offset, size_bytes))
        content: bytes = self._reader.read(offset, size_bytes)
        return content

    def close(self) -> None:
        """Close."""
        assert not self.is_closed, "closed once only"
        self.is_closed = True
        self._reader.close()


class WatchedStore(MemoryStore):
    """
    A store whose readers can be watched.

    :ivar readers: all of them, in the order in which they were opened.
    """

    def __init__(
        self, fails_at: int | None = None, error: Exception | None = None
    ) -> None:
        """
        :param fails_at: what lies past this offset cannot be read.
        :param error: what is raised then; ``None``: there is nothing to read.
        """
        super().__init__()
        self.readers: list[WatchedReader] = []
        self.opening: Deferred[None] | None = None
        self._fails_at = fails_at
        self._error = error

    async def open_reader(self, upload_id: str) -> IUploadReader:
        """Open, perhaps when the test says so."""
        if self.opening is not None:
            await self.opening
        opened = await super().open_reader(upload_id)
        reader = WatchedReader(opened, self._fails_at, self._error)
        self.readers.append(reader)
        return reader

    @property
    def open_readers(self) -> int:
        """How many are open."""
        return sum(not reader.is_closed for reader in self.readers)


@implementer(IDataStore)
class WriteOnly:
    """A store without the ability to be read, whatever stands behind it."""

    def __init__(self, store: IDataStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@define(eq=False)
class ReadingDisk(ImmediateDisk):
    """A disk whose reads wait until the test does them."""

    waiting: list[Callable[[], None]] = field(factory=list)

    async def read(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Wait for :meth:`do_one`."""
        turn: Deferred[None] = Deferred()
        self.waiting.append(lambda: turn.callback(None))
        await turn
        return f(*args, **kwargs)

    def do_one(self) -> None:
        """Do the read, or the close, that waits longest."""
        self.waiting.pop(0)()

    def do_all(self) -> None:
        """Do what waits until nothing does."""
        while self.waiting:
            self.do_one()
