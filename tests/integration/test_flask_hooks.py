"""The documented callback by HTTP, as a process beside the daemon."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, environment, free_port, until
from tests.integration.examples import EXAMPLES
from tests.integration.raw import LIMIT_S

SECRET = b"0123456789abcdef0123456789abcdef"
EVENTS = "pre-create,post-finish,post-terminate,post-expire"
NAMED = "Upload-Metadata: filename Y2Fmw6kudHh0"


class FlaskHooksTests(InPlace):
    """``flask_hooks.py`` and ``twistd tus --hooks-http``."""

    def setUp(self) -> None:
        """Write a secret, and start the application."""
        super().setUp()
        self.secret_file = self.place / "secret"
        self.secret_file.write_bytes(SECRET + b"\n")
        self.database = self.place / "files.sqlite"
        self.application_port = free_port()
        self.start_application()

    def start_application(self) -> None:
        """Run it, and wait until it listens."""
        self.application = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "flask_hooks.py")],
            env=environment(
                PORT=str(self.application_port),
                SECRET_FILE=str(self.secret_file),
                DATABASE=str(self.database),
            ),
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(self.application.wait, LIMIT_S)
        self.addCleanup(self.application.kill)
        until(self.listens, "the application listens")

    def listens(self) -> bool:
        """Whether somebody could connect."""
        try:
            socket.create_connection(("127.0.0.1", self.application_port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def start(self, *options: str) -> Daemon:
        """Start a daemon that calls it."""
        daemon = self.daemon(
            *(*TWISTD, "--port", str(self.port), "--upload-dir", str(self.uploads)),
            *("--hooks-http", f"http://127.0.0.1:{self.application_port}/hooks"),
            *("--hooks-http-secret-file", str(self.secret_file)),
            *("--hooks-enabled-events", EVENTS),
            *options,
        )
        daemon.start()
        return daemon

    def create(self, daemon: Daemon) -> str:
        """Create an upload that says what it is called; return its path."""
        answer = daemon.client().request("POST", "/files/", "Upload-Length: 4", NAMED)
        self.assertEqual(answer.status, 201)
        return "/files/" + answer.headers["location"].rpartition("/")[2]

    def files(self) -> list[tuple[Any, ...]]:
        """Read the table."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute("SELECT * FROM files").fetchall()

    def call(self, told: dict[str, Any], signed_s: float, secret: bytes) -> int:
        """Call the application as somebody might; return the status."""
        body = json.dumps(told).encode()
        signed = b"%d.%b" % (signed_s, body)
        digest = hmac.new(secret, signed, hashlib.sha256).hexdigest()
        connection = HTTPConnection("127.0.0.1", self.application_port, timeout=LIMIT_S)
        header = {"Tustwisted-Signature": f"t={int(signed_s)},v1={digest}"}
        connection.request("POST", "/hooks", body, header)
        status = connection.getresponse().status
        connection.close()
        return status

    def test_files(self) -> None:
        """A file is in the table when it is whole, until it is removed."""
        daemon = self.start()
        path = self.create(daemon)
        self.assertEqual(self.files(), [])
        self.assertEqual(daemon.client().patch(path, 0, b"abcd").status, 204)
        until(lambda: self.files() != [], "the file is in the table")
        where = str(daemon.content(path))
        row = (path.rpartition("/")[2], "caf\u00e9.txt", 4, where)
        self.assertEqual(self.files(), [row])
        self.assertEqual(daemon.client().request("DELETE", path).status, 204)
        until(lambda: self.files() == [], "the file is no more in the table")

    def test_refuses(self) -> None:
        """A client that does not say what the file is called is told so."""
        daemon = self.start()
        answer = daemon.client().post("/files/", 4)
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.body, b"say what the file is called\n")

    def test_comes_back(self) -> None:
        """What happens while the application is away it is told when it is back."""
        daemon = self.start()
        path = self.create(daemon)
        self.application.kill()
        self.application.wait(LIMIT_S)
        self.assertEqual(daemon.client().patch(path, 0, b"abcd").status, 204)
        daemon.stop()
        self.start_application()
        daemon.start()
        until(lambda: self.files() != [], "the file is in the table")
        self.assertEqual(len(self.files()), 1)

    def test_twice(self) -> None:
        """What it is told twice it does once."""
        upload = {"ID": "a", "Size": 1, "MetaData": {"filename": "a"}}
        upload["Storage"] = {"Path": "/a"}
        told = {"Type": "post-finish", "Event": {"ID": "1", "Upload": upload}}
        for _ in range(2):
            self.assertEqual(self.call(told, time.time(), SECRET), 200)
        self.assertEqual(self.files(), [("a", "a", 1, "/a")])

    def test_forged(self) -> None:
        """Who does not know the secret, or plays an old call again, is refused."""
        told = {"Type": "post-terminate", "Event": {"ID": "2", "Upload": {"ID": "a"}}}
        for signed_s, secret in ((0, b"x" * 32), (-301, SECRET), (301, SECRET)):
            status = self.call(told, time.time() + signed_s, secret)
            self.assertEqual(status, 401)
