"""
What the reactor does for small uploads, by function.

Run ``python -m bench.profile [--with-body] [--uploads 2000] [--connections 1]``.  The
daemon runs under cProfile, which makes calls dearer than they are: the counts are
exact, the shares are a hint.  Threads of the pool are not seen.  Waiting for events is
left out of all sums.
"""

from __future__ import annotations

import argparse
import os
import pstats
import sys
import tempfile
from pathlib import Path

from attrs import frozen

from bench.clients.small import Uploader, upload
from bench.scenarios.small import SIZE
from bench.servers import Tustwisted, serving

_WAITING = "<method 'poll' of 'select.epoll' objects>"


@frozen
class Item:
    """A function."""

    name: str
    calls: int
    own_s: float
    all_s: float
    """With what it calls."""


@frozen
class Profile:
    """What was recorded."""

    items: tuple[Item, ...]
    calls: int
    total_s: float

    @classmethod
    def read(cls, path: Path) -> Profile:
        """:param path: what cProfile has left."""
        stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
        items = [
            Item(_describe(*where), calls, own_s, all_s)
            for where, (_, calls, own_s, all_s, _) in stats.items()
            if where[2] != _WAITING
        ]
        calls, total_s = sum(i.calls for i in items), sum(i.own_s for i in items)
        return cls(tuple(items), calls, total_s)

    def lines(self, uploads: int, share: float) -> list[str]:
        """
        Tables of what takes more than a share.

        :param uploads: how many were made.
        :param share: of all time, from 0 to 1.
        """
        per = f"{self.total_s / uploads * 1000:.2f} ms"
        lines = [f"{self.calls / uploads:.0f} calls and {per} for each upload"]
        for title, seconds in (
            ("by itself", lambda i: i.own_s),
            ("with what it calls", lambda i: i.all_s),
        ):
            lines += ["", f"  share  calls/upload  {title}"]
            for item in sorted(self.items, key=seconds, reverse=True):
                part = seconds(item) / self.total_s
                if share <= part <= 1:  # more than 1: the loop, with its waiting
                    each = item.calls / uploads
                    lines.append(f"{part:7.1%}  {each:12.1f}  {item.name}")
        return lines


def _describe(file: str, line: int, name: str) -> str:
    """The function, and the last two parts of its file."""
    return name if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"


def record(uploads: int, connections: int, with_body: bool) -> Profile:
    """Make small uploads while a daemon is profiled."""
    with tempfile.TemporaryDirectory(dir=".") as place:
        stats = Path(place).resolve() / "stats"
        profiling = ("--profile", str(stats), "--profiler", "cprofile", "--savestats")
        server = Tustwisted(twistd_options=profiling)
        with serving(server, Path(place)) as running:
            content = os.urandom(SIZE)
            upload(
                [
                    Uploader.connect(running.site, content, with_body)
                    for _ in range(connections)
                ],
                uploads,
            )
        return Profile.read(stats)


def main() -> None:
    """Print what takes more than 5 %."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile")
    parser.add_argument("--uploads", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--with-body", action="store_true", help="one POST, no PATCH")
    parser.add_argument("--share", type=float, default=0.05)
    options = parser.parse_args()
    found = record(options.uploads, options.connections, options.with_body)
    sys.stdout.write("\n".join(found.lines(options.uploads, options.share)) + "\n")


if __name__ == "__main__":
    main()
