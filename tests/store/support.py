"""What the tests of the file store share: running, failing, dying."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

from attrs import define
from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk

_T = TypeVar("_T")

HELD_BYTES = 4
"""How much of a chunk these stores hold in memory."""

HOST = Host("machine", "boot 1")
TAKES_SPACE = frozenset(
    {
        *("create", "open", "pwritev", "splice", "copy_range", "write"),
        *("make_directory", "link"),
    }
)


def steady(max_examples: int) -> settings:
    """Hypothesis that does the same every time and writes nothing down."""
    return settings(
        max_examples=max_examples, deadline=None, derandomize=True, database=None
    )


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run what waits for nothing, since its disk is immediate."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast(_T, done.value)
    raise AssertionError("this waits")


class Killed(Exception):
    """The process is dead."""


Intercept = Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]
"""Gets the name of a call, its arguments, and what makes it."""


class _Intercepted:
    def __init__(self, files: IFiles, intercept: Intercept) -> None:
        self._files = files
        self._intercept = intercept

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(self._files, name)
        return lambda *args: self._intercept(name, args, lambda: real(*args))


def intercepted(files: IFiles, intercept: Intercept) -> IFiles:
    """Put something between a store and its files."""
    return cast(IFiles, _Intercepted(files, intercept))


@define
class Recorder:
    """Notes which calls were made."""

    calls: list[str]

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Note one call and make it."""
        self.calls.append(name)
        return call()


@define
class FailAt:
    """Fails one call in a certain way, or all from it on that take space."""

    files: IFiles
    number: int
    error: int
    lasts: bool = False
    count: int = 0
    failed: bool = False

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, or half of it."""
        self.count += 1
        hit = self.count == self.number or (
            self.lasts and self.count > self.number and name in TAKES_SPACE
        )
        if not hit or name in ("close", "write_out"):
            return call()
        self.failed = True
        _half(self.files, name, args)
        raise OSError(self.error, "injected")


@define
class FailCalls:
    """Fails every call of one name."""

    name: str
    error: int = errno.EIO
    count: int = 0

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, if it has another name."""
        if name != self.name:
            return call()
        self.count += 1
        raise OSError(self.error, "injected")


@define
class FailNames:
    """Fails some calls on one name."""

    path: str
    names: set[str]
    error: int

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, if it is another one."""
        if name in self.names and args[0].endswith(f"/{self.path}"):
            raise OSError(self.error, "injected")
        return call()


@define
class DieAt:
    """Kills the process at one call: before, in the middle of, or after it."""

    files: IFiles
    number: int
    moment: str = "before"
    count: int = 0

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, as long as there is life."""
        if name == "close":  # the kernel does it for the dead
            return call()
        self.count += 1
        if self.count < self.number:
            return call()
        if self.count == self.number and self.moment == "after":
            with contextlib.suppress(OSError):
                call()
        elif self.count == self.number and self.moment == "middle":
            _half(self.files, name, args)
        raise Killed


def _half(files: IFiles, name: str, args: tuple[Any, ...]) -> None:
    """Do the first half of a call that has halves."""
    if name == "pwritev":
        fd, buffers, offset = args
        content = b"".join(buffers)
        files.pwritev(fd, [content[: len(content) // 2]], offset)
    elif name == "copy_range":
        source, begin, target, end, count = args
        files.copy_range(source, begin, target, end, count // 2)
    elif name == "write":
        path, content, mode, _ = args
        files.write(path, content[: len(content) // 2], mode, False)


class ShortWrites(OsFiles):
    """Writes at most some bytes at a time."""

    def __init__(self, most: int) -> None:
        self._most = most

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Write a little."""
        return super().pwritev(fd, [b"".join(buffers)[: self._most]], offset)

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """Write a little of a pipe."""
        return super().splice(pipe, fd, min(self._most, size_bytes), offset)


class StoreCase(SynchronousTestCase):
    """Tests with a file store on a directory of their own."""

    now_s = 1_700_000_000.0

    def setUp(self) -> None:
        """Choose a directory, not made yet."""
        self.directory = self.mktemp()

    def make(
        self,
        durability: Durability = Durability.FINISH,
        files: IFiles | None = None,
        host: Host = HOST,
    ) -> FileStore:
        """Return a started store."""
        store = FileStore(
            self.directory,
            ImmediateDisk(),
            durability,
            files=OsFiles() if files is None else files,
            seconds=lambda: self.now_s,
            read_host=lambda: host,
            held_bytes=HELD_BYTES,
        )
        run(store.start())
        return store

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return f"{self.directory}/{name}"

    def content(self, name: str) -> bytes:
        """Read a file in the directory."""
        with open(self.path(name), "rb") as file:
            return file.read()

    def put(self, name: str, content: bytes) -> None:
        """Write a file in the directory."""
        with open(self.path(name), "wb") as file:
            file.write(content)

    def begin(
        self, store: FileStore, content: bytes = b"", length: int | None = 10
    ) -> None:
        """Create the upload ``u`` and write some bytes of it."""
        run(store.create(UploadInfo("u", length)))
        if content:
            append(store, "u", content)


def append(store: FileStore, upload_id: str, *buffers: bytes) -> int:
    """Add bytes at the end of an upload, as a request does."""
    offset = run(store.info(upload_id)).offset
    writer = run(store.open_writer(upload_id, offset))
    try:
        writer.write(buffers)
        return writer.settle()
    finally:
        writer.close()


FAULTS = {"full": errno.ENOSPC, "over quota": errno.EDQUOT, "broken": errno.EIO}
