"""
Several processes that serve one directory: ``twistd tus --workers N``.

These run on the locker that several processes can share, which is the default.
"""

from __future__ import annotations

import os
import signal
import socket
import textwrap
from collections import Counter
from pathlib import Path

from tests.integration.commands import TWIST, TWISTD
from tests.integration.content import MIB, hash_of, make_file
from tests.integration.daemon import GRACE_S, Daemon
from tests.integration.raw import Client, Response
from tests.integration.test_shutdown import PROMPTLY_S
from tests.integration.workers import WithWorkers, open_files, processes


class ServingTests(WithWorkers):
    """Workers share what comes to one port."""

    def test_one_upload_through_all_workers(self) -> None:
        """What one worker has stored, another one continues, and the log says who."""
        daemon = self.serve()
        self.assert_shared(daemon)
        source = self.place / "source"
        digest = make_file(source, 4 * MIB, seed=3)
        content = source.read_bytes()
        clients = [self.client_of(daemon, number) for number in (1, 2)]
        path, other_path = (c.create("/files/", 4 * MIB) for c in clients)
        for turn in range(4):
            piece = content[turn * MIB : (turn + 1) * MIB]
            response = clients[turn % 2].patch(path, turn * MIB, piece)
            self.assertEqual(response.status, 204)
        self.assertEqual(hash_of(daemon.content(path)), digest)
        for number, created in ((1, path), (2, other_path)):
            upload = created.rpartition("/")[2]
            self.logged(
                daemon,
                rf"\[worker {number} tustwisted\.uploads\.creating#info\] "
                rf"upload {upload} created",
            )
        served = [line for line in daemon.log.splitlines() if daemon.url in line]
        self.assertEqual(len(served), 1, daemon.log)
        self.assertIn(f"stores in {self.uploads}, with 2 workers", served[0])
        self.assertNotIn("Traceback", daemon.log)

    def assert_shared(self, daemon: Daemon) -> None:
        """Of 40 connections that stay, each of two workers has its part."""
        clients = [daemon.client() for _ in range(40)]
        for client in clients:
            client.request("OPTIONS", "/files/")
        shares = Counter(self.holder(client) for client in clients)
        # bench/workers.py: 16 to 24 of 40, against 0 to 40 where chance decides.
        self.assertGreaterEqual(min(shares[1], shares[2]), 12, shares)
        for client in clients:
            client.close()

    def test_single(self) -> None:
        """With one worker there is no process beside the one that was started."""
        daemon = self.daemon(*TWISTD, "--port", str(self.port), "--workers", "1")
        daemon.start()
        self.upload(daemon.client())
        self.assertEqual(processes(self.place), {})
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
        self.assertEqual(children, "")

    def test_twist(self) -> None:
        """Twisted's newer runner serves with workers, which have its reactor."""
        command = (TWIST[0], "--reactor=poll", *TWIST[1:])
        daemon = self.serve(command=command)
        for number in (1, 2):
            self.upload(self.client_of(daemon, number))
            pid = processes(self.place)[number]
            # The other one, the default, has a descriptor of its own.
            self.assertNotIn("anon_inode:[eventpoll]", open_files(pid))
        self.assertEqual(daemon.stop().code, 0)
        self.assertEqual(processes(self.place), {})


class WorkerEndTests(WithWorkers):
    """A worker ends, for whatever reason."""

    def test_killed_in_mid_upload(self) -> None:
        """
        Others go on, another one takes its place, and the upload is continued.

        Who connects meanwhile is served, be it by the first worker that is back.
        """
        daemon = self.serve()
        content = os.urandom(MIB)
        path, other_path = daemon.create(MIB), daemon.create(MIB)
        client, other = self.client_of(daemon, 2), self.client_of(daemon, 1)
        for c, p in ((client, path), (other, other_path)):
            c.begin_patch(p, 0, MIB)
            c.send(content[:300_000])
            daemon.until_offset(p, 300_000)
        pid = self.kill_worker(2)
        self.assert_serves(daemon, connections=20)
        self.assertTrue(client.at_end())
        other.send(content[300_000:])
        self.assertEqual(other.response().status, 204)
        self.assertEqual(daemon.offset(path), 300_000)
        self.until_restarted(2, pid)
        self.logged(daemon, r"worker 2 was ended by SIGKILL after .* starts in 0\.1 s")
        response = self.client_of(daemon, 2).patch(path, 300_000, content[300_000:])
        self.assertEqual(response.status, 204)
        for p in (path, other_path):
            self.assertEqual(daemon.content(p).read_bytes(), content)
        for number in (1, 2):
            self.kill_worker(number)
        self.assert_serves(daemon, connections=1)  # it waits for a worker

    def assert_serves(self, daemon: Daemon, connections: int) -> None:
        """Who connects now is served, one after the other."""
        for _ in range(connections):
            client = daemon.client()
            self.assertEqual(client.request("OPTIONS", "/files/").status, 204)
            client.close()

    def test_terminated_alone(self) -> None:
        """A worker that is told to end drains, and another one takes its place."""
        daemon = self.serve()
        path = daemon.create(MIB)
        client = self.client_of(daemon, 1)
        client.begin_patch(path, 0, MIB)
        client.send(bytes(200_000))
        daemon.until_offset(path, 200_000)
        pid = self.kill_worker(1, signal.SIGTERM)
        response = client.response()
        self.assertEqual(response.status, 503)
        self.assertTrue(response.body.startswith(b"ERR_SERVER_SHUTDOWN: "))
        client.close()
        self.until_restarted(1, pid)
        self.assertEqual(self.client_of(daemon, 1).head(path), 200_000)
        self.assertNotIn("Traceback", daemon.log)


