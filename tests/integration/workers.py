"""What the tests of several workers share: who they are, and who has a connection."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, is_alive, until
from tests.integration.raw import LIMIT_S, Client

READY_S = 30.0


def processes(place: Path) -> dict[int, int]:
    """Find the living workers of a daemon that runs in, or below, a directory."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text().split("\0")
            is_ours = (path / "cwd").readlink().is_relative_to(place)
        except OSError:
            continue
        is_worker = words[1:4] == ["-P", "-m", "tustwisted.workers"]
        if is_ours and is_worker and is_alive(int(path.name)):
            found[int(words[4])] = int(path.name)
    return found


def open_files(pid: int) -> set[str]:
    """Name what a process has open, as the kernel does."""
    found = set()
    with suppress(FileNotFoundError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(os.readlink(fd))
    return found


def server_end(client: socket.socket) -> str:
    """Name the server's socket of a connection, as :func:`open_files` does."""
    ours = client.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(f.partition(":")[2], 16) for f in fields[1:3])
        if remote == ours and local == client.getpeername()[1]:
            return f"socket:[{fields[9]}]"
    raise AssertionError("the server has no such connection")


def catches(pid: int, number: int) -> bool:
    """
    Whether a process has a handler for a signal.

    A supervisor has one for SIGTERM as soon as its reactor runs, a moment after its
    workers serve; until then a signal ends it in its own way.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s+([0-9a-f]+)$", status, re.MULTILINE)
    assert caught is not None
    return bool(int(caught[1], 16) >> (number - 1) & 1)


class WithWorkers(InPlace):
    """Tests of a command with workers; none of them outlives its test."""

    def setUp(self) -> None:
        """Choose a directory and a port."""
        super().setUp()
        self.addCleanup(self._end_all)  # runs after the supervisor's own end

    def _end_all(self) -> None:
        for pid in processes(self.place).values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.until_none_is_left()

    def until_none_is_left(self) -> None:
        """Wait until no worker is left."""
        until(lambda: not processes(self.place), "no worker is left")

    def serve(
        self, *options: str, command: tuple[str, ...] = TWISTD, **variables: str
    ) -> Daemon:
        """Start a daemon with two workers, and wait until it is complete."""
        where = ("--port", str(self.port), "--workers", "2", *options)
        daemon = self.daemon(*command, *where)
        daemon.variables = variables
        daemon.launch()
        self.until_complete(daemon.pid)
        return daemon

    def until_complete(self, pid: int) -> None:
        """Wait until the workers serve, and their supervisor's reactor runs."""
        until(lambda: catches(pid, signal.SIGTERM), "it is complete", READY_S)
        self.assertEqual(set(processes(self.place)), {1, 2})

    def holder(self, client: Client) -> int:
        """Tell which worker has a connection, by its number."""
        name = server_end(client.socket)
        for number, pid in processes(self.place).items():
            if name in open_files(pid):
                return number
        raise AssertionError("no worker has the connection")

    def client_of(self, daemon: Daemon, number: int) -> Client:
        """Connect until a certain worker has the connection."""
        for _ in range(100):
            client = daemon.client()
            client.request("OPTIONS", "/files/")
            if self.holder(client) == number:
                return client
        raise AssertionError(f"worker {number} takes no connections")

    def kill_worker(self, number: int, by: int = signal.SIGKILL) -> int:
        """Send a signal to a worker; return the number of its process."""
        pid = processes(self.place)[number]
        os.kill(pid, by)
        return pid

    def until_restarted(self, number: int, pid: int) -> None:
        """Wait until another process is in the place of one that ended."""
        until(
            lambda: processes(self.place).get(number, pid) != pid,
            f"worker {number} is started again",
        )

    def logged(self, daemon: Daemon, pattern: str) -> None:
        """Wait until the log has a line."""
        until(
            lambda: re.search(pattern, daemon.log) is not None,
            f"the log has {pattern}",
            READY_S,
        )


def by_tls(address: tuple[str, int]) -> Client:
    """Connect by TLS to a server whose certificate nobody signed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = Client(address)
    client.socket = context.wrap_socket(client.socket)
    client.socket.settimeout(LIMIT_S)
    return client
