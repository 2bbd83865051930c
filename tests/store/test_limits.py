"""What is too large for the store, or for the reactor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tests.store.support import StoreCase, intercepted, run
from tustwisted.errors import InvalidMetadata
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.opening import LARGE_CUT_BYTES
from tustwisted.testing import ImmediateDisk

_P = ParamSpec("_P")
_T = TypeVar("_T")


class NotingDisk(ImmediateDisk):
    """A disk that tells which way the call goes that is running."""

    running = ""

    async def quick(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        self.running = "quick"
        return f(*args, **kwargs)

    async def write(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        self.running = "write"
        return f(*args, **kwargs)

    async def copy(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call at once."""
        self.running = "copy"
        return f(*args, **kwargs)


class RecordTests(StoreCase):
    """Records that would be too long to be read."""

    def test_metadata_that_is_too_long(self) -> None:
        """An upload whose metadata cannot be kept is refused; nothing remains."""
        metadata = Metadata.from_pairs({"k": b"x" * 1_000_000})
        for durability in Durability:
            store = self.make(durability)
            too_long = UploadInfo("d/u", 1, metadata=metadata)
            error = self.assertRaises(InvalidMetadata, run, store.create(too_long))
            self.assertEqual(error.header, "Upload-Metadata")
            self.assertEqual(os.listdir(self.directory), [])
            run(store.create(UploadInfo("d/u", 1)))
            run(store.remove("d/u"))
            os.rmdir(self.path("d"))


class CutTests(StoreCase):
    """Cutting off what does not count."""

    def cut(self, surplus_bytes: int) -> list[str]:
        """Open an upload that is too long; tell which way its calls go."""
        self.begin(self.make(), b"abc")
        os.truncate(self.path("u"), 10 + surplus_bytes)
        disk = NotingDisk()
        ways: list[str] = []

        def note(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name in ("open", "truncate"):
                ways.append(disk.running)
            return call()

        files = intercepted(OsFiles(), note)
        store = FileStore(self.directory, disk, Durability.NONE, files=files)
        run(store.start())
        run(store.open_writer("u", 10)).close()
        self.assertEqual(os.stat(self.path("u")).st_size, 10)
        return ways

    def test_a_large_cut_is_made_in_a_thread(self) -> None:
        """To free many blocks takes long: the reactor is not kept waiting."""
        self.assertEqual(self.cut(LARGE_CUT_BYTES + 1), ["copy", "copy"])

    def test_a_small_cut_is_quick(self) -> None:
        """A cut that frees little is made like any other short call."""
        self.assertEqual(self.cut(LARGE_CUT_BYTES), ["quick", "quick"])
