"""
What locks cost: take-over, HEAD after a cut, waiting, and operations per second.

Run ``python -m bench.locks [--rounds 50]``.  Real daemons, real files and a real
Valkey; the clients are in this process.  A *take-over* is the time from the first byte
of a PATCH, for an upload of 1 MiB that a silent client of another connection holds, to
its answer; in between the other half is sent, stored and synced.  The holder's
connection is to the same daemon, or to another one.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.processes import Process
from tests.integration.daemon import environment, free_port, script, until
from tests.integration.raw import Client
from tests.valkey import binary

_SIZE = 2**20
_HALF = _SIZE // 2
_CONTENT = random.Random(1).randbytes(_SIZE)
_WAIT_S = 5.0


@contextmanager
def running(command: Sequence[str], place: Path, log: str) -> Iterator[int]:
    """Run a process; give its number, and kill it at the end."""
    with open(place / log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=place, env=environment(), stdout=output, stderr=output
        )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


class Server:
    """A daemon that listens."""

    def __init__(self, stack: ExitStack, place: Path, *options: str) -> None:
        self.port = free_port()
        words = ("-n", "--pidfile=", "tus", "--port", str(self.port), *options)
        command = (script("twistd"), *words, "--lock-timeout", f"{_WAIT_S + 5}s")
        self.pid = stack.enter_context(running(command, place, f"{self.port}.log"))
        until(self._answers, "a daemon answers")

    def client(self) -> Client:
        """Connect to it."""
        return Client(("127.0.0.1", self.port))

    def _answers(self) -> bool:
        try:
            client = self.client()
        except ConnectionRefusedError:
            return False
        client.request("OPTIONS", "/")
        client.close()
        return True


def hold(server: Server) -> tuple[str, Client]:
    """Begin an upload, send half of it, and fall silent."""
    client = server.client()
    path = client.create("/files/", _SIZE)
    client.begin_patch(path, 0, _SIZE, start=_CONTENT[:_HALF])
    watcher = server.client()
    until(lambda: watcher.head(path) == _HALF, "half is stored")
    watcher.close()
    return path, client


def take_over(holder: Server, newcomer: Server) -> float:
    """Return how long a newcomer waits for his answer, seconds."""
    path, silent = hold(holder)
    client = newcomer.client()
    began = time.perf_counter()
    response = client.patch(path, _HALF, _CONTENT[_HALF:])
    took_s = time.perf_counter() - began
    assert response.status == 204, response
    client.close()
    silent.close()
    return took_s


def head_after_cut(server: Server) -> float:
    """Return how long a HEAD takes right after its upload's connection was reset."""
    path, cut = hold(server)
    client = server.client()
    client.request("OPTIONS", "/")  # the connection stands
    cut.reset()
    began = time.perf_counter()
    offset = client.head(path)
    took_s = time.perf_counter() - began
    assert offset == _HALF
    client.close()
    return took_s


def cpu_of_waiting(holder: Server, newcomer: Server) -> float:
    """Return the CPU time of a daemon that waits for a frozen one, seconds."""
    path, silent = hold(holder)
    os.kill(holder.pid, signal.SIGSTOP)
    client = newcomer.client()
    before_s = Process(newcomer.pid).cpu_s()
    client.begin_patch(path, _HALF, _HALF, start=_CONTENT[_HALF:])
    time.sleep(_WAIT_S)
    used_s = Process(newcomer.pid).cpu_s() - before_s
    os.kill(holder.pid, signal.SIGCONT)
    assert client.response().status == 204
    client.close()
    silent.close()
    return used_s


_OPERATIONS = """
import sys, time
from twisted.internet import reactor, task
from tustwisted.lockers import make_locker, parse_locker

async def main(reactor, locker, count):
    await locker.start()
    (await locker.acquire("first", print, 30)).release()
    began = time.perf_counter()
    for n in range(count):
        (await locker.acquire(f"{n:032x}", print, 5)).release()
    one = count / (time.perf_counter() - began)
    locks = [await locker.acquire(f"{n:032x}", print, 5) for n in range(10000)]
    began = time.perf_counter()
    for n in range(count):
        (await locker.acquire(f"x{n:031x}", print, 5)).release()
    many = count / (time.perf_counter() - began)
    print(one, many)
    await locker.stop()

choice, directory, count = sys.argv[1:]
locker = make_locker(reactor, parse_locker(choice), directory, 10)
task.react(lambda r: task.ensureDeferred(main(r, locker, int(count))))
"""


def operations_per_s(choice: str, count: int) -> tuple[float, float]:
    """Take and release one lock after the other; then beside 10,000 that are held."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-c", _OPERATIONS, choice, directory, str(count)]
        printed = subprocess.check_output(command, text=True, timeout=300)
    one, many = printed.split()
    return float(one), float(many)


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def row(name: str, seconds: Sequence[float]) -> None:
    """Print a median and the worst."""
    milliseconds = [1000 * each for each in seconds]
    tell(
        f"{name:44} median {statistics.median(milliseconds):7.1f} ms, "
        f"worst {max(milliseconds):7.1f} ms, {len(milliseconds)} rounds"
    )


def start_redis(stack: ExitStack, place: Path) -> str:
    """Start a Valkey; return its address."""
    port = free_port()
    words = [binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    stack.enter_context(running(words, place, "valkey.log"))
    return f"redis://127.0.0.1:{port}"


def measure_daemons(
    stack: ExitStack, place: Path, name: str, locker: str, rounds: int
) -> None:
    """Start two daemons that share their uploads, and print what they do."""
    options = ("--locker", locker, "--upload-dir", f"uploads-{name}")
    first = Server(stack, place, *options)
    second = Server(stack, place, *options)
    if name == "redis":
        time.sleep(10.5)  # a Redis that is new grants nothing for one lease
    for other, where in ((first, "same process"), (second, "other process")):
        times = [take_over(first, other) for _ in range(rounds)]
        row(f"take-over, {name} locker, {where}", times)
    times = [head_after_cut(first) for _ in range(rounds)]
    row(f"HEAD after a cut, {name} locker", times)
    used_s = cpu_of_waiting(first, second)
    tell(f"CPU in {_WAIT_S:g} s of waiting, {name} locker: {used_s:.3f} s")


def measure(stack: ExitStack, place: Path, rounds: int) -> None:
    """Start what is needed, and print all figures."""
    url = start_redis(stack, place)
    for name, locker in (("file", "file"), ("redis", url)):
        measure_daemons(stack, place, name, locker, rounds)
    for choice, count in (("memory", 20_000), ("file", 20_000), (url, 3_000)):
        one, many = operations_per_s(choice, count)
        tell(
            f"{choice.partition(':')[0]} locker: {one:,.0f} locks taken and released "
            f"in a second, {many:,.0f} beside 10,000 that are held"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        measure(stack, Path(place), rounds)


if __name__ == "__main__":
    main()
