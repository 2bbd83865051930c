"""The commands: how the daemon is started, configured and stopped."""

from __future__ import annotations

import os
import signal
import socket

from tests.integration.commands import TWIST, TWISTD, InPlace
from tests.integration.content import MIB
from tests.integration.daemon import Daemon, free_port, is_alive, script, until
from tests.integration.raw import Client


class DaemonisedTests(InPlace):
    """``twistd tus`` goes into the background."""

    def start(self, *options: str) -> int:
        """Start it; return the number of the process."""
        log, pid_file = self.place / "server.log", self.place / "server.pid"
        files = (f"--pidfile={pid_file}", f"--logfile={log}")
        where = ("tus", "--port", str(self.port))
        code, output = self.run_to_end(script("twistd"), *files, *options, *where)
        self.assertEqual((code, output), (0, ""))
        pid = int(pid_file.read_text())
        self.addCleanup(self._end, pid)
        return pid

    def _end(self, pid: int) -> None:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    def stop(self, pid: int) -> None:
        """Stop it, and wait for its end."""
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), "the daemon has ended")

    def client(self) -> Client:
        """Connect to it: it listens before the command returns."""
        client = Client(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        return client

    def test_serves(self) -> None:
        """It listens when the command returns, and removes its pid file at the end."""
        pid = self.start()
        self.upload(self.client())
        self.stop(pid)
        self.assertFalse((self.place / "server.pid").exists())
        log = (self.place / "server.log").read_text()
        self.assertIn(f"http://127.0.0.1:{self.port}/files/", log)
        self.assertNotIn("Traceback", log)

    def test_keeps_to_itself(self) -> None:
        """What a daemon stores is nobody else's by default: twistd's umask is 077."""
        self.start()
        stored = self.upload(self.client())
        self.assertEqual(self.mode(stored), 0o600)
        self.assertEqual(self.mode(self.uploads), 0o700)

    def test_umask(self) -> None:
        """With a umask of its own it lets others read."""
        self.start("--umask=027")
        stored = self.upload(self.client())
        self.assertEqual(self.mode(stored), 0o640)
        self.assertEqual(self.mode(stored.with_name(stored.name + ".info")), 0o640)
        self.assertEqual(self.mode(self.uploads), 0o750)

    def test_refused(self) -> None:
        """One that cannot start says so to who started it, and leaves no pid file."""
        self.place.joinpath("file").touch()
        log, pid_file = self.place / "server.log", self.place / "server.pid"
        files = (f"--pidfile={pid_file}", f"--logfile={log}")
        where = ("tus", "--port", str(self.port), "--upload-dir", "file/below")
        code, output = self.run_to_end(script("twistd"), *files, *where)
        self.assertEqual(code, 1)
        self.assertIn("cannot store uploads in ", output)
        # The command returns as soon as it is told, a moment before the daemon's end.
        until(lambda: not pid_file.exists(), "the pid file is removed")
        self.assertNotIn("Traceback", log.read_text())

    def test_port_taken(self) -> None:
        """The command fails as well when only the port cannot be had."""
        with socket.create_server(("127.0.0.1", self.port)):
            log, pid_file = self.place / "server.log", self.place / "server.pid"
            files = (f"--pidfile={pid_file}", f"--logfile={log}")
            where = ("tus", "--port", str(self.port))
            code, output = self.run_to_end(script("twistd"), *files, *where)
        self.assertEqual(code, 1)
        self.assertIn("cannot listen on ", output)
        whole = "Address already in use; choose another --port"
        # The command returns when it is told, which is before the log is.
        until(lambda: whole in log.read_text(), "the log has all of it")
        until(lambda: not pid_file.exists(), "the pid file is removed")


class ForegroundTests(InPlace):
    """``twistd -n tus`` and ``twist tus`` stay in the foreground."""

    def test_twistd(self) -> None:
        """It says where it listens and where it stores, serves, and stops."""
        daemon = self.daemon(*TWISTD, "--port", str(self.port))
        daemon.start()
        self.upload(daemon.client())
        self.assertEqual(daemon.stop().code, 0)
        self.assert_told_where(daemon)

    def test_twist(self) -> None:
        """Twisted's newer runner serves as well."""
        daemon = self.daemon(*TWIST, "--port", str(self.port))
        daemon.start()
        self.upload(daemon.client())
        self.assertEqual(daemon.stop().code, 0)
        self.assert_told_where(daemon)

    def assert_told_where(self, daemon: Daemon) -> None:
        """One line names both the creation URL and the directory."""
        self.assertTrue(self.uploads.is_absolute())
        found = [
            line
            for line in daemon.log.splitlines()
            if daemon.url in line and str(self.uploads) in line
        ]
        self.assertEqual(len(found), 1, daemon.log)

    def test_interrupted(self) -> None:
        """Ctrl-C stops it as SIGTERM does, and the shell sees what it was."""
        daemon = self.daemon(*TWISTD, "--port", str(self.port))
        daemon.start()
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.ended().code, -signal.SIGINT)
        self.assertIn("Main loop terminated", daemon.log)


