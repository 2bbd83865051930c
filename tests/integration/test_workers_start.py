"""
How ``twistd tus --workers N`` is started, in all ways, and where it listens.

As :mod:`tests.integration.test_workers`, these need a locker that processes share.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.integration.certificate import write_certificate
from tests.integration.commands import TWIST, TWISTD
from tests.integration.daemon import GRACE_S, environment, is_alive, script, until
from tests.integration.raw import Client
from tests.integration.workers import WithWorkers, by_tls, processes


class PortTests(WithWorkers):
    """Workers inherit ports of all kinds."""

    def test_unix(self) -> None:
        """A UNIX socket outlives its workers, and goes with the supervisor."""
        daemon = self.serve("--port=unix:tus.sock")
        path = self.place / "tus.sock"
        pid = self.kill_worker(1, signal.SIGTERM)
        self.until_restarted(1, pid)
        self.client_of(daemon, 1)  # it serves
        for _ in range(4):
            client = Client(os.path.relpath(path))
            self.addCleanup(client.close)
            self.upload(client)
        daemon.stop()
        self.assertFalse(path.exists())

    def test_tls(self) -> None:
        """
        Each worker speaks TLS, and finds its certificate where the command does.

        What Python finds in another directory, to which it goes, is never run.
        """
        write_certificate(self.place / "server.pem")
        self.make_trap(self.place / "run")
        tls = f"ssl:{self.port}:privateKey=server.pem:interface=127.0.0.1"
        options = (f"--port={tls}", "--workers=2", f"--upload-dir={self.uploads}")
        daemon = self.daemon(*TWISTD[:-1], "--rundir=run", "tus", *options)
        daemon.launch()
        self.until_complete(daemon.pid)
        clients = [by_tls(("127.0.0.1", self.port)) for _ in range(10)]
        for client in clients:
            self.addCleanup(client.close)
            self.upload(client)
        self.assertEqual({self.holder(client) for client in clients}, {1, 2})
        self.assertIn(f"serves https://127.0.0.1:{self.port}/files/", daemon.log)

    def make_trap(self, directory: Path) -> None:
        """Make a directory with modules that are none of ours."""
        directory.mkdir()
        for name in ("json", "socket", "sitecustomize", "attrs", "tustwisted"):
            directory.joinpath(f"{name}.py").write_text(
                f"raise SystemExit('{name} comes from a directory of data')"
            )

    def test_activated(self) -> None:
        """A socket that systemd opened is inherited, and stays open at a stop."""
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            process = self.activated(listening.fileno())
            self.until_complete(process.pid)
            for _ in range(4):
                client = Client(("127.0.0.1", self.port))
                self.addCleanup(client.close)
                self.upload(client)
            process.terminate()
            self.assertEqual(process.wait(GRACE_S), 0)
            self.assertEqual(processes(self.place), {})
            Client(("127.0.0.1", self.port)).close()  # nobody answers or refuses

    def activated(self, fd: int) -> subprocess.Popen[bytes]:
        """Start a command as systemd does that has a socket for it."""
        self.place.joinpath("activate.py").write_text(ACTIVATE)
        port = ("--port", "systemd:domain=INET:name=tus")
        with open(self.place / "daemon.log", "wb") as log:
            process = subprocess.Popen(
                (sys.executable, "activate.py", str(fd), *TWISTD, *port, "--workers=2"),
                cwd=self.place,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[fd],
            )
        self.addCleanup(process.wait, GRACE_S)
        self.addCleanup(process.kill)
        return process


ACTIVATE = textwrap.dedent(
    """
    import os, sys

    os.dup2(int(sys.argv[1]), 3)  # inheritable
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="tus")
    os.execv(sys.argv[2], sys.argv[2:])
    """
)
"""Does what systemd does, without its help: a descriptor and a command."""


class RefusedTests(WithWorkers):
    """A command whose workers cannot serve ends with its sentence and status 1."""

    def refused(self, *command: str) -> str:
        """Run it; return what it wrote."""
        where = ("--port", str(self.port), "--workers", "2")
        code, output = self.run_to_end(*command, *where)
        self.assertEqual(code, 1, output)
        self.assertNotIn("Traceback", output)
        self.assertEqual(processes(self.place), {})
        return output

    def test_port_in_use(self) -> None:
        """A port that is taken is named, and nothing was started."""
        with socket.create_server(("127.0.0.1", self.port)):
            for command in (TWISTD, TWIST):
                output = self.refused(*command)
                self.assertIn(
                    f"tustwisted: cannot listen on 127.0.0.1:{self.port}: ",
                    output.splitlines()[-1],
                )
        self.assertFalse(self.uploads.exists())

    def test_directory_cannot_be_made(self) -> None:
        """The sentence is the worker's own, and it is said once."""
        self.place.joinpath("file").touch()
        output = self.refused(*TWISTD, "--upload-dir", "file/below")
        sentence = "tustwisted: cannot store uploads in "
        self.assertIn(sentence, output.splitlines()[-1])
        self.assertEqual(output.count(sentence), 1)

    def test_bad_number(self) -> None:
        """Only 1 to 64 are numbers of workers."""
        code, output = self.run_to_end(*TWISTD, "--workers=65")
        self.assertEqual(code, 1)
        self.assertIn(
            "--workers 65: must be a number from 1 to 64", output.splitlines()[-1]
        )


class DaemonisedTests(WithWorkers):
    """``twistd tus --workers 2`` goes into the background."""

    def command(self, *options: str) -> tuple[str, ...]:
        """Tell what to run."""
        files = ("--pidfile=server.pid", "--logfile=server.log", "--umask=027")
        where = ("tus", "--port", str(self.port), "--workers", "2", *options)
        return (script("twistd"), *files, *where)

    def test_serves(self) -> None:
        """All workers serve when the command returns; the pid is the supervisor's."""
        self.assertEqual(self.run_to_end(*self.command()), (0, ""))
        pid = int((self.place / "server.pid").read_text())
        self.addCleanup(self.kill_if_alive, pid)
        self.assertEqual(set(processes(self.place)), {1, 2})
        self.assertNotIn(pid, processes(self.place).values())
        client = Client(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        stored = self.upload(client)
        self.assertEqual(self.mode(stored), 0o640)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), "the daemon has ended")
        self.assertEqual(processes(self.place), {})
        self.assertFalse((self.place / "server.pid").exists())
        log = (self.place / "server.log").read_text()
        self.assertRegex(log, r"\[worker [12] tustwisted\.uploads\.creating#info\]")
        self.assertNotIn("Traceback", log)

    def kill_if_alive(self, pid: int) -> None:
        """End what a failed test left."""
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    def test_refused(self) -> None:
        """One whose workers cannot serve says so to who started it."""
        self.place.joinpath("file").touch()
        code, output = self.run_to_end(*self.command("--upload-dir", "file/below"))
        self.assertEqual(code, 1)
        self.assertIn("cannot store uploads in ", output)
        until(lambda: not (self.place / "server.pid").exists(), "the pid file goes")
        self.assertEqual(processes(self.place), {})
