"""
How several processes should share a port: what decided it, and what it costs.

Run ``python -m bench.workers [--workers 2] [--rounds 5]``.  Four ways, each with real
daemons, of which only the last is in the product:

- ``reuseport``: a listening socket for each worker, by ``SO_REUSEPORT``;
- ``greedy``: one that is inherited, accepted from by Twisted's own port;
- ``chance``: the same, accepted from one at a time;
- ``counted``: the same, and who has more connections than others lets them go first.

Two workers on two cores that others used as well, 5 rounds.  Of 32 connections that
stay, the part of the worker that has most, as median (least to most); new connections
that had no answer within 1 s while one worker was frozen; connections lost per kill of
a worker, with eight clients that connect without a pause; answers to ``OPTIONS`` per
second of the workers' CPU:

=========  ============  ============  ============  ======  ====  =====
way        at once       one by one    10 ms apart   frozen  lost  per s
=========  ============  ============  ============  ======  ====  =====
reuseport  .59 (.56-.62) .59 (.53-.72) .56 (.50-.66) 10/20   4.4   1770
greedy     .97 (.53-1.0) .50 (.50-.50) .78 (.66-1.0) 0/100   4.2   1764
chance     .66 (.50-.94) .59 (.50-.75) .56 (.50-.56) 0/100   2.0   1719
counted    .53 (.50-.56) .53 (.50-.56) .53 (.50-.53) 0/100   2.0   1783
=========  ============  ============  ============  ======  ====  =====

What is lost with an inherited socket had been accepted by the worker that died; with
``SO_REUSEPORT`` what waited for it is lost too, and while one of two workers is frozen
half of all new connections hang.
Of four workers, with 3 rounds, the one with most of 32 had .28 to .44 by ``reuseport``,
.34 to 1.0 by ``greedy``, .38 to .97 by ``chance`` and .28 to .38 ``counted``.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from attrs import define, field

from bench.processes import Process
from bench.wire import answer
from tustwisted.config.settings import Settings
from tustwisted.workers.balance import Balance, shared_memory

WAYS = ("reuseport", "greedy", "chance", "counted")

_OPTIONS = b"OPTIONS /files/ HTTP/1.1\r\nHost: bench\r\n\r\n"

_BRIEFLY_S = 1.0


# -- a worker of each way --------------------------------------------------------------


@define
class Listening:
    """A reactor that listens in one of the ways."""

    reactor: Any
    way: str
    place: int
    """The port for ``reuseport``, else the descriptor."""
    balance: Balance | None = None
    number: int = 0

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> Any:
        """Listen."""
        from tustwisted.workers.sharing import SharedPort  # noqa: PLC0415

        if self.way == "reuseport":
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", self.place))
            listening.listen()
        else:
            listening = socket.socket(fileno=self.place)
        listening.setblocking(False)
        if self.way in ("reuseport", "greedy"):
            return self.reactor.adoptStreamPort(
                listening.fileno(), socket.AF_INET, factory
            )
        shared = SharedPort(self.reactor, listening, factory, self.has_too_many)
        shared.startListening()
        return shared

    def has_too_many(self) -> bool:
        """Whether others should go first."""
        return self.balance is not None and self.balance.has_too_many(self.number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reactor, name)


def serve(way: str, numbers: Sequence[int], directory: str) -> None:
    """Be a worker: the real daemon, with a directory of its own."""
    from twisted.internet import reactor  # noqa: PLC0415

    from tustwisted.making import make_daemon  # noqa: PLC0415

    place, number, workers, memory = numbers
    balance = Balance(memory, workers) if way == "counted" else None
    settings = Settings(port=("0",), upload_dir=f"{directory}/{number}")

    def counted(connections: int) -> None:
        if balance is not None:
            balance.tell(number, connections)

    service = make_daemon(
        reactor,
        settings,
        failed=reactor.stop,
        listening=Listening(reactor, way, place, balance, number),
        counted=counted,
        serves=lambda: print("serves", flush=True),  # noqa: T201 - to the parent
    )
    service.startService()
    counted(0)
    reactor.run()


@define
class Group:
    """Workers that share a port."""

    port: int
    workers: list[subprocess.Popen[str]] = field(factory=list)

    def connections(self) -> list[int]:
        """Count the sockets of each worker."""
        return [sockets_of(worker.pid) for worker in self.workers]

    def connect(self, timeout_s: float = 10) -> socket.socket:
        """Connect to one of them."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


def sockets_of(pid: int) -> int:
    """Count the sockets of a process."""
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            count += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    return count


