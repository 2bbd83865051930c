"""Runs one campaign; status 1 when anything was found."""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from attrs import define, field

from tests.chaos.clients import ANSWER_S, STUCK_S, Findings, Uploader
from tests.integration.daemon import environment, free_port, script
from tests.valkey import binary

CLIENTS = 6
START_S = 4.0
"""A daemon that is broken while it starts ends, which is no finding."""

QUIET_S = 8.0
"""Nothing is broken at the end, so that what was begun can be done."""

_BAD_LINE = re.compile(r"Traceback|Unhandled|#critical\]")
_STORED = re.compile(r"[0-9a-f]{32}(\.info)?|\.tustwisted\..+")


@define(eq=False)
class World:
    """
    The processes, and who breaks them.

    :param locker: ``file`` or ``redis``.
    """

    locker: str
    place: Path
    random: random.Random
    redis_port: int = field(init=False, factory=free_port)
    ports: list[int] = field(init=False, factory=lambda: [free_port(), free_port()])
    broken: Counter[str] = field(init=False, factory=Counter)
    _daemons: list[subprocess.Popen[bytes]] = field(init=False, factory=list)
    _redis: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def uploads(self) -> Path:
        """Where the uploads are."""
        return self.place / "uploads"

    def start(self) -> None:
        """Start everything."""
        if self.locker == "redis":
            self._start_redis()
        self._daemons = [self._daemon(index) for index in range(2)]
        time.sleep(START_S)

    def stop(self) -> list[int]:
        """Stop everything; return how the daemons have ended."""
        for daemon in self._daemons:
            daemon.terminate()
        codes = [daemon.wait(30) for daemon in self._daemons]
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()
        return codes

    def kill_all(self) -> None:
        """Leave nothing behind, whatever happened."""
        for index, daemon in enumerate(self._daemons):
            for pid in self._workers(index):
                self._signal(pid, signal.SIGKILL)
            daemon.kill()
            daemon.wait()
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def break_something(self) -> None:
        """Kill, freeze or stop a worker, a daemon, or Redis."""
        ways = ["kill_worker", "freeze_worker", "freeze_worker", "stop_worker"]
        ways.append("kill_daemon")
        if self.locker == "redis":
            ways += ["kill_redis", "freeze_redis"]
        way = self.random.choice(ways)
        self.broken[way] += 1
        getattr(self, f"_{way}")(self.random.randrange(2))

    def log_faults(self) -> list[str]:
        """List the lines of the logs that should not be there."""
        texts = [(self.place / f"{index}.log").read_text() for index in range(2)]
        lines = [line for text in texts for line in text.splitlines()]
        return [line for line in lines if _BAD_LINE.search(line)]

    def strangers(self) -> list[str]:
        """List the names in the directory that nobody knows."""
        names = [path.name for path in self.uploads.iterdir()]
        return [name for name in names if not _STORED.fullmatch(name)]

    # -- the ways ----------------------------------------------------------------------

    def _kill_worker(self, index: int) -> None:
        self._signal_one(index, signal.SIGKILL)

    def _stop_worker(self, index: int) -> None:
        self._signal_one(index, signal.SIGTERM)

    def _freeze_worker(self, index: int) -> None:
        pid = self._signal_one(index, signal.SIGSTOP)
        time.sleep(self.random.choice([0.3, 1.0, 3.5]))
        if pid is not None:
            self._signal(pid, signal.SIGCONT)

    def _kill_daemon(self, index: int) -> None:
        workers = self._workers(index)
        self._daemons[index].kill()
        self._daemons[index].wait()
        for pid in workers:
            self._signal(pid, signal.SIGKILL)
        time.sleep(0.3)
        self._daemons[index] = self._daemon(index)
        time.sleep(START_S)

    def _kill_redis(self, _: int) -> None:
        assert self._redis is not None
        self._redis.kill()
        self._redis.wait()
        time.sleep(self.random.random())
        self._start_redis()

    def _freeze_redis(self, _: int) -> None:
        assert self._redis is not None
        self._redis.send_signal(signal.SIGSTOP)
        time.sleep(self.random.choice([0.5, 2.5]))
        self._redis.send_signal(signal.SIGCONT)

    # -- processes ---------------------------------------------------------------------

    def _start_redis(self) -> None:
        words = ("--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "")
        self._redis = self._run([binary(), *words], "redis.log")
        time.sleep(1)

    def _daemon(self, index: int) -> subprocess.Popen[bytes]:
        locker: tuple[str, ...] = ("--locker", "file")
        if self.locker == "redis":
            url = f"redis://127.0.0.1:{self.redis_port}"
            locker = ("--locker", url, "--lock-ttl", "2s")
        words = ("--port", str(self.ports[index]), "--upload-dir", str(self.uploads))
        waits = ("--workers", "2", "--lock-timeout", "8s")
        command = [script("twistd"), "-n", "--pidfile=", "tus", *words, *waits]
        return self._run([*command, *locker], f"{index}.log")

    def _run(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with open(self.place / log, "ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.place,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _workers(self, index: int) -> list[int]:
        pid = self._daemons[index].pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            return [int(child) for child in children.split()]
        return []

    def _signal_one(self, index: int, number: int) -> int | None:
        workers = self._workers(index)
        if not workers:
            return None
        pid = self.random.choice(workers)
        self._signal(pid, number)
        return pid

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def campaign(world: World, seconds: float, seed: int) -> list[str]:
    """Let clients upload while things break; return what was found."""
    world.start()
    ends_at = time.monotonic() + seconds
    findings = Findings()
    uploaders = [
        Uploader(
            number, world.ports, ends_at, findings, random.Random(f"{seed}/{number}")
        )
        for number in range(CLIENTS)
    ]
    for uploader in uploaders:
        uploader.start()
    while time.monotonic() < ends_at - QUIET_S:
        time.sleep(0.5 + 2 * world.random.random())
        world.break_something()
    for uploader in uploaders:
        uploader.thread.join(STUCK_S + 2 * ANSWER_S)
    found = findings.problems + world.log_faults() + world.strangers()
    found += [f"ended with {code}" for code in world.stop() if code != 0]
    sys.stdout.write(
        f"{world.locker}, seed {seed}: {findings.done} uploads done; answers "
        f"{dict(sorted(findings.answers.items()))}; broken {dict(world.broken)}\n"
    )
    return found


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locker", choices=("file", "redis"), default="file")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        world = World(options.locker, Path(place), random.Random(options.seed))
        stack.callback(world.kill_all)
        found = campaign(world, options.seconds, options.seed)
    for each in found:
        sys.stdout.write(f"{each}\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
