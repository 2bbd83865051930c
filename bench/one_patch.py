"""
One large PATCH on loopback: our daemon beside a bare receive-and-write loop.

Run ``python -m bench.one_patch [--size-mib 1024] [--rounds 3] [--durability none]``.
Wall times wander on a busy machine; the loop in the same run tells by how much.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attrs import frozen

_MIB = 2**20

_LOOP = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
size = int(sys.argv[1])
while True:
    client = server.accept()[0]
    fd = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    buffer = memoryview(bytearray(262144))
    got = 0
    while got < size:
        n = client.recv_into(buffer)
        os.write(fd, buffer[:n])
        got += n
    client.sendall(b"done\\r\\n\\r\\n")
    client.close()
    os.close(fd)
"""


@frozen
class Figures:
    """What one upload cost its server."""

    mib_per_s: float
    cpu_s_per_gib: float
    above_idle_mib: float


class Process:
    """A server's process, as /proc shows it."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}")

    def cpu_s(self) -> float:
        """User and system time, seconds."""
        fields = (self._path / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self, name: str) -> int:
        """``VmRSS`` or ``VmHWM``."""
        found = re.search(rf"{name}:\s+(\d+)", (self._path / "status").read_text())
        assert found is not None
        return int(found[1])

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew."""
        (self._path / "clear_refs").write_text("5")


def measure(
    process: Process, client: socket.socket, content: int, size: int
) -> Figures:
    """Send a file by sendfile and wait for the answer."""
    client.setblocking(True)  # sendfile knows nothing of Python's timeouts
    process.forget_peak()
    idle, cpu, began = process.memory_kib("VmRSS"), process.cpu_s(), time.monotonic()
    sent = 0
    while sent < size:
        sent += os.sendfile(client.fileno(), content, sent, size - sent)
    answer(client)
    seconds, gib = time.monotonic() - began, size / 2**30
    return Figures(
        size / _MIB / seconds,
        (process.cpu_s() - cpu) / gib,
        (process.memory_kib("VmHWM") - idle) / 1024,
    )


def answer(client: socket.socket) -> bytes:
    """Read one answer's headers."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError("the server left")
        received += piece
    return received


def measure_ours(port: int, pid: int, content: int, size: int) -> Figures:
    """Create an upload and send it in one PATCH."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        head = "Host: bench\r\nTus-Resumable: 1.0.0\r\n"
        client.sendall(
            f"POST /files/ HTTP/1.1\r\n{head}Upload-Length: {size}\r\n\r\n".encode()
        )
        location = re.search(rb"Location: http://bench(\S+)", answer(client))
        assert location is not None
        client.sendall(
            f"PATCH {location[1].decode()} HTTP/1.1\r\n{head}Upload-Offset: 0\r\n"
            "Content-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        return measure(Process(pid), client, content, size)


def clear(uploads: Path) -> None:
    """Remove what was uploaded, so that both servers write to pages used before."""
    for path in uploads.glob("[!.]*"):
        path.unlink()


def start_daemon(directory: str, durability: str) -> tuple[subprocess.Popen[str], int]:
    """Start the daemon; returns it with its port, once it listens."""
    command = [
        *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "tus"),
        *("--port", "0", "--upload-dir", directory, "--durability", durability),
    ]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    for line in daemon.stdout:
        serving = re.search(r"serves http://127\.0\.0\.1:(\d+)/", line)
        if serving:
            return daemon, int(serving[1])
    raise ConnectionError("the daemon did not start")


def show(name: str, figures: list[Figures]) -> None:
    """Print the median of some rounds, with the least and the most."""
    rates = [f.mib_per_s for f in figures]
    costs = [f.cpu_s_per_gib for f in figures]
    memory = max(f.above_idle_mib for f in figures)
    sys.stdout.write(
        f"{name:20} {statistics.median(rates):6.0f} MiB/s"
        f" ({min(rates):.0f}-{max(rates):.0f})"
        f"  {statistics.median(costs):5.2f} CPU s/GiB"
        f" ({min(costs):.2f}-{max(costs):.2f})"
        f"  {memory:5.1f} MiB above idle\n"
    )


def main() -> None:
    """Measure both, round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--durability", default="none")
    options = parser.parse_args()
    size = options.size_mib * _MIB
    content = os.memfd_create("content")
    for _ in range(options.size_mib):
        os.write(content, os.urandom(_MIB))
    with tempfile.TemporaryDirectory(dir=".") as directory:
        began = time.monotonic()
        daemon, port = start_daemon(f"{directory}/uploads", options.durability)
        listening_s = time.monotonic() - began
        loop = subprocess.Popen(
            [sys.executable, "-c", _LOOP, str(size), f"{directory}/loop"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert loop.stdout is not None
            loop_port = int(loop.stdout.readline())
            ours, bare = [], []
            for _ in range(options.rounds):
                ours.append(measure_ours(port, daemon.pid, content, size))
                clear(Path(directory, "uploads"))
                with socket.create_connection(("127.0.0.1", loop_port), 60) as client:
                    bare.append(measure(Process(loop.pid), client, content, size))
        finally:
            for process in (daemon, loop):
                process.terminate()
                process.wait(20)
    sys.stdout.write(f"from start to listening: {listening_s:.2f} s\n")
    show("tustwisted", ours)
    show("recv and write loop", bare)


if __name__ == "__main__":
    main()
