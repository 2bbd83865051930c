"""
What many slow readers at once cost the daemon.

Run ``python -m bench.many_downloads [--readers 2000]``.  A slow reader reads the
headers and 16 bytes, and then nothing.  A fast one is a scenario of the benchmark:
``python -m bench --only get``.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bench.processes import Process
from bench.servers import start_daemon
from bench.wire import answer

_MIB = 2**20
_GIB = 2**30

_SETTLED_S = 1.0
"""Nothing has changed for so long: all that will be read has been read."""


@frozen
class Cost:
    """What the daemon holds at one moment."""

    memory_kib: int
    descriptors: int
    kernel_kib: int
    """Of socket buffers, of the whole machine."""


def cost(pid: int) -> Cost:
    """Look at a process and at the kernel."""
    sockets = Path("/proc/net/sockstat").read_text()
    pages = re.search(r"^TCP: .* mem (\d+)$", sockets, re.MULTILINE)
    return Cost(
        Process(pid).memory_kib("VmRSS"),
        len(os.listdir(f"/proc/{pid}/fd")),
        int(pages[1]) * os.sysconf("SC_PAGE_SIZE") // 1024 if pages else 0,
    )


def settled(pid: int) -> Cost:
    """Wait until the daemon has nothing more to do."""
    last, since = cost(pid), time.monotonic()
    while time.monotonic() - since < _SETTLED_S:
        time.sleep(0.1)
        now = cost(pid)
        moved = abs(now.memory_kib - last.memory_kib) > 100
        if moved or now.descriptors != last.descriptors:
            last, since = now, time.monotonic()
    return cost(pid)


def put(port: int, uploads: Path, size: int) -> str:
    """Create an upload and finish it; returns its path.  Its bytes are a hole."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        head = "Host: bench\r\nTus-Resumable: 1.0.0\r\n"
        client.sendall(
            f"POST /files/ HTTP/1.1\r\n{head}Upload-Length: {size}\r\n\r\n".encode()
        )
        location = re.search(rb"Location: http://bench(\S+)", answer(client))
        assert location is not None
        path = location[1].decode()
        os.truncate(uploads / path.rpartition("/")[2], size)
        client.sendall(  # all bytes are there: an empty PATCH finishes it
            f"PATCH {path} HTTP/1.1\r\n{head}Upload-Offset: {size}\r\n"
            "Content-Type: application/offset+octet-stream\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        assert b" 204 " in answer(client)
        return path


def begin_get(port: int, path: str, receive_bytes: int | None = None) -> socket.socket:
    """Ask for an upload."""
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    return client


def measure_slow(port: int, pid: int, path: str, readers: int, name: str) -> None:
    """Let many readers begin, and print what each of them costs."""
    before = settled(pid)
    began = time.monotonic()
    clients: list[socket.socket] = []
    while len(clients) < readers:  # in batches: the daemon's backlog is 50
        batch = [begin_get(port, path, 4096) for _ in range(40)]
        for client in batch:
            assert client.recv(16).startswith(b"HTTP/1.1 200 ")
        clients += batch
    took_s = time.monotonic() - began
    during = settled(pid)
    for client in clients:
        client.close()
    after = settled(pid)
    each = (during.memory_kib - before.memory_kib) / readers
    sys.stdout.write(
        f"{readers} slow readers of {name}:"
        f" {each:.1f} KiB resident,"
        f" {(during.descriptors - before.descriptors) / readers:.2f} descriptors,"
        f" {(during.kernel_kib - before.kernel_kib) / readers:.0f} KiB of socket"
        f" buffers each (both ends);"
        f" all begun in {took_s:.1f} s;"
        f" {(after.memory_kib - before.memory_kib) / 1024:.0f} MiB and"
        f" {after.descriptors - before.descriptors} descriptors stay\n"
    )


@contextmanager
def daemon_in(directory: str) -> Iterator[tuple[int, int, Path]]:
    """Run a daemon; gives its port, its process and its directory."""
    uploads = Path(directory, "uploads")
    daemon, port = start_daemon(str(uploads), "none")
    assert daemon.stdout is not None
    log = threading.Thread(target=daemon.stdout.read, daemon=True)
    log.start()  # or a full pipe would stop the daemon
    try:
        yield port, daemon.pid, uploads
    finally:
        daemon.terminate()
        daemon.wait(20)


def main() -> None:
    """Measure readers of a small upload and of a large one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=2000)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for size, name in ((_MIB, "1 MiB"), (_GIB, "1 GiB")):
        # Each time a daemon of its own: memory that was used before is used again.
        with (
            tempfile.TemporaryDirectory(dir=".") as directory,
            daemon_in(directory) as (port, pid, uploads),
        ):
            path = put(port, uploads, size)
            for readers in (40, options.readers):  # at first to warm the code up
                measure_slow(port, pid, path, readers, name)


if __name__ == "__main__":
    main()
