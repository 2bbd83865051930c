"""SIGHUP to the real daemon: what it takes, what it names, and what it survives."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time

from tests.integration.certificate import write_certificate
from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, free_port, until
from tests.integration.raw import Client
from tests.integration.workers import READY_S, WithWorkers, catches, processes

TOKENS = ("ann 0123456789abcdef\n", "bob fedcba9876543210\n")
BEARERS = [f"Authorization: Bearer {line.split()[1]}" for line in TOKENS]


class Secure(Client):
    """A client that speaks TLS, and believes anything."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket: socket.socket = context.wrap_socket(self.socket)

    @property
    def certificate(self) -> bytes | None:
        """What the server has shown."""
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket.getpeercert(binary_form=True)


class Configured(InPlace):
    """A daemon with a file of its configuration, and a certificate."""

    def setUp(self) -> None:
        """Write the files."""
        super().setUp()
        self.file = self.place / "tus.toml"
        self.pem = self.place / "key.pem"
        write_certificate(self.pem)
        self.tls_port = free_port()
        self.words = (
            *TWISTD,
            f"--config={self.file}",
            f"--port=ssl:{self.tls_port}:interface=127.0.0.1:privateKey={self.pem}",
        )

    def write(self, *lines: str) -> None:
        """Write the configuration."""
        self.file.write_text("\n".join(lines))

    def shown(self) -> bytes | None:
        """Tell which certificate a new connection is shown."""
        client = Secure(self.tls_port)
        certificate = client.certificate
        client.close()
        return certificate

    def size(self, client: Client, *headers: str) -> int:
        """Tell the longest upload, by an open connection."""
        response = client.request("OPTIONS", "/files/", *headers)
        return int(response.headers["tus-max-size"])

    def hang_up(self, daemon: Daemon, *expected: str) -> None:
        """Send SIGHUP, and wait until the log has lines that it did not have."""
        before = len(daemon.log)
        daemon.process.send_signal(signal.SIGHUP)
        for text in expected:
            until(lambda text=text: text in daemon.log[before:], f"the log has {text}")  # type: ignore[misc]


class ReloadTests(Configured):
    """One process."""

    def post(self, daemon: Daemon) -> list[int]:
        """Create uploads with either token; return the statuses."""
        client = daemon.client()
        return [
            client.request("POST", "/files/", "Upload-Length: 1", line).status
            for line in BEARERS
        ]

    def test_all_of_it(self) -> None:
        """Limits, tokens and certificates change; connections and the rest do not."""
        tokens = self.place / "tokens"
        tokens.write_text(TOKENS[0])
        self.write("max-size = 1000", f'auth-tokens = "{tokens}"')
        daemon = self.daemon(*self.words, f"--port={self.port}")
        daemon.start()
        plain, secure, first = daemon.client(), Secure(self.tls_port), self.shown()
        self.addCleanup(secure.close)
        self.assertEqual(
            [self.size(c, BEARERS[0]) for c in (plain, secure)], [1000] * 2
        )

        write_certificate(self.pem)
        tokens.write_text(TOKENS[1])
        self.write(
            "max-size = 2000", 'base-path = "/other/"', f'auth-tokens = "{tokens}"'
        )
        self.hang_up(
            daemon,
            "the configuration was read again; changed: --max-size\n",
            "--base-path: changed, but need a restart",
            f"--auth-tokens {tokens} was read again",
            "the certificate was read again",
        )
        self.assertEqual(
            [self.size(c, BEARERS[1]) for c in (plain, secure)], [2000] * 2
        )
        self.assertEqual(self.post(daemon), [401, 201])
        second = self.shown()
        self.assertNotEqual(second, first)

        self.pem.write_text("nonsense")
        tokens.write_text("nonsense")
        self.hang_up(
            daemon,
            "the key or the certificate cannot be read",
            "line 1 of the file must be an owner and a token",
        )
        self.assertEqual(self.post(daemon), [401, 201])
        self.assertEqual(self.shown(), second)

        self.write("max-size = 3000", "base-path = /other/")
        self.hang_up(daemon, "; nothing was changed")
        self.assertEqual(
            [self.size(c, BEARERS[1]) for c in (plain, secure)], [2000] * 2
        )
        daemon.terminate()
        while daemon.process.poll() is None:  # to the last moment none ends it
            daemon.process.send_signal(signal.SIGHUP)
            daemon.process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
        self.assertEqual(daemon.ended().code, 0, daemon.log)
        self.assertNotIn("Traceback", daemon.log)


class WorkersReloadTests(WithWorkers, Configured):
    """Several processes."""

    def test_all_workers(self) -> None:
        """
        The supervisor passes it on, and says alone what needs a restart.

        A worker that takes the place of another serves as its fellows do, although the
        file says something else by then, and nothing that can be used.
        """
        self.write("max-size = 1000")
        daemon = self.serve(command=self.words)
        pids = processes(self.place)
        clients = [self.client_of(daemon, number) for number in pids]
        self.write("max-size = 2000", 'base-path = "/other/"')
        write_certificate(self.pem)
        self.hang_up(
            daemon,
            "changed: --max-size",
            *(f"[worker {n} tustwisted.renewing#info]" for n in pids),
        )
        self.assertEqual([self.size(client) for client in clients], [2000, 2000])
        late = "--base-path: changed, but need a restart"
        self.assertEqual(len(self.lines(daemon, late)), 1)
        self.write("max-size = 9x")
        self.hang_up(daemon, "; nothing was changed")
        self.assertEqual(len(self.lines(daemon, "nothing was changed")), 1)
        self.until_restarted(1, self.kill_worker(1))
        pids = processes(self.place)
        until(lambda: catches(pids[1], signal.SIGTERM), "it runs", READY_S)
        self.assertEqual(self.size(self.client_of(daemon, 1)), 2000)
        for pid in (daemon.pid, *pids.values()):  # as a service manager may do it
            os.kill(pid, signal.SIGHUP)
        until(
            lambda: len(self.lines(daemon, "nothing was changed")) >= 4,
            "all have heard of it",
        )
        self.assertEqual(processes(self.place), pids)
        self.assertEqual(daemon.stop().code, 0, daemon.log)

    def lines(self, daemon: Daemon, text: str) -> list[str]:
        """Tell the lines of the log that have something."""
        return [line for line in daemon.log.splitlines() if text in line]
