"""
What hooks by HTTP cost: small uploads with all events on, beside none, in one run.

Run ``python -m bench.hooks [--uploads 2000] [--rounds 3] [--durability none]``.  An
upload is a POST and a PATCH of 4 KiB, made on 8 connections that stay; the receiver is
a process of its own that answers ``{}`` as fast as Python can.

Two shared cores, nothing else at work, calls by treq; 400 uploads, 2 rounds, mean
(least to most):

=================  ===================  =====================
hooks              uploads/s            CPU ms per upload
=================  ===================  =====================
none               221 (189-252)        4.7 (4.0-5.4)
post-finish alone  143 (137-150)        7.2 (6.7-7.6)
all events         62 (52-71)           17.0 (13.7-20.3)
=================  ===================  =====================

All events are six calls here: pre-access twice, pre-create, post-create, pre-finish and
post-finish; the uploads are too short for post-receive.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from bench.processes import Process

SIZE_BYTES = 4096

CONNECTIONS = 8

_LIMIT_S = 120.0

_HEAD = "Host: bench\r\nTus-Resumable: 1.0.0\r\n"

_POST = f"POST /files/ HTTP/1.1\r\n{_HEAD}Upload-Length: {SIZE_BYTES}\r\n\r\n".encode()

_PATCH = (
    f"HTTP/1.1\r\n{_HEAD}Upload-Offset: 0\r\n"
    "Content-Type: application/offset+octet-stream\r\n"
    f"Content-Length: {SIZE_BYTES}\r\n\r\n"
).encode() + b"x" * SIZE_BYTES

_LOCATION = re.compile(rb"\r\nLocation: http://bench(\S+)\r\n")

_CONTENT_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)

_TYPE = re.compile(rb'"Type":"([a-z-]+)"')

_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


@frozen
class Figures:
    """What some uploads cost."""

    uploads_per_s: float
    """Until the last answer to a client."""

    cpu_ms: float
    """Of the server, per upload, until the last event was told."""

    told_late_s: float
    """From the last answer to a client to the last event."""


# -- the receiver ----------------------------------------------------------------------


class Receiving(asyncio.Protocol):
    """Counts events by path and type, and answers."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (end := self._seen.find(b"\r\n\r\n") + 4) > 3:
            found = _CONTENT_LENGTH.search(self._seen, 0, end)
            length = int(found[1]) if found else 0
            if len(self._seen) < end + length:
                return
            head, body = self._seen[:end], self._seen[end : end + length]
            self._seen = self._seen[end + length :]
            self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        found = _TYPE.search(body)
        if found is None:  # who asks how many there were
            shown = repr(dict(self._counts)).encode("ascii")
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(shown)
            self._transport.write(head + shown)
            return
        self._counts[f"{path.decode('ascii')} {found[1].decode('ascii')}"] += 1
        self._transport.write(_REPLY)


