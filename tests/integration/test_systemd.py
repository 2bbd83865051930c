"""The daemon under systemd: by the tools of systemd that need none to run."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from twisted.logger import Logger

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, environment, until
from tests.integration.raw import LIMIT_S, Client
from tests.integration.restarts import WAYS, Held, connects
from tests.integration.workers import WithWorkers, processes
from tests.namespaces import need_mounts
from tests.test_systemd import Listening

ACTIVATE = "systemd-socket-activate"

NEEDS_TOOLS = None if shutil.which(ACTIVATE) else f"needs {ACTIVATE}"

log = Logger()


class Hearing:
    """Who hears what the daemon tells systemd."""

    def __init__(self) -> None:
        self.socket = Listening()
        self.lines: list[str] = []

    def hears(self, line: str) -> bool:
        """Whether a line was told."""
        for lines in self.socket.told():
            self.lines += lines
        return line in self.lines

    def until(self, line: str) -> None:
        """Wait until it was."""
        until(lambda: self.hears(line), f"systemd is told {line}")


class ActivationTests(InPlace):
    """Real ``systemd-socket-activate`` opens the ports."""

    skip = NEEDS_TOOLS

    def test_serves(self) -> None:
        """
        Sockets of all families are served, systemd hears how it goes, programs of
        hooks do not speak for the daemon, and a path is there after the stop.
        """
        hearing = Hearing()
        self.addCleanup(hearing.socket.close)
        # What has to be given as a whole has to be short.
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "tus.sock"
        daemon = self.activated(hearing)
        daemon.start()
        hearing.until("READY=1")
        for address in (("127.0.0.1", self.port), ("::1", self.port), str(self.path)):
            client = Client(address)
            self.addCleanup(client.close)
            self.upload(client)
        hearing.until("WATCHDOG=1")
        variables = (self.place / "variables").read_text()
        self.assertIn("TUS_ID=", variables)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_PID", "LISTEN_FDS"):
            self.assertNotIn(name, variables)
        self.assertFalse(hearing.hears("STOPPING=1"))
        daemon.stop()
        self.assertTrue(hearing.hears("STOPPING=1"))
        self.assertTrue(self.path.is_socket())
        self.assertNotIn("Traceback", daemon.log)

    def activated(self, hearing: Hearing) -> Daemon:
        """Prepare a daemon with a hook, whose three sockets are opened for it."""
        hooks = self.place / "hooks"
        hooks.mkdir()
        hook = hooks / "pre-create"
        hook.write_text("#!/bin/sh\nenv > ../variables\n")
        hook.chmod(0o755)
        addresses = (f"127.0.0.1:{self.port}", f"[::1]:{self.port}", str(self.path))
        names = {"INET": "tus4", "INET6": "tus6", "UNIX": "local"}
        return self.daemon(
            *(ACTIVATE, f"--fdname={':'.join(names.values())}"),
            *(word for address in addresses for word in ("-l", address)),
            *("-E", f"NOTIFY_SOCKET={hearing.socket.address}"),
            *("-E", "WATCHDOG_USEC=400000"),
            *TWISTD,
            *("--hooks-dir", "hooks"),
            *(f"--port=systemd:domain={d}:name={n}" for d, n in names.items()),
        )

    def test_without_a_name(self) -> None:
        """A socket without a name ends the start with a sentence that asks for one."""
        port = "systemd:domain=INET:name=tus"
        with subprocess.Popen(
            (ACTIVATE, "-l", f"127.0.0.1:{self.port}", *TWISTD, "--port", port),
            cwd=self.place,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self.addCleanup(process.kill)
            until(lambda: connects(self.port), "the socket is open")
            _, said = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 1, said)
        self.assertIn(
            f"tustwisted: --port {port}: systemd gave no socket with a name: ", said
        )
        self.assertIn(f"{ACTIVATE} --fdname=tus", said)
        self.assertNotIn("Traceback", said)


class RestrictedTests(InPlace):
    """
    What the unit takes away, as far as it can be taken away without systemd.

    That is privileges, and places to write to; not calls of the kernel.
    """

    def test_serves(self) -> None:
        """Without any privilege, and with one place to write to, uploads are stored."""
        need_mounts()
        daemon = self.daemon(
            *("unshare", "--mount", "sh", "-euc", RESTRICT, "sh", str(self.place)),
            *TWISTD,
            *("--port", str(self.port)),
        )
        daemon.start()
        stored = self.upload(daemon.client())
        self.assertEqual(self.mode(stored), 0o640)
        self.assertEqual(self.mode(self.uploads), 0o750)
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        for line in ("NoNewPrivs:\t1", f"CapEff:\t{0:016x}", f"CapBnd:\t{0:016x}"):
            self.assertIn(line, status)
        mounts = Path(f"/proc/{daemon.pid}/mounts").read_text().splitlines()
        places = [line.split()[1:4:2] for line in mounts]
        self.assertTrue(any(p == "/" and "ro" in o.split(",") for p, o in places))
        daemon.stop()
        self.assertNotIn("Traceback", daemon.log)


RESTRICT = """
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro /
cd "$1"
shift
umask 0027
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""
"""The place is another mount, so it stays as it is."""


class RestartTests(InPlace):
    """The socket outlives the daemon, while clients upload."""

    skip = NEEDS_TOOLS

    def test_nobody_is_refused(self) -> None:
        """
        By either way of restarting no connection is refused, and every upload that
        was begun ends with the bytes that were sent: ``bench/restarts.py`` has times.
        """
        held = Held(self.port, self.place)
        self.addCleanup(held.stop)
        held.start()
        with held.uploading(clients=3) as noticed:
            restarts = []
            for way in WAYS:
                count = len(noticed.uploads)
                until(lambda n=count: len(noticed.uploads) > n + 9, "uploads go on")  # type: ignore[misc]
                restarts.append(held.restart(way))
        self.assertEqual(noticed.refused, 0)
        for restart in restarts:
            through = noticed.during(restart, noticed.uploads)
            log.info(
                "{way}: {took_s} s, longest wait {wait_s} s, {through} through it, "
                "cut and resumed: {cuts}",
                way=restart.way,
                took_s=round(restart.ended - restart.began, 2),
                wait_s=round(noticed.longest_s(restart), 2),
                through=dict(through),
                cuts=dict(noticed.during(restart, noticed.cuts)),
            )
            self.assertGreater(through["small"], 0)
        self.assertGreater(sum(name == "long" for name, _ in noticed.uploads), 0)
        self.assertTrue(any("long" in why for why, _ in noticed.cuts), noticed.cuts)
        self.assertEqual(held.stop(), 0)
        self.assertNotIn("Traceback", held.log)


class WatchdogTests(WithWorkers):
    """systemd watches a daemon with workers."""

    def test_stuck_worker(self) -> None:
        """All are told of when they serve, and one that is frozen is replaced."""
        hearing = Hearing()
        self.addCleanup(hearing.socket.close)
        daemon = self.serve(
            NOTIFY_SOCKET=hearing.socket.address, WATCHDOG_USEC="2000000"
        )
        hearing.until("READY=1")
        pid = self.kill_worker(2, signal.SIGSTOP)
        self.until_restarted(2, pid)
        self.logged(daemon, "worker 2 gives no sign of life and is killed")
        self.upload(self.client_of(daemon, 2))
        self.assertTrue(hearing.hears("WATCHDOG=1"))
        daemon.stop()
        self.assertTrue(hearing.hears("STOPPING=1"))
        self.assertEqual(processes(self.place), {})