class StoppingTests(WithWorkers):
    """The supervisor is told to stop, or dies."""

    def begun(self, daemon: Daemon) -> dict[str, Client]:
        """Begin an upload through each worker, and send a part of it."""
        clients = {}
        for number in (1, 2):
            path = daemon.create(MIB)
            client = clients[path] = self.client_of(daemon, number)
            client.begin_patch(path, 0, MIB)
            client.send(b"a" * 100_000)
            daemon.until_offset(path, 100_000)
        return clients

    def assert_told(self, response: Response) -> None:
        """The client was told that the server stops."""
        self.assertEqual(response.status, 503)
        self.assertTrue(response.body.startswith(b"ERR_SERVER_SHUTDOWN: "))

    def assert_all_told(self, clients: dict[str, Client]) -> None:
        """All clients were told so, and their connections are closed."""
        for client in clients.values():
            self.assert_told(client.response())
            self.assertTrue(client.at_end())
            client.close()

    def assert_all_kept(self, paths: dict[str, Client]) -> None:
        """What was sent is stored."""
        for path in paths:
            stored = self.uploads / path.rpartition("/")[2]
            self.assertEqual(stored.read_bytes(), b"a" * 100_000)

    def test_terminated(self) -> None:
        """SIGTERM tells all clients, keeps all they sent, and leaves no process."""
        daemon = self.serve()
        clients = self.begun(daemon)
        idle = daemon.client()
        daemon.terminate()
        self.assert_all_told(clients)
        stopped = daemon.ended()
        self.assertEqual(stopped.code, 0, daemon.log)
        self.assertLess(stopped.took_s, PROMPTLY_S)
        self.assertEqual(processes(self.place), {})
        self.assertTrue(idle.at_end())
        self.assert_all_kept(clients)
        self.assertNotIn("Traceback", daemon.log)
        self.assertNotIn("another one starts", daemon.log)

    def test_all_at_once(self) -> None:
        """
        A signal to all processes, by Ctrl-C or a service manager, ends them in order.
        """
        for number, code in ((signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 0)):
            daemon = self.serve(command=("setsid", *TWISTD))
            clients = self.begun(daemon)
            os.killpg(daemon.pid, number)
            self.assert_all_told(clients)
            self.assertEqual(daemon.ended().code, code)
            self.assertEqual(processes(self.place), {})
            self.assert_all_kept(clients)
            self.assertNotIn("Traceback", daemon.log)
            self.assertNotIn("another one starts", daemon.log)

    def test_supervisor_killed(self) -> None:
        """Workers that have lost their supervisor drain and end; the port is free."""
        daemon = self.serve()
        clients = self.begun(daemon)
        daemon.kill()
        self.assert_all_told(clients)
        self.until_none_is_left()
        self.assert_all_kept(clients)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))

    def test_frozen_worker(self) -> None:
        """While a worker is frozen others take all connections; a stop kills it."""
        daemon = self.serve("--shutdown-timeout", "1s")
        pid = self.kill_worker(2, signal.SIGSTOP)
        for _ in range(50):
            client = daemon.client()
            self.assertEqual(client.request("OPTIONS", "/files/").status, 204)
        os.kill(pid, signal.SIGCONT)
        self.client_of(daemon, 2)
        os.kill(pid, signal.SIGSTOP)
        stopped = daemon.stop()
        self.assertEqual(stopped.code, 1)
        self.assertLess(stopped.took_s, GRACE_S)
        self.assertEqual(processes(self.place), {})
        self.assertIn("worker 2 did not end in time and is killed", daemon.log)

    def test_supervisor_killed_while_a_worker_hangs(self) -> None:
        """A worker whose reactor hangs does not stay behind."""
        impatient = ("--shutdown-timeout", "1s")
        daemon = self.serve(*impatient, PYTHONPATH=self.able_to_hang())
        self.kill_worker(2, signal.SIGUSR1)
        daemon.kill()
        self.until_none_is_left()

    def able_to_hang(self) -> str:
        """Make what lets a worker hang by SIGUSR1."""
        directory = self.place / "site"
        directory.mkdir()
        directory.joinpath("sitecustomize.py").write_text(HANGS)
        return str(directory)


HANGS = textwrap.dedent(
    """
    import signal

    def hang(number, frame):
        while True:
            pass

    signal.signal(signal.SIGUSR1, hang)
    """
)
"""Runs in the supervisor and its workers."""
