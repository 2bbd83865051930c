"""
What is doubtful about the file system of an upload directory.

Uploads can be kept there, or else the store would not start; but maybe not for as long,
or not as long ones, as somebody expects.  File systems of the network are the lockers'
concern: :mod:`tustwisted.lock.filesystem`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from attrs import frozen

from tustwisted.store.durability import Durability

_MOUNTS: Final = "/proc/self/mountinfo"

_IN_MEMORY: Final = ("tmpfs", "ramfs")

_OF_CONTAINERS: Final = ("overlay", "aufs")
"""Layers of an image, the topmost of which goes with its container."""

_FAT: Final = ("vfat", "msdos")

FAT_BYTES: Final = 2**32 - 1
"""The longest file on such a file system."""

FEW_BYTES: Final = 256 * 1024 * 1024

FEW_FILES: Final = 1000
"""An upload is two files, and with hooks its events are some more for a while."""

_LINE: Final = re.compile(r"^\d+ \d+ \d+:\d+ \S+ (\S+) .* - (\S+) ", re.MULTILINE)
"""Mount point and type in ``mountinfo``: see ``proc(5)``."""

_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@frozen
class Filesystem:
    """
    Where a directory lies.

    :param type: such as ``ext4``; empty where that cannot be told.
    :param point: where it is mounted.
    :param free_bytes: for this user.
    :param free_files: for this user; ``None`` where they are not counted.
    """

    type: str
    point: str
    free_bytes: int
    free_files: int | None


def look_at(directory: str) -> Filesystem:
    """
    Look where a directory lies; blocks for a moment.

    :raises OSError: it is not there.
    """
    path = os.path.realpath(directory)
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            point, name = mount_of(path, file.read())
    except OSError:  # not Linux, or no /proc
        point, name = "", ""
    room = os.statvfs(path)
    return Filesystem(
        name,
        point,
        room.f_bavail * room.f_frsize,
        room.f_favail if room.f_files else None,
    )


def mount_of(path: str, mounts: str) -> tuple[str, str]:
    """
    Find what is mounted where a path lies.

    :param path: absolute, without links.
    :param mounts: the text of ``/proc/self/mountinfo``.
    :returns: mount point and type; empty if it is not there, as in some chroots.
    """
    found = ("", "")
    for line in _LINE.finditer(mounts):
        point = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), line[1])
        # Of two at one place the later one hides the other.
        if len(point) >= len(found[0]) and f"{path}/".startswith(
            f"{point.rstrip('/')}/"
        ):
            found = (point, line[2])
    return found


def doubts_of(
    directory: str, durability: Durability, max_size_bytes: int | None
) -> Iterator[str]:
    """
    Say what is doubtful about a directory: see :func:`doubts`; blocks for a moment.

    :returns: nothing of one that is not there any more.
    """
    path = os.path.abspath(directory)
    with suppress(OSError):
        yield from doubts(path, look_at(path), durability, max_size_bytes)


def doubts(
    directory: str,
    found: Filesystem,
    durability: Durability,
    max_size_bytes: int | None,
) -> Iterator[str]:
    """
    Say what somebody should know who keeps uploads there, and what to do.

    :returns: a sentence for each doubt.
    """
    if found.type in _IN_MEMORY and durability.syncs:
        yield (
            f"{directory} lies in memory ({found.type}), so no upload survives a "
            "reboot: choose another --upload-dir, or --durability none if that is meant"
        )
    if found.type in _OF_CONTAINERS and found.point == "/":
        yield (
            f"{directory} lies in the container itself ({found.type}), so uploads go "
            "when it is removed: mount a volume there"
        )
    if found.type in _FAT and not 0 < (max_size_bytes or 0) <= FAT_BYTES:
        yield (
            f"{directory} lies on a file system ({found.type}) where no upload can be "
            f"longer than {FAT_BYTES} bytes: set --max-size to that, or less"
        )
    yield from _doubts_of_room(directory, found, max_size_bytes or 0)


def _doubts_of_room(
    directory: str, found: Filesystem, max_size_bytes: int
) -> Iterator[str]:
    if found.free_bytes < max_size_bytes:
        yield (
            f"{directory} has room for {found.free_bytes} bytes, less than one upload "
            "may have: make room, or lower --max-size"
        )
    elif found.free_bytes < FEW_BYTES:
        yield f"{directory} has room for {found.free_bytes} bytes only: make some"
    if found.free_files is not None and found.free_files < FEW_FILES:
        yield (
            f"{directory} has room for {found.free_files} files only (inodes), and "
            "each upload takes two: remove some"
        )