class OptionsTests(InPlace):
    """What the options do."""

    def test_several_ports(self) -> None:
        """It listens on every port, by number or endpoint description."""
        other, socket_path = free_port(), self.place / "tus.sock"
        ports = (str(self.port), f"tcp:{other}:interface=127.0.0.1")
        # By its name alone: a path may have 107 bytes, wherever the tests run.
        options = [f"--port={port}" for port in (*ports, "unix:tus.sock")]
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        for address in (("127.0.0.1", self.port), ("127.0.0.1", other)):
            client = Client(address)
            self.addCleanup(client.close)
            self.upload(client)
        by_socket = Client(os.path.relpath(socket_path))
        self.addCleanup(by_socket.close)
        self.upload(by_socket)
        daemon.stop()
        self.assertFalse(socket_path.exists())

    def test_socket_of_a_killed_daemon(self) -> None:
        """A Unix socket that a killed daemon left behind keeps nobody from starting."""
        options = ("--port=unix:tus.sock", f"--port={self.port}")
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        daemon.kill()
        daemon.start()
        client = Client(os.path.relpath(self.place / "tus.sock"))
        self.addCleanup(client.close)
        self.upload(client)

    def test_base_path(self) -> None:
        """Uploads are below the base path, and nothing is beside it (T-268)."""
        options = ("--port", str(self.port), "--base-path", "/my/up")
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        client = daemon.client()
        stored = self.upload(client, "/my/up/")
        for path in ("/", "/my/", "/files/", f"/files/{stored.name}"):
            self.assertEqual(client.request("POST", path).status, 404, path)

    def test_max_size(self) -> None:
        """A longer upload than --max-size is refused, one as long is not (T-058)."""
        options = ("--port", str(self.port), "--max-size", "1KiB")
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        client = daemon.client()
        self.assertEqual(client.post("/files/", 1025).status, 413)
        self.assertEqual(client.post("/files/", 1024).status, 201)
        options_response = client.request("OPTIONS", "/files/")
        self.assertEqual(options_response.headers["tus-max-size"], "1024")

    def test_modes(self) -> None:
        """New files and directories get the modes that were asked for."""
        modes = ("--file-mode", "640", "--dir-mode", "710")
        daemon = self.daemon(*TWISTD, "--port", str(self.port), *modes)
        daemon.start()
        stored = self.upload(daemon.client())
        self.assertEqual(self.mode(stored), 0o640)
        self.assertEqual(self.mode(stored.with_name(stored.name + ".info")), 0o640)
        self.assertEqual(self.mode(self.uploads), 0o710)

    def test_upload_dir(self) -> None:
        """Uploads go where --upload-dir says; missing directories are made."""
        self.uploads = self.place / "a" / "b"
        options = ("--port", str(self.port), "--upload-dir", "a/b")
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        self.upload(daemon.client())

    def test_idle_timeout(self) -> None:
        """A body that is silent for --idle-timeout ends, and is kept (T-043)."""
        options = ("--port", str(self.port), "--idle-timeout", "0.2s")
        daemon = self.daemon(*TWISTD, *options)
        daemon.start()
        path = daemon.create(MIB)
        client = daemon.client()
        client.begin_patch(path, 0, MIB)
        client.send(b"a" * 1000)
        response = client.response()
        self.assertEqual(response.status, 500)
        self.assertTrue(response.body.startswith(b"ERR_READ_TIMEOUT: "))
        self.assertTrue(client.at_end())
        self.assertEqual(daemon.offset(path), 1000)

    def test_durability(self) -> None:
        """Uploads work under every promise."""
        for durability in ("none", "strict"):
            daemon = self.daemon(
                *TWISTD, "--port", str(self.port), "--durability", durability
            )
            daemon.start()
            self.upload(daemon.client())
            daemon.stop()

    def test_help(self) -> None:
        """--help tells every option and no reader of an option is asked first."""
        code, output = self.run_to_end(*TWISTD, "--help", "--max-size", "nonsense")
        self.assertEqual(code, 0)
        for name in ("port", "host", "upload-dir", "base-path", "max-size"):
            self.assertIn(f"--{name}", output)
