"""What operators see of the daemon: its admin port, and its log as JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, free_port, twistd_program, until
from tests.integration.examples import EXAMPLES
from tests.integration.raw import Client
from tests.integration.workers import WithWorkers, processes
from tests.metrics.test_exposing import Labels, read
from tustwisted.adminport import MOST_ASKING

JSON = "--logger=tustwisted.logs.json_lines"


class Operators:
    """Asks an admin port."""

    admin: int

    def ask(self, path: str) -> tuple[int, str]:
        """Ask once; return status and text."""
        client = Client(("127.0.0.1", self.admin))
        response = client.request("GET", path)
        client.close()
        return response.status, response.body.decode()

    def metrics(self) -> Mapping[str, Mapping[Labels, float]]:
        """Read the metrics."""
        status, text = self.ask("/metrics")
        assert status == 200, text
        return read(text.encode())


class AdminPortTests(Operators, InPlace):
    """One process."""

    def setUp(self) -> None:
        """Choose one more port."""
        super().setUp()
        self.admin = free_port()

    def test_life(self) -> None:
        """Health, readiness with a store and without, what was counted, and the log."""
        where = ("--port", str(self.port), "--admin-port", str(self.admin))
        daemon = self.daemon(*TWISTD[:-1], JSON, TWISTD[-1], *where)
        daemon.start()
        self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
        self.assertEqual(self.ask("/readyz"), (200, "ok\n"))
        client = daemon.client()
        self.upload(client)
        found = self.metrics()
        for name, value in {
            "uploads_created_total": 1,
            "uploads_finished_total": 1,
            "received_bytes_total": 100_000,
            "connections": 1,
        }.items():
            self.assertEqual(found[f"tustwisted_{name}"], {(): value}, name)
        self.assertGreater(found["process_resident_memory_bytes"][()], 1_000_000)
        self.assertGreater(found["tustwisted_free_bytes"][()], 1_000_000)
        self.assert_few_at_once()
        shutil.rmtree(self.uploads)
        not_ready = (503, "store: does not work\n")
        until(lambda: self.ask("/readyz") == not_ready, "it is not ready")
        self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
        daemon.stop()
        self.assert_log(daemon)

    def assert_few_at_once(self) -> None:
        """Who asks without end takes nothing away from uploads."""
        clients = [Client(("127.0.0.1", self.admin)) for _ in range(MOST_ASKING + 1)]
        *_, last = clients
        self.assertTrue(last.at_end())
        for client in clients:
            client.close()
        until(lambda: self.is_answered("/healthz"), "there is room again")

    def is_answered(self, path: str) -> bool:
        """Whether there is room for one more who asks."""
        try:
            return self.ask(path)[0] == 200
        except (AssertionError, OSError):
            return False

    def assert_log(self, daemon: Daemon) -> None:
        """Each line is an object with the facts of its event, and none is of asking."""
        events: list[dict[str, Any]] = [json.loads(x) for x in daemon.log.splitlines()]
        for event in events:
            self.assertLessEqual(
                {"time", "level", "namespace", "message"}, event.keys()
            )
            self.assertNotIn("readyz", event["message"])
        (finished,) = (e for e in events if "finished" in e["message"])
        self.assertEqual(finished["namespace"], "tustwisted.uploads.finishing")
        self.assertEqual(finished["length"], 100_000)
        self.assertRegex(finished["upload_id"], "^[0-9a-f]{32}$")
        (warned,) = (e for e in events if "not ready" in e["message"])
        self.assertEqual(warned["level"], "warn")


class MonitoredAppTests(Operators, SynchronousTestCase):
    """The application of the documentation."""

    def test_application(self) -> None:
        """Its uploads are counted, and told where its operators ask."""
        self.admin = free_port()
        program = twistd_program(self, EXAMPLES / "monitored_app.py")
        program.variables["ADMIN"] = str(self.admin)
        program.start()
        self.assertEqual(self.ask("/readyz"), (200, "ok\n"))
        path = program.create(5)
        self.assertEqual(program.client().patch(path, 0, b"hello").status, 204)
        self.assertEqual(self.metrics()["tustwisted_received_bytes_total"][()], 5)
        self.assertNotIn("Traceback", program.log)


class AdminPortOfWorkersTests(Operators, WithWorkers):
    """Several processes, of which one is asked."""

    def setUp(self) -> None:
        """Choose one more port."""
        super().setUp()
        self.admin = free_port()

    def created(self) -> float:
        """Ask how many uploads were created."""
        return self.metrics()["tustwisted_uploads_created_total"][()]

    def test_workers(self) -> None:
        """All are added up, and when one is killed nothing that was told is lost."""
        command = (*TWISTD[:-1], JSON, TWISTD[-1])
        daemon = self.serve("--admin-port", str(self.admin), command=command)
        until(lambda: self.ask("/readyz") == (200, "ok\n"), "it is ready")
        clients = [self.client_of(daemon, number) for number in (1, 2)]
        for client in clients:
            client.create("/files/", 5)
        self.assertEqual(self.created(), 2)
        found = self.metrics()
        self.assertGreaterEqual(found["tustwisted_connections"][()], 2)
        workers = {dict(labels)["worker"] for labels in found["process_open_fds"]}
        self.assertEqual(workers, {"0", "1", "2"})
        room = os.statvfs(self.uploads)
        free = found["tustwisted_free_bytes"][()]
        self.assertLess(free, 1.5 * room.f_bavail * room.f_frsize)

        pid = self.kill_worker(1)
        self.until_restarted(1, pid)
        self.assertEqual(self.created(), 2)
        self.assertEqual(self.ask("/readyz"), (200, "ok\n"))
        client = self.client_of(daemon, 1)
        client.create("/files/", 5)
        until(lambda: self.created() == 3, "the new worker's are added")
        self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
        daemon.stop()
        self.assertEqual(processes(self.place), {})
        events = [json.loads(line) for line in daemon.log.splitlines()]
        created = [e["worker"] for e in events if "created" in e["message"]]
        self.assertEqual(created, [1, 2, 1])
