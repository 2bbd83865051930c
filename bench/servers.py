"""The servers that are measured: how each is started, spoken to and ended."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from bench.processes import ProcessTree
from bench.wire import Connection, Site

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 20.0


class CannotServe(Exception):
    """A server cannot be installed or started; says why, in a sentence."""


class Server(Protocol):
    """A server as its users install and start it."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""

    @property
    def version(self) -> str:
        """Which version is measured."""

    @property
    def lacks(self) -> dict[str, str]:
        """Scenarios that it cannot serve, each with the reason, a sentence."""

    def install(self) -> None:
        """
        Fetch what is not there yet.

        :raises CannotServe: it cannot be had here.
        """

    def command(self, port: int, directory: str) -> list[str]:
        """Serve ``/files/`` on a port of 127.0.0.1 from a directory."""


@frozen
class Running:
    """A server that serves."""

    server: Server
    site: Site
    directory: Path
    tree: ProcessTree
    listening_s: float
    """From the start of the process until it took a connection."""

    def connect(self) -> Connection:
        """Open a connection."""
        return Connection(self.site)

    def path_of(self, path: str) -> Path:
        """The file that an upload is kept in."""
        return self.directory / path.rpartition("/")[2]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_served(process: subprocess.Popen[bytes], port: int) -> None:
    """
    Try to connect until a server accepts.

    :raises CannotServe: it ended, or took too long.
    """
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise CannotServe(f"it ended with status {process.returncode}")
        time.sleep(0.005)
    raise CannotServe(f"it did not listen within {_START_LIMIT_S:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop; make it, if it does not."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def serving(server: Server, place: Path, kept: Path | None = None) -> Iterator[Running]:
    """
    Run a server over an empty directory, and remove that in the end.

    :param place: where the directory is made; its log is written beside it.
    :param kept: serve this directory instead, and keep it.
    """
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        directory = kept or Path(scratch, "uploads")
        directory.mkdir(exist_ok=True)
        port = free_port()
        with open(Path(scratch, "log"), "wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(
                server.command(port, str(directory)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until_served(process, port)
            listening_s = time.monotonic() - began
            tree = ProcessTree(process.pid)
            yield Running(server, Site(port), directory, tree, listening_s)
        except CannotServe as error:
            last = Path(scratch, "log").read_text(errors="replace").splitlines()[-1:]
            raise CannotServe(" ".join([f"{error}:", *last])) from error
        finally:
            stop(process)


@frozen(kw_only=True)
class Tustwisted:
    """Our daemon, as it is installed beside the Python that runs this."""

    name: str = "tustwisted"
    durability: str = "none"
    options: tuple[str, ...] = ()
    twistd_options: tuple[str, ...] = ()
    lacks: dict[str, str] = field(factory=dict)

    @property
    def version(self) -> str:
        """The version of the package, with the commit where there is one."""
        from tustwisted import __version__  # noqa: PLC0415 - slow to import

        command = [
            "git",
            "-C",
            str(Path(__file__).parent),
            "rev-parse",
            "--short",
            "HEAD",
        ]
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return __version__
        return f"{__version__} ({found.stdout.strip()})"

    def install(self) -> None:
        """It is there already."""

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`Server.command`."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        return [
            *(twistd, "-n", "--pidfile=", *self.twistd_options),
            *("tus", "--port", str(port), "--upload-dir", directory),
            *("--durability", self.durability, *self.options),
        ]


def start_daemon(directory: str, durability: str) -> tuple[subprocess.Popen[str], int]:
    """Start our daemon alone; returns it with its port, once it listens."""
    command = Tustwisted(durability=durability).command(0, directory)
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    for line in daemon.stdout:
        found = re.search(r"serves http://127\.0\.0\.1:(\d+)/", line)
        if found:
            return daemon, int(found[1])
    raise CannotServe("the daemon did not start")