@contextmanager
def group(way: str, workers: int) -> Iterator[Group]:
    """Run some workers that share a port in one of the ways."""
    with (
        tempfile.TemporaryDirectory(dir=".") as directory,
        socket.socket() as listening,
    ):
        listening.bind(("127.0.0.1", 0))
        port = place = listening.getsockname()[1]
        if way == "reuseport":
            listening.close()
        else:
            listening.listen()
            place = listening.fileno()
        memory = shared_memory(workers)
        running = Group(port)
        try:
            for number in range(1, workers + 1):
                words = (
                    way,
                    place,
                    number,
                    workers,
                    memory,
                    os.path.abspath(directory),
                )
                running.workers.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            "-m",
                            "bench.workers",
                            "--serve",
                            *map(str, words),
                        ],
                        stdout=subprocess.PIPE,
                        pass_fds=[memory, *([place] if way != "reuseport" else [])],
                        text=True,
                    )
                )
            for worker in running.workers:
                assert worker.stdout is not None
                worker.stdout.readline()
            listening.close()
            time.sleep(0.2)
            yield running
        finally:
            os.close(memory)
            for worker in running.workers:
                worker.kill()
                worker.wait()


# -- what is measured ------------------------------------------------------------------


def ask(client: socket.socket) -> None:
    """Make a request and read its answer."""
    client.sendall(_OPTIONS)
    answer(client)


def shares(running: Group, count: int, pause_s: float | None) -> float:
    """
    Open connections that stay; return what part the worker has that has most.

    :param pause_s: between two; ``None``: all connect before any is served.
    """
    before = running.connections()
    clients = []
    for _ in range(count):
        clients.append(running.connect())
        if pause_s is not None:
            ask(clients[-1])
            time.sleep(pause_s)
    for client in clients:
        ask(client)
    now = running.connections()
    for client in clients:
        client.close()
    time.sleep(0.1)
    return max(n - b for n, b in zip(now, before, strict=True)) / count


def storm(running: Group, seconds: float) -> Counter[str]:
    """Connect, ask and leave as fast as eight threads can; kill a worker meanwhile."""
    results: Counter[str] = Counter()
    end = time.monotonic() + seconds

    def run() -> None:
        while time.monotonic() < end:
            try:
                with running.connect() as client:
                    ask(client)
                results["served"] += 1
            except OSError as error:
                results[type(error).__name__] += 1

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 2)
    running.workers[0].kill()
    for thread in threads:
        thread.join()
    return results


def frozen(running: Group, count: int) -> int:
    """Freeze a worker; return how many of some new connections get no answer."""
    running.workers[0].send_signal(signal.SIGSTOP)
    hung = 0
    for _ in range(count):
        with running.connect() as client:
            client.settimeout(_BRIEFLY_S)
            try:
                ask(client)
            except TimeoutError:
                hung += 1
            if hung >= 10:  # enough is known
                break
    running.workers[0].send_signal(signal.SIGCONT)
    return hung


def rate(running: Group, connections: int, seconds: float) -> tuple[float, float]:
    """Ask on kept connections; return requests per second, and per CPU second."""
    clients = [running.connect() for _ in range(connections)]
    for client in clients:
        ask(client)
    cpu, began, count = cpu_s(running), time.monotonic(), 0
    while time.monotonic() - began < seconds:
        for client in clients:
            client.sendall(_OPTIONS)
        for client in clients:
            answer(client)
        count += connections
    took_s = time.monotonic() - began
    used_s = cpu_s(running) - cpu
    for client in clients:
        client.close()
    time.sleep(0.1)
    return count / took_s, count / used_s


def cpu_s(running: Group) -> float:
    """Tell what the workers have used."""
    return sum(Process(worker.pid).cpu_s() for worker in running.workers)


def measure(way: str, workers: int, rounds: int) -> None:
    """Print all of it for one way."""
    with group(way, workers) as running:
        for name, pause_s in (("at once", None), ("one by one", 0.0), ("slowly", 0.01)):
            for count in (32, 64):
                most = [shares(running, count, pause_s) for _ in range(rounds)]
                show(
                    way,
                    f"most of {count} {name}",
                    f"{statistics.median(most):.2f} ({min(most):.2f}-{max(most):.2f})",
                )
        show(way, "of 100 new ones no answer in 1 s, one frozen", frozen(running, 100))
    lost: Counter[str] = Counter()
    for _ in range(rounds):
        with group(way, workers) as running:
            lost += storm(running, 3)
    show(way, f"storm, one killed, {rounds} times", dict(lost))


def compare_rates(ways: Sequence[str], workers: int, rounds: int) -> None:
    """Print how fast each way answers; in turns, since machines have moods."""
    rates: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            with group(way, workers) as running:
                rate(running, 32, 0.5)
                rates[way].append(rate(running, 32, 1.5))
    for way, found in rates.items():
        show(
            way,
            "requests/s on 32 kept connections; per CPU s",
            f"{statistics.median(r for r, _ in found):.0f};"
            f" {statistics.median(c for _, c in found):.0f}",
        )


def show(way: str, what: str, value: object) -> None:
    """Print one line."""
    sys.stdout.write(f"{way:10} {what:48} {value}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure all ways."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", default=WAYS)
    parser.add_argument("--serve", nargs=6)
    options = parser.parse_args()
    if options.serve:
        way, *numbers, directory = options.serve
        serve(way, [int(number) for number in numbers], directory)
        return
    for way in options.ways:
        measure(way, options.workers, options.rounds)
    compare_rates(options.ways, options.workers, options.rounds)


if __name__ == "__main__":
    main()
