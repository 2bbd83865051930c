"""What the file store does to its directory before it is used; all of it blocks."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

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


def problem(error: OSError) -> str:
    """Tell, for a user, why a directory cannot be used."""
    number = error.errno or 0
    return _PROBLEMS.get(number) or os.strerror(number).lower()


def make_root(files: IFiles, root: str, mode: int) -> None:
    """Make a directory, and those above it, unless they are there."""
    with suppress(FileExistsError):
        try:
            files.make_directory(root, mode)
        except FileNotFoundError:
            make_root(files, os.path.dirname(root), mode)
            files.make_directory(root, mode)


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


def sync_all_names(shelf: Shelf) -> None:
    """
    Make durable what others left: the names above the root, and all in it.

    A process that was killed between a rename and the sync of its directory has left a
    record that we are about to tell of.
    """
    root = shelf.layout.root
    above: list[str] = []
    while root != os.path.dirname(root):
        root = os.path.dirname(root)
        above.append(root)
    for directory in (*above, *lookup.find_directories(shelf)):
        with suppress(OSError):  # one that we may not read
            shelf.files.sync_directory(directory)
