"""What the file store does to its directory before it is used; all of it blocks."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from tustwisted.errors import NoSpace, PlaceUnusable, StorageFailed
from tustwisted.store import lookup
from tustwisted.store.failures import FULL
from tustwisted.store.ifiles import IFiles
from tustwisted.store.layout import Layout
from tustwisted.store.shelf import Shelf

_PROBLEMS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "it, or what it lies in, is not a directory",
    errno.EROFS: "read-only file system",
}


_LINK_PROBLEMS = {
    errno.EXDEV: "it is on another file system, or another mount, than the uploads",
    errno.EPERM: "its file system has no hard links",
    errno.EOPNOTSUPP: "its file system has no hard links",
    errno.ENOSYS: "its file system has no hard links",
}


def problem(error: OSError) -> str:
    """Tell, for a user, why a directory cannot be used."""
    number = error.errno or 0
    return _PROBLEMS.get(number) or os.strerror(number).lower()


def make_directories(files: IFiles, layout: Layout, file_mode: int, mode: int) -> None:
    """
    Make the directories of a store, if need be, and see that they can be used.

    :raises PlaceUnusable: finished uploads cannot be given names in theirs.
    :raises OSError: uploads cannot be kept in theirs.
    """
    make_root(files, layout.root, mode)
    probe(files, layout, file_mode)
    if layout.finished is not None:
        _make_finished(files, layout, layout.finished, file_mode, mode)


def make_root(files: IFiles, root: str, mode: int) -> None:
    """Make a directory, and those above it, unless they are there."""
    with suppress(FileExistsError):
        try:
            files.make_directory(root, mode)
        except FileNotFoundError:
            make_root(files, os.path.dirname(root), mode)
            files.make_directory(root, mode)


def _make_finished(
    files: IFiles, layout: Layout, directory: str, file_mode: int, mode: int
) -> None:
    """
    Make the directory of finished uploads, and try whether names can be given there.

    The upload directory is known by its names, so clients must not give any there.
    """
    try:
        finished, root = (
            f"{files.real(path).rstrip('/')}/" for path in (directory, layout.root)
        )
        if finished.startswith(root) or root.startswith(finished):
            raise PlaceUnusable(
                directory,
                f"it must lie beside the upload directory {layout.root}, neither in "
                "nor around it",
            )
        make_root(files, directory, mode)
        _probe_links(files, layout, file_mode)
    except OSError as error:
        raise PlaceUnusable(directory, _link_problem(error)) from None


def _probe_links(files: IFiles, layout: Layout, mode: int) -> None:
    source, target = layout.probe(), layout.finished_probe()
    try:
        # First without a link: no permission here is another problem than no links.
        files.write(target, b"", mode, False)
        files.unlink(target)
        files.write(source, b"", mode, False)
        files.link(source, target)
        files.unlink(target)
        files.unlink(source)
    except (FileExistsError, FileNotFoundError):
        pass  # another process tries the same at the same time, or died while it did
    except OSError as error:
        if error.errno not in FULL:
            raise


def _link_problem(error: OSError) -> str:
    return _LINK_PROBLEMS.get(error.errno or 0) or problem(error)


def probe(files: IFiles, layout: Layout, mode: int) -> None:
    """
    See that a directory can be written, or is full.

    A full disk still serves what is there, and lets it be removed.
    """
    try:
        files.write(layout.probe(), b"", mode, False)
    except OSError as error:
        if error.errno not in FULL:
            raise
    else:
        with suppress(FileNotFoundError):  # another process was faster
            files.unlink(layout.probe())


def room(shelf: Shelf) -> int:
    """
    Write and remove a byte, and tell for how many more there is room.

    :raises NoSpace: there is none.
    :raises StorageFailed: it cannot be written.
    """
    files, path = shelf.files, shelf.layout.probe()
    try:
        try:
            files.write(path, b"-", shelf.file_mode, False)
        finally:
            with suppress(FileNotFoundError):  # another process was faster
                files.unlink(path)
        return files.free_bytes(shelf.layout.root)
    except OSError as error:
        raise (NoSpace if error.errno in FULL else StorageFailed)() from error


def sync_all_names(shelf: Shelf) -> None:
    """
    Make durable what others left: the names above the root, and all in it.

    A process that was killed between a rename and the sync of its directory has left a
    record that we are about to tell of.
    """
    above = _above(shelf.layout.root)
    if shelf.layout.finished is not None:
        above += [shelf.layout.finished, *_above(shelf.layout.finished)]
    for directory in (*dict.fromkeys(above), *lookup.find_directories(shelf)):
        with suppress(OSError):  # one that we may not read
            shelf.files.sync_directory(directory)


def _above(directory: str) -> list[str]:
    found: list[str] = []
    while directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
        found.append(directory)
    return found
