"""
The memory of a daemon over many small uploads.

Run ``python -m bench.growth [--uploads 100000] [--steps 10] [--connections 8]``.  What
counts is the end: after the first steps the memory must stand still.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.clients.small import Uploader, upload
from bench.processes import metered
from bench.scenarios.small import SIZE
from bench.servers import Running, Tustwisted, serving


def grow(running: Running, uploads: int, steps: int, connections: int) -> None:
    """Print the memory after each of some equal steps."""
    content = os.urandom(SIZE)
    clients = [
        Uploader.connect(running.site, content, with_body=False)
        for _ in range(connections)
    ]
    sys.stdout.write("uploads  resident MiB  peak MiB  CPU ms/upload  uploads/s\n")
    for step in range(1, steps + 1):
        with metered(running.tree) as meter:
            upload(clients, uploads // steps)
        cost, each = meter.cost, uploads // steps
        sys.stdout.write(
            f"{step * each:7}  {running.tree.resident_kib() / 1024:12.2f}"
            f"  {running.tree.peak_kib() / 1024:8.2f}"
            f"  {cost.cpu_s / each * 1000:13.2f}  {each / cost.wall_s:9.0f}\n"
        )
        sys.stdout.flush()


def main() -> None:
    """Make all uploads in one daemon."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--uploads", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--durability", default="none")
    options = parser.parse_args()
    server = Tustwisted(durability=options.durability)
    with (
        tempfile.TemporaryDirectory(dir=".") as place,
        serving(server, Path(place).resolve()) as running,
    ):
        grow(running, options.uploads, options.steps, options.connections)


if __name__ == "__main__":
    main()
