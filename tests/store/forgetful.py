"""
A file system in memory that forgets, when the power fails, what was not synced.

It keeps two views: what the kernel sees, and what is on the device.  ``fdatasync`` and
a synced ``write`` bring the content of one file to the device, ``sync_directory`` the
names in one directory, and nothing else does.  :meth:`ForgetfulFiles.lose_power` is the
adversary: of what was not synced any part may have reached the device, in any order:
a size without its bytes (zeros), some blocks of a write, a rename without the content.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import TypeAlias

from attrs import define, field
from zope.interface import implementer

from tustwisted.store.ifiles import FileStat, IFiles

# A campaign asks for the same few paths a million times.
basename = lru_cache(posixpath.basename)
dirname = lru_cache(posixpath.dirname)


@lru_cache
def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


_BLOCK = 4
"""Bytes that reach the device together; small, so that small files can tear."""


@define(eq=False)
class _File:
    content: bytearray = field(factory=bytearray)
    synced: bytes = b""
    since: list[bytes] = field(factory=list)
    """What the content was between the last sync and now."""

    def change(self) -> None:
        """Remember the content, which is about to change."""
        self.since.append(bytes(self.content))

    def sync(self) -> None:
        self.synced = bytes(self.content)
        self.since.clear()

    sync_all = sync

    def survivor(self, random: Random, known: _Known) -> _File:
        """Return what the device may hold of this file, the same for all its names."""
        if id(self) not in known:
            known[id(self)] = self._survivor(random)
        return known[id(self)]

    def _survivor(self, random: Random) -> _File:
        versions = [self.synced, *self.since, bytes(self.content)]
        size = len(random.choice(versions))
        safe = min(len(version) for version in versions)
        survived = bytearray()
        for start in range(0, size, _BLOCK):
            end = min(start + _BLOCK, size)
            block = random.choice(versions)[start:end]
            if random.random() < 0.25:
                block = block[: max(0, safe - start)]
            survived += block.ljust(end - start, b"\0")
        return _File(survived, bytes(survived))


@define(eq=False)
class _Directory:
    names: dict[str, _Node] = field(factory=dict)
    synced: dict[str, _Node] = field(factory=dict)
    since: dict[str, list[_Node | None]] = field(factory=dict)
    """What each name that changed since the last sync stood for in the meantime."""

    def set(self, name: str, node: _Node | None) -> None:
        self.since.setdefault(name, []).append(self.names.get(name))
        if node is None:
            del self.names[name]
        else:
            self.names[name] = node

    def sync(self) -> None:
        self.synced = dict(self.names)
        self.since.clear()

    def sync_all(self) -> None:
        self.sync()
        for node in self.names.values():
            node.sync_all()

    def survivor(self, random: Random, known: _Known) -> _Directory:
        """Return what the device may hold of this directory and all in it."""
        survived: dict[str, _Node] = {}
        for name in sorted({*self.synced, *self.names, *self.since}):
            found = random.choice(
                [self.synced.get(name), *self.since[name], self.names.get(name)]
                if name in self.since
                else [self.synced.get(name)]
            )
            if found is not None:
                survived[name] = found.survivor(random, known)
        return _Directory(survived, dict(survived))


_Node: TypeAlias = _File | _Directory
_Known: TypeAlias = dict[int, _File]
"""What has survived of files that were met, by the identity of these."""


@implementer(IFiles)
@define(eq=False)
class ForgetfulFiles:
    """Files in memory, of one machine between two power losses."""

    _root: _Directory = field(factory=_Directory)
    _open: dict[int, _File] = field(factory=dict, init=False)
    _next_fd: int = field(default=1000, init=False)

    def lose_power(self, random: Random) -> ForgetfulFiles:
        """Return the files that are there after the power was gone."""
        return ForgetfulFiles(self._root.survivor(random, {}))

    def sync_all(self) -> None:
        """Let time pass until the kernel has written everything out."""
        self._root.sync_all()

    def _directory(self, path: str) -> _Directory:
        found = self._root
        for name in _names(path):
            below = found.names.get(name)
            if below is None:
                raise FileNotFoundError(2, "no such directory", path)
            if not isinstance(below, _Directory):
                raise NotADirectoryError(20, "not a directory", path)
            found = below
        return found

    def _find(self, path: str) -> _File | None:
        found = self._directory(dirname(path)).names.get(basename(path))
        if isinstance(found, _Directory):
            raise IsADirectoryError(21, "is a directory", path)
        return found

    def _need(self, path: str) -> _File:
        found = self._find(path)
        if found is None:
            raise FileNotFoundError(2, "no such file", path)
        return found

    def _make(self, path: str) -> _File:
        file = _File()
        self._directory(dirname(path)).set(basename(path), file)
        return file

    def _hold(self, file: _File) -> int:
        self._next_fd += 1
        self._open[self._next_fd] = file
        return self._next_fd

    def free_bytes(self, path: str) -> int:
        """Tell how much room there is."""
        return 2**40

    def create(self, path: str, mode: int) -> int:
        """Create and open a file that is not there."""
        if basename(path) in self._directory(dirname(path)).names:
            raise FileExistsError(17, "exists", path)
        return self._hold(self._make(path))

    def open(self, path: str, mode: int) -> int:
        """Open a file, or create it."""
        return self._hold(self._find(path) or self._make(path))

    def open_existing(self, path: str) -> int:
        """Open a file that is there."""
        return self._hold(self._need(path))

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Write everything."""
        file, added = self._open[fd], b"".join(buffers)
        file.change()
        file.content.extend(bytes(max(0, offset - len(file.content))))
        file.content[offset : offset + len(added)] = added
        return len(added)

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """Write what is in the pipe."""
        return self.pwritev(fd, [os.read(pipe, size_bytes)], offset)

    def open_to_read(self, path: str) -> int:
        """Open a file."""
        return self._hold(self._need(path))

    def pread(self, fd: int, size_bytes: int, offset: int) -> bytes:
        """Read some bytes."""
        return bytes(self._open[fd].content[offset : offset + size_bytes])

    def copy_range(
        self,
        source: int,
        source_offset: int,
        target: int,
        target_offset: int,
        count: int,
    ) -> int:
        """Copy everything."""
        content = self.pread(source, count, source_offset)
        return self.pwritev(target, [content], target_offset)

    def write_out(self, fd: int, offset: int, length: int) -> None:
        """Promise nothing."""

    def fdatasync(self, fd: int) -> None:
        """Bring a file to the device."""
        self._open[fd].sync()

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file off."""
        file = self._open[fd]
        file.change()
        del file.content[size:]

    def stat_open(self, fd: int) -> FileStat:
        """Tell of an open file."""
        return FileStat(len(self._open[fd].content), 0.0)

    def close(self, fd: int) -> None:
        """Let go of a file."""
        del self._open[fd]

    def stat(self, path: str) -> FileStat | None:
        """Tell of a file."""
        try:
            return FileStat(len(self._need(path).content), 0.0)
        except FileNotFoundError:
            return None

    def changed_s(self, path: str) -> float:
        """Tell nothing: there are no times in here."""
        if basename(path) not in self._directory(dirname(path)).names:
            raise FileNotFoundError(2, "no such file", path)
        return 0.0

    def exists(self, path: str) -> bool:
        """Tell whether anything is there."""
        try:
            return basename(path) in self._directory(dirname(path)).names
        except (FileNotFoundError, NotADirectoryError):
            return False

    def real(self, path: str) -> str:
        """Return the path: there are no symlinks in here."""
        return path

    def read(self, path: str, limit: int) -> bytes:
        """Read a file."""
        return bytes(self._need(path).content[:limit])

    def write(self, path: str, content: bytes, mode: int, synced: bool) -> None:
        """Write a small file anew."""
        file = self._find(path) or self._make(path)
        file.change()
        file.content[:] = content
        if synced:
            file.sync()

    def replace(self, source: str, target: str) -> None:
        """Rename a file."""
        file = self._need(source)
        self._directory(dirname(target)).set(basename(target), file)
        self._directory(dirname(source)).set(basename(source), None)

    def link(self, source: str, target: str) -> None:
        """Give a file another name."""
        file, above = self._need(source), self._directory(dirname(target))
        if basename(target) in above.names:
            raise FileExistsError(17, "exists", target)
        above.set(basename(target), file)

    def is_same(self, path: str, other: str) -> bool:
        """Compare what two names stand for."""
        try:
            return self._need(path) is self._need(other)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def can_rename(self, source: str, target: str) -> bool:
        """Tell that all of this is one file system."""
        self._directory(source)
        self._directory(target)
        return True

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._need(path)
        self._directory(dirname(path)).set(basename(path), None)

    def sync_directory(self, path: str) -> None:
        """Bring the names in a directory to the device."""
        self._directory(path).sync()

    def make_directory(self, path: str, mode: int) -> None:
        """Make a directory."""
        above, name = self._directory(dirname(path)), basename(path)
        if name in above.names:
            raise FileExistsError(17, "exists", path)
        above.set(name, _Directory())

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        if self._directory(path).names:
            raise OSError(39, "not empty", path)
        self._directory(dirname(path)).set(basename(path), None)

    def require_directory(self, path: str) -> None:
        """See that a directory is there."""
        self._directory(path)

    def lock_directory(self, path: str) -> int:
        """Refuse: here, nobody knows who is alive."""
        self._directory(path)
        raise OSError(95, "no locks", path)

    def scan(self, path: str) -> Iterator[tuple[str, bool]]:
        """List a directory."""
        for name, node in list(self._directory(path).names.items()):
            yield name, isinstance(node, _Directory)