async def receive() -> None:
    """Be the receiver, until the process is ended."""
    loop = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    server = await loop.create_server(lambda: Receiving(counts), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def told(port: int) -> Counter[str]:
    """Ask the receiver what it was told."""
    with socket.create_connection(("127.0.0.1", port), _LIMIT_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        content = client.recv(65536).partition(b"\r\n\r\n")[2]
    pairs = re.findall(rb"'(/[a-z]+ [a-z-]+)': (\d+)", content)
    return Counter({type.decode("ascii"): int(count) for type, count in pairs})


# -- the clients -----------------------------------------------------------------------


@define(eq=False)
class Client:
    """One connection that uploads again and again."""

    socket: socket.socket
    seen: bytes = b""
    is_created: bool = False

    def begin(self) -> None:
        """Create an upload."""
        self.is_created = False
        self.socket.sendall(_POST)

    def go_on(self) -> bool:
        """Read what has come, and go on; whether an upload is done."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server left")
        self.seen += data
        end = self.seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        head, self.seen = self.seen[:end], b""
        if not head.startswith((b"HTTP/1.1 201", b"HTTP/1.1 204")):
            raise AssertionError(head.decode("latin-1"))
        if self.is_created:
            return True
        location = _LOCATION.search(head)
        assert location is not None, head
        self.is_created = True
        self.socket.sendall(b"PATCH %b %b" % (location[1], _PATCH))
        return False


def upload(port: int, count: int) -> float:
    """Upload so often; return how long that took, seconds."""
    waiting = selectors.DefaultSelector()
    clients = []
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port), _LIMIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients.append(Client(connection))
        waiting.register(connection, selectors.EVENT_READ, clients[-1])
    began_s, begun, done = time.monotonic(), 0, 0
    for client in clients:
        client.begin()
        begun += 1
    while done < count:
        for key, _ in waiting.select(_LIMIT_S):
            if key.data.go_on():
                done += 1
                if begun < count:
                    key.data.begin()
                    begun += 1
    took_s = time.monotonic() - began_s
    for client in clients:
        client.socket.close()
    return took_s


# -- the measurement -------------------------------------------------------------------


@define
class Server:
    """A daemon that is measured."""

    name: str
    port: int
    process: Process
    told_last: str = ""
    """Path and type of the event that is told last of an upload; empty: none is."""
    figures: list[Figures] = field(factory=list)

    def measure(self, receiver: int, count: int) -> None:
        """Upload so often, and wait until all of it was told."""
        before, cpu_s = told(receiver), self.process.cpu_s()
        took_s = upload(self.port, count)
        ended_s = time.monotonic()
        while self.told_last and (
            told(receiver)[self.told_last] - before[self.told_last] < count
        ):
            if time.monotonic() - ended_s > _LIMIT_S:
                raise AssertionError(f"{self.name}: {told(receiver) - before}")
            time.sleep(0.02)
        late_s = time.monotonic() - ended_s
        used_s = self.process.cpu_s() - cpu_s
        self.figures.append(Figures(count / took_s, used_s * 1000 / count, late_s))

    def show(self) -> None:
        """Print the medians, with the least and the most."""
        rates = [figures.uploads_per_s for figures in self.figures]
        costs = [figures.cpu_ms for figures in self.figures]
        late = [figures.told_late_s for figures in self.figures]
        sys.stdout.write(
            f"{self.name:24} {statistics.median(rates):6.0f} uploads/s"
            f" ({min(rates):.0f}-{max(rates):.0f})"
            f"  {statistics.median(costs):5.2f} CPU ms"
            f" ({min(costs):.2f}-{max(costs):.2f})"
            f"  last event {statistics.median(late):.2f} s after\n"
        )


@contextmanager
def daemon(
    name: str, directory: str, *options: str, told_last: str = ""
) -> Iterator[Server]:
    """Run a daemon while it is measured."""
    command = [
        *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "tus"),
        *("--port", "0", "--upload-dir", f"{directory}/{name}", *options),
    ]
    log = Path(directory, f"{name}.log")
    with log.open("wb") as opened:
        running = subprocess.Popen(command, stdout=opened, stderr=opened)
    try:
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s and running.poll() is None:
            text = log.read_text()
            serving = re.search(r"serves http://127\.0\.0\.1:(\d+)/", text)
            if serving:
                yield Server(name, int(serving[1]), Process(running.pid), told_last)
                return
            time.sleep(0.05)
        raise ConnectionError(log.read_text())
    finally:
        running.terminate()
        running.wait(30)


def main() -> None:
    """Measure all, round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--durability", default="none")
    parser.add_argument("--receive", action="store_true")
    options = parser.parse_args()
    if options.receive:
        asyncio.run(receive())
        return
    receiving = subprocess.Popen(
        [sys.executable, "-m", "bench.hooks", "--receive"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiving.stdout is not None
    receiver = int(receiving.stdout.readline())
    common = ("--durability", options.durability)
    url = f"http://127.0.0.1:{receiver}"
    finish = ("--hooks-enabled-events", "post-finish", "--hooks-http", f"{url}/one")
    try:
        with (
            tempfile.TemporaryDirectory(dir=".") as place,
            daemon("no hooks", place, *common) as bare,
            daemon(
                *("post-finish alone", place, *common, *finish),
                told_last="/one post-finish",
            ) as told_of_end,
            daemon(
                *("all events", place, *common, "--hooks-http", f"{url}/all"),
                told_last="/all post-finish",
            ) as all_on,
        ):
            servers = (bare, told_of_end, all_on)
            for server in servers:
                server.measure(receiver, 200)
                server.figures.clear()
            before = told(receiver)
            for _ in range(options.rounds):
                for server in servers:
                    server.measure(receiver, options.uploads)
            for server in servers:
                server.show()
            total = options.rounds * options.uploads
            for event, count in sorted((told(receiver) - before).items()):
                sys.stdout.write(f"  {event:17} {count / total:5.2f} per upload\n")
    finally:
        receiving.terminate()
        receiving.wait(30)


if __name__ == "__main__":
    main()
