"""
The installed server as a process of its own, on a free port, with real files.

Every wait has an end, and every process ends with its test.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.raw import LIMIT_S, Client

GRACE_S = 10.0
"""How long the daemon may take to stop (T-241)."""

OURS = ("PYTHON", "TUS_")
"""What the environment variables begin with that a daemon must not see."""


def script(name: str) -> str:
    """Find a command of the environment that these tests run in."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def free_port() -> int:
    """
    Find a port that nobody listens on.

    Not one of those that the kernel gives to clients: between two lives of a daemon a
    client of another test could get it.
    """
    for _ in range(100):
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def until(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> float:
    """Wait until a condition holds; return how long that took, seconds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            raise AssertionError(f"{what}: not within {limit_s:g} s")
        time.sleep(0.005)
    return time.monotonic() - began


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Let Ctrl-C end what is started, though a shell has put us into the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what is meant for a daemon."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    return {**kept, **more}


@define
class Stopped:
    """How a process ended."""

    code: int
    took_s: float


@define(eq=False)
class Daemon:
    """
    A server: started when it is made, and again by :meth:`start`.

    :param test: the process ends with it.
    :param command: what is run.
    :param port: where it will listen.
    :param place: the working directory, where the log goes too.
    :param directory: where the uploads are stored.
    """

    test: SynchronousTestCase
    command: Sequence[str]
    port: int
    place: Path
    directory: Path
    base_path: str = "/files/"
    variables: dict[str, str] = field(factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)
    _terminated_at: float | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        """The creation URL."""
        return f"http://127.0.0.1:{self.port}{self.base_path}"

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has written, over all its lives."""
        return (self.place / "daemon.log").read_text()

    def start(self) -> None:
        """Run it, and wait until it answers."""
        self.launch()
        until(self._answers, "a daemon answers")

    def launch(self) -> None:
        """Run it, and wait for nothing."""
        self._terminated_at = None
        with open(self.place / "daemon.log", "ab") as log, heeding_interrupts():
            self.process = subprocess.Popen(
                self.command,
                cwd=self.place,
                env=environment(**self.variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.test.addCleanup(self.kill)

    def _answers(self) -> bool:
        # To be connected is not enough: the kernel does that before the reactor runs,
        # and until then a signal ends the process in its own way.
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended at its start:\n{self.log}")
        try:
            client = Client(("127.0.0.1", self.port))
        except ConnectionRefusedError:
            return False
        client.request("OPTIONS", "/")
        client.close()
        return True

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._terminated_at = self._terminated_at or time.monotonic()
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> Stopped:
        """Wait for its end; the time counts from the first SIGTERM."""
        began = self._terminated_at or time.monotonic()
        code = self.process.wait(LIMIT_S)
        return Stopped(code, time.monotonic() - began)

    def stop(self) -> Stopped:
        """Send SIGTERM and wait for its end."""
        self.terminate()
        return self.ended()

    def kill(self) -> None:
        """Send SIGKILL and wait for its end; harmless when it has ended."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def client(self) -> Client:
        """Connect to it."""
        client = Client(("127.0.0.1", self.port))
        self.test.addCleanup(client.close)
        return client

    def create(self, length: int) -> str:
        """Create an upload and return its path."""
        return self.client().create(self.base_path, length)

    def offset(self, path: str) -> int:
        """Ask for an upload's offset, by a connection of its own."""
        client = self.client()
        offset = client.head(path)
        client.close()
        return offset

    def until_offset(self, path: str, offset: int) -> None:
        """Wait until the server tells this offset."""
        client = self.client()
        until(lambda: client.head(path) == offset, f"HEAD tells {offset}")
        client.close()

    def content(self, path: str) -> Path:
        """Tell where the bytes of an upload lie."""
        return self.directory / path.rpartition("/")[2]

    def memory(self, what: str) -> int:
        """Read ``VmRSS`` or ``VmHWM``, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew at ``VmRSS``."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def place_of(test: SynchronousTestCase) -> Path:
    """Make a directory that goes away with the test: uploads may be large."""
    place = Path(test.mktemp()).absolute()
    place.mkdir(parents=True)
    test.addCleanup(shutil.rmtree, place, ignore_errors=True)
    return place


def twistd_tus(test: SynchronousTestCase, *options: str) -> Daemon:
    """Prepare ``twistd -n tus`` with its uploads in a new directory; start it."""
    place = place_of(test)
    port = free_port()
    command = (script("twistd"), "-n", "--pidfile=", "tus", "--port", str(port))
    daemon = Daemon(test, (*command, *options), port, place, place / "uploads")
    daemon.start()
    return daemon


def twistd_program(test: SynchronousTestCase, program: Path) -> Daemon:
    """
    Prepare ``twistd -n -y program``; does not start it.

    The program listens on ``PORT`` and stores in ``UPLOADS``.
    """
    place = place_of(test)
    port = free_port()
    command = (script("twistd"), "-n", "--pidfile=", "-y", str(program))
    daemon = Daemon(test, command, port, place, place / "uploads")
    daemon.variables = {"PORT": str(port), "UPLOADS": str(daemon.directory)}
    return daemon
