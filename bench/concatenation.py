"""
Putting two parts together: our daemon beside a bare ``copy_file_range`` loop.

Run ``python -m bench.concatenation [--size-mib 1024] [--rounds 3] [--durability none]``
with the size of each part.  What the copy costs is spent in the kernel on behalf of
the process, and so counts as its CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from attrs import frozen

from bench.processes import Process
from bench.servers import start_daemon
from bench.wire import answer

_MIB = 2**20


@frozen
class Cost:
    """What one copy cost."""

    seconds: float
    cpu_s: float


def put_part(uploads: Path, name: str, size_mib: int) -> None:
    """Write a finished partial upload, as tusd would have left it."""
    with open(uploads / name, "wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(_MIB))
    record = {"ID": name, "Size": size_mib * _MIB, "IsPartial": True}
    (uploads / f"{name}.info").write_text(json.dumps(record))


def measure_ours(port: int, pid: int) -> Cost:
    """Ask for the final upload and wait for the answer."""
    process = Process(pid)
    with socket.create_connection(("127.0.0.1", port), 600) as client:
        cpu_s, began = process.cpu_s(), time.monotonic()
        client.sendall(
            b"POST /files/ HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n"
            b"Upload-Concat: final;/files/a /files/b\r\nContent-Length: 0\r\n\r\n"
        )
        status = answer(client)
        assert b" 201 " in status, status
        return Cost(time.monotonic() - began, process.cpu_s() - cpu_s)


def measure_loop(uploads: Path, target: Path, durability: str) -> Cost:
    """Do the same here, with nothing around it."""
    cpu_s, began = time.process_time(), time.monotonic()
    with open(target, "wb") as out:
        for name in ("a", "b"):
            with open(uploads / name, "rb") as part:
                while os.copy_file_range(part.fileno(), out.fileno(), 16 * _MIB):
                    pass
        if durability != "none":
            os.fdatasync(out.fileno())
    return Cost(time.monotonic() - began, time.process_time() - cpu_s)


def show(name: str, costs: list[Cost]) -> None:
    """Print the median of some rounds, with the least and the most."""
    seconds, cpu_s = [c.seconds for c in costs], [c.cpu_s for c in costs]
    sys.stdout.write(
        f"{name:20} {statistics.median(seconds):6.2f} s"
        f" ({min(seconds):.2f}-{max(seconds):.2f})"
        f"  {statistics.median(cpu_s):6.2f} CPU s ({min(cpu_s):.2f}-{max(cpu_s):.2f})\n"
    )


def main() -> None:
    """Measure both, round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--durability", default="none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        uploads = Path(directory, "uploads")
        daemon, port = start_daemon(str(uploads), options.durability)
        try:
            for name in ("a", "b"):
                put_part(uploads, name, options.size_mib)
            os.sync()
            parts = {"a", "b", "a.info", "b.info"}
            ours, bare = [], []
            for _ in range(options.rounds):
                ours.append(measure_ours(port, daemon.pid))
                for path in uploads.glob("[!.]*"):
                    if path.name not in parts:
                        path.unlink()
                target = Path(directory, "loop")
                bare.append(measure_loop(uploads, target, options.durability))
                target.unlink()
        finally:
            daemon.terminate()
            daemon.wait(20)
    show("tustwisted", ours)
    show("copy_file_range loop", bare)


if __name__ == "__main__":
    main()
