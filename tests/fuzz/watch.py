"""What must not happen to the daemon's process, its log and the files around it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from tustwisted.lock.sockets import SOCKETS_NAME

CANARY = b"canary-5f2d-must-stay-in-its-cage"
"""What files hold that no request may read."""

_STORED = re.compile(
    r"[0-9a-f]{32}(\.info|\.info\.tmp|\.unverified|\.removed|\.tmp)?|\.tustwisted\..+"
)
"""Names that the store gives: ids that the server made, and its own."""

_PLANTED = "planted.info"
"""A record, as somebody with access to the store may put there, that leads outside."""

_RECORD = b'{"ID":"%b","Size":33,"Offset":33,"Storage":{"Path":"%b"}}'

_BAD_LINE = re.compile(r"Traceback|Unhandled|CRITICAL|\[[a-z._]+#(?:error|critical)\]")


@define(eq=False)
class Sandbox:
    """
    The directory that holds the store, with files beside it that look attractive.

    :param place: the daemon's working directory.
    :param store: the upload directory, below it.
    """

    place: Path
    store: Path
    _before: dict[str, tuple[int, int]] = field(init=False, factory=dict)

    def plant(self) -> None:
        """Put the canaries out, before the daemon starts."""
        for name in ("secret", "a", "passwd", "files/x", "etc/passwd", "tmp/.keep"):
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CANARY)
            record = _RECORD % (name.encode(), bytes(path))
            path.with_name(path.name + ".info").write_bytes(record)
        self.store.mkdir()
        self.plant_record()
        self._before = self._snapshot()

    def plant_record(self) -> None:
        """Put a record into the store that leads outside; a request may remove it."""
        record = _RECORD % (b"planted", bytes(self.place / "secret"))
        (self.store / _PLANTED).write_bytes(record)

    def faults(self) -> Iterator[str]:
        """Say what was created, changed or removed where nothing may be."""
        now = self._snapshot()
        for name in sorted(now.keys() | self._before.keys()):
            if now.get(name) != self._before.get(name):
                yield f"{name} outside the store was touched"
        for entry in os.scandir(self.store):
            known = _STORED.fullmatch(entry.name) or entry.name == _PLANTED
            is_directory = entry.is_dir(follow_symlinks=False)
            if not known or is_directory != (entry.name == SOCKETS_NAME):
                yield f"{entry.name} in the store is nothing that the server makes"

    def ids(self) -> list[bytes]:
        """List the uploads that have a record."""
        found = (entry.name for entry in os.scandir(self.store))
        return [
            name.removesuffix(".info").encode()
            for name in found
            if re.fullmatch(r"[0-9a-f]{32}\.info", name)
        ]

    def _snapshot(self) -> dict[str, tuple[int, int]]:
        found = {}
        for directory, _, names in os.walk(self.place):
            if Path(directory) in (self.store, self.store / SOCKETS_NAME):
                continue
            for name in names:
                path = Path(directory, name)
                stat = path.stat()
                if path != self.place / "daemon.log":
                    relative = str(path.relative_to(self.place))
                    found[relative] = (stat.st_size, stat.st_mtime_ns)
        return found


@define(eq=False)
class Log:
    """The daemon's log, read as it grows."""

    path: Path
    _seen_bytes: int = field(init=False, default=0)

    def faults(self) -> Iterator[str]:
        """Say what is new in it and should not be there."""
        with open(self.path, "rb") as file:
            file.seek(self._seen_bytes)
            new = file.read()
        self._seen_bytes += len(new)
        lines = new.decode("utf-8", "replace").splitlines()
        for number, line in enumerate(lines):
            if _BAD_LINE.search(line):
                yield "in the log: " + "\n".join(lines[number : number + 40])
                return


def descriptors(pid: int) -> int:
    """Count the open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid: int) -> int:
    """Tell how much memory of a process is resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
