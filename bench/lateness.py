"""
How late the reactor is while uploads saturate the disk.

Run ``python -m bench.lateness [--size-gib 3] [--place DIRECTORY]``.  Two clients send
so much each, and nothing is synced; a timer that is due every 5 ms tells how late it
is.  Bytes that flow are spliced in threads, as by the daemon (``threads``), or in the
reactor (``place``).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.processes import Process

_TICK_S = 0.005
_GIB = 2**30


def serve(port: int, directory: str, kind: str, told: str) -> None:
    """Serve until stopped; then write how late each tick was, seconds."""
    from twisted.internet import reactor as any_reactor  # noqa: PLC0415
    from twisted.internet.defer import Deferred  # noqa: PLC0415

    from tustwisted.disk import Disk  # noqa: PLC0415
    from tustwisted.lock.memory import MemoryLocker  # noqa: PLC0415
    from tustwisted.store.durability import Durability  # noqa: PLC0415
    from tustwisted.store.file import FileStore  # noqa: PLC0415
    from tustwisted.uploads.uploads import Uploads  # noqa: PLC0415
    from tustwisted.web.resource import TusResource, below  # noqa: PLC0415
    from tustwisted.web.streaming import StreamingSite  # noqa: PLC0415

    class InPlace(Disk):
        """A disk to which all is written in the reactor."""

        async def write(self, f: Any, *args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

    reactor: Any = any_reactor
    late_s: list[float] = []

    def tick(due_s: float) -> None:
        now_s = time.monotonic()
        late_s.append(now_s - due_s)
        reactor.callLater(_TICK_S, tick, now_s + _TICK_S)

    disk = (InPlace if kind == "place" else Disk)(reactor)
    store = FileStore(directory, disk, Durability.NONE)
    uploads = Uploads(store, MemoryLocker(reactor), disk, reactor)
    disk.start()
    started = Deferred.fromCoroutine(uploads.start())
    site = StreamingSite(below("/files/", TusResource(uploads)), reactor=reactor)
    started.addCallback(  # type: ignore[unused-awaitable]
        lambda _: reactor.listenTCP(port, site, interface="127.0.0.1")
    )
    reactor.callWhenRunning(tick, time.monotonic())
    reactor.run()
    Path(told).write_text(json.dumps(late_s))
    os._exit(0)  # threads may be in the middle of a write


_CLIENT = """
import os, re, socket, sys
port, size = int(sys.argv[1]), int(sys.argv[2])
content = os.memfd_create("content")
for _ in range(256):
    os.write(content, os.urandom(2**20))
client = socket.create_connection(("127.0.0.1", port))
head = "Host: bench\\r\\nTus-Resumable: 1.0.0\\r\\n"
begin = f"POST /files/ HTTP/1.1\\r\\n{head}Upload-Length: {size}\\r\\n\\r\\n"
client.sendall(begin.encode())
path = re.search(rb"Location: http://bench(\\S+)", client.recv(65536))[1].decode()
client.sendall((f"PATCH {path} HTTP/1.1\\r\\n{head}Upload-Offset: 0\\r\\n"
    "Content-Type: application/offset+octet-stream\\r\\n"
    f"Content-Length: {size}\\r\\n\\r\\n").encode())
sent = 0
while sent < size:
    begin = sent % 2**28
    rest = min(2**28 - begin, size - sent)
    sent += os.sendfile(client.fileno(), content, begin, rest)
print(client.recv(65536)[:12].decode())
"""


def measure(kind: str, size: int, place: str) -> str:
    """Run one daemon with two clients; returns a line of a table."""
    with tempfile.TemporaryDirectory(dir=place) as directory:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        told = f"{directory}/late"
        command = [sys.executable, "-m", "bench.lateness", "--serve", kind]
        command += ["--port", str(port), "--place", f"{directory}/up", "--told", told]
        server = subprocess.Popen(command)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        began, cpu_s = time.monotonic(), Process(server.pid).cpu_s()
        clients = [
            subprocess.Popen(
                [sys.executable, "-c", _CLIENT, str(port), str(size)],
                stdout=subprocess.DEVNULL,
            )
            for _ in range(2 if size else 0)
        ]
        for client in clients:
            client.wait()
        if not size:
            time.sleep(5)
        seconds = time.monotonic() - began
        cpu_s = Process(server.pid).cpu_s() - cpu_s
        server.terminate()
        server.wait()
        late_ms = sorted(1000 * late for late in json.loads(Path(told).read_text()))
    parts = [late_ms[int(part * (len(late_ms) - 1))] for part in (0.5, 0.99, 1)]
    gib = 2 * size / _GIB
    rate = f"{1024 * gib / seconds:5.0f} MiB/s  {cpu_s / (gib or 1):4.2f} CPU s/GiB"
    p50, p99, most = parts
    return f"{kind:8} {rate}  p50 {p50:5.1f}  p99 {p99:6.1f}  max {most:6.1f} ms"


def main() -> None:
    """Measure an idle daemon, then both kinds in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size-gib", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--place", default=".")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--told", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.port, options.place, options.serve, options.told)
        return
    sys.stdout.write(measure("idle", 0, options.place) + "\n")
    for _ in range(options.rounds):
        for kind in ("place", "threads"):
            line = measure(kind, int(options.size_gib * _GIB), options.place)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
