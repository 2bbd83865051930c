"""The real daemon and real programs as hooks, some of which hang or fail."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.daemon import (
    GRACE_S,
    is_alive,
    place_of,
    script,
    twistd_tus,
    until,
)
from tests.integration.hooked import path_of

LENGTH = 1000

TIMEOUT_S = 2.0

QUICK_S = 0.2
"""How soon a HEAD is answered, whatever hooks do."""

HANG = "trap '' TERM; echo $$ >> pids; sleep 60; true"


class ProgramsCase(SynchronousTestCase):
    """A daemon with a directory of programs."""

    def setUp(self) -> None:
        """Make the directory, and start the daemon."""
        self.programs = place_of(self)
        self.daemon = twistd_tus(
            self,
            *("--hooks-dir", str(self.programs)),
            *("--hooks-dir-timeout", f"{TIMEOUT_S:g}s"),
        )

    def program(self, name: str, text: str) -> Path:
        """Put a program for the shell in its place, at one stroke."""
        path = self.programs / f"{name}.new"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path.rename(self.programs / name)

    def upload(self) -> str:
        """Upload a little; return the path."""
        client = self.daemon.client()
        path = client.create("/files/", LENGTH)
        self.assertEqual(client.patch(path, 0, b"a" * LENGTH).status, 204)
        return path

    def lines(self, name: str, count: int) -> list[str]:
        """Wait until programs have written so many lines to a file of theirs."""
        path = self.programs / name
        until(
            lambda: path.exists() and len(path.read_text().splitlines()) >= count,
            f"{count} lines of {name}",
        )
        return path.read_text().splitlines()

    def heads(self, path: str, until_s: float) -> list[float]:
        """Ask for an offset until some time; tell how long each answer took."""
        client, took = self.daemon.client(), []
        while time.monotonic() < until_s:
            began = time.monotonic()
            client.head(path)
            took.append(time.monotonic() - began)
            time.sleep(0.02)
        return sorted(took)


class HangTests(ProgramsCase):
    """Programs that do not end."""

    def test_hangs(self) -> None:
        """One that hangs is a 500 in time, and nobody else waits for it."""
        path = self.daemon.create(LENGTH)
        self.program("pre-create", HANG)
        client, began = self.daemon.client(), time.monotonic()
        client.begin("POST", "/files/", f"Upload-Length: {LENGTH}")
        (pid,) = self.lines("pids", 1)
        took = self.heads(path, began + TIMEOUT_S / 2)
        self.assertEqual(client.response().status, 500)
        self.assertLess(time.monotonic() - began, TIMEOUT_S + 2.0)
        self.assertGreater(len(took), 5)
        self.assertLess(took[len(took) // 2], QUICK_S)
        until(lambda: not is_alive(int(pid)), "the program is killed")
        self.assertIn("pre-create was not done within 2 s", self.daemon.log)
        self.assertEqual(len([*self.daemon.directory.glob("*.info")]), 1)

    def test_many_hang(self) -> None:
        """More of them than may run at the same time end in time as well."""
        path = self.daemon.create(LENGTH)
        self.program("pre-create", HANG)
        clients, began = [self.daemon.client() for _ in range(24)], time.monotonic()
        for client in clients:
            client.begin("POST", "/files/", f"Upload-Length: {LENGTH}")
        took = self.heads(path, began + TIMEOUT_S / 2)
        statuses = {client.response().status for client in clients}
        self.assertEqual(statuses, {500})
        self.assertLess(time.monotonic() - began, TIMEOUT_S + 2.0)
        self.assertLess(took[len(took) // 2], QUICK_S)
        pids = [int(pid) for pid in self.lines("pids", 16)]
        self.assertEqual(len(pids), 16)
        until(lambda: not any(map(is_alive, pids)), "the programs are killed")

    def test_stop(self) -> None:
        """A daemon that stops ends what hangs."""
        self.program("post-finish", HANG)
        self.upload()
        (pid,) = self.lines("pids", 1)
        stopped = self.daemon.stop()
        self.assertEqual(stopped.code, 0, self.daemon.log)
        self.assertLess(stopped.took_s, GRACE_S)
        self.assertFalse(is_alive(int(pid)))


class LifeTests(ProgramsCase):
    """What programs hear and may do."""

    def test_order(self) -> None:
        """What is told comes in order, however long each takes, with tusd's facts."""
        for name, pause in (("create", 0.4), ("finish", 0.2), ("terminate", 0)):
            self.program(
                f"post-{name}",
                f"sleep {pause}; cat >> events; echo >> events\n"
                'echo "$TUS_EVENT $TUS_ID $TUS_SIZE $TUS_OFFSET" >> facts',
            )
        path = self.upload()
        client = self.daemon.client()
        self.assertEqual(client.request("DELETE", path).status, 204)
        upload_id = path.rpartition("/")[2]
        self.assertEqual(
            self.lines("facts", 3),
            [
                f"post-create {upload_id} {LENGTH} 0",
                f"post-finish {upload_id} {LENGTH} {LENGTH}",
                f"post-terminate {upload_id} {LENGTH} {LENGTH}",
            ],
        )
        events = [json.loads(line) for line in self.lines("events", 3)]
        self.assertEqual([event["Event"]["Sequence"] for event in events], [1, 2, 3])

    def test_refused(self) -> None:
        """A program may refuse an upload; the client is told what it says."""
        reply = {
            "RejectUpload": True,
            "HTTPResponse": {"StatusCode": 415, "Body": "no such files here"},
        }
        self.program("pre-create", f"echo '{json.dumps(reply)}'")
        response = self.daemon.client().post("/files/", LENGTH)
        self.assertEqual(response.status, 415)
        self.assertIn(b"no such files here", response.body)
        self.assertEqual([*self.daemon.directory.glob("*.info")], [])

    def test_named(self) -> None:
        """A program may give an upload its id."""
        changes = {"ChangeFileInfo": {"ID": "chosen"}}
        self.program("pre-create", f"echo '{json.dumps(changes)}'")
        response = self.daemon.client().post("/files/", LENGTH)
        self.assertEqual(path_of(response.headers["location"]), "/files/chosen")

    def test_fails(self) -> None:
        """One that fails is a 500, and what it says stands in the log."""
        self.program("pre-create", "echo 'no database' >&2; exit 7")
        response = self.daemon.client().post("/files/", LENGTH)
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"database", response.body)
        self.assertIn("pre-create: no database", self.daemon.log)
        self.assertIn("pre-create ended with status 7", self.daemon.log)

    def test_told_again(self) -> None:
        """One that fails when it is told is told again, of the same event."""
        self.program(
            "post-finish",
            'echo "$TUS_EVENT_ID" >> told; [ "$(wc -l < told)" -gt 1 ]',
        )
        self.upload()
        told = self.lines("told", 2)
        self.assertEqual(told[0], told[1])

    def test_not_executable(self) -> None:
        """One that may not be run keeps nobody out silently."""
        self.program("pre-create", "").chmod(0o644)
        self.assertEqual(self.daemon.client().post("/files/", LENGTH).status, 500)
        self.assertIn("pre-create is not executable", self.daemon.log)


class StartTests(SynchronousTestCase):
    """A directory that is not there."""

    def test_no_directory(self) -> None:
        """It ends the daemon with one sentence."""
        place = place_of(self)
        command = [script("twistd"), "-n", "--pidfile=", "tus", "--port", "tcp:0"]
        done = subprocess.run(
            [*command, "--hooks-dir", str(place / "missing")],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn(
            f"--hooks-dir {place}/missing: there is no such directory",
            done.stdout + done.stderr,
        )
