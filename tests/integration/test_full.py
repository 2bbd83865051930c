"""More clients than a daemon has descriptors for."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from tests.integration.commands import TWISTD, InPlace
from tests.integration.content import make_bytes
from tests.integration.daemon import Daemon
from tests.integration.raw import Client
from tustwisted.descriptors import EACH, Beside

LIMITED = ("sh", "-c", 'ulimit -n "$1"; shift; exec "$@"', "sh")
"""Runs a command with so many descriptors at the most."""

DESCRIPTORS = 110

CLIENTS = 120


class FullTests(InPlace):
    """A daemon that may open 110 files and sockets."""

    def serve(self, *options: str) -> Daemon:
        """Start one."""
        # As many may wait as come: who finds no place there tries again after a second.
        port = f"--port=tcp:{self.port}:interface=127.0.0.1:backlog={2 * CLIENTS}"
        words = (*LIMITED, str(DESCRIPTORS), *TWISTD, port, *options)
        daemon = self.daemon(*words)
        daemon.start()
        return daemon

    def comes_through(self, number: int) -> bool:
        """
        Upload, and tell whether all went well.

        A client that took a second between two requests has to come again.
        """
        for _ in range(3):
            try:
                return self.upload_slowly(make_bytes(50_000, seed=number))
            except ConnectionError:
                continue
        return False

    def upload_slowly(self, content: bytes) -> bool:
        """Upload in two pieces, and ask in between."""
        client = Client(("127.0.0.1", self.port))
        try:
            path = client.create("/files/", len(content))
            first = client.patch(path, 0, content[:30_000]).status
            offset = client.head(path)
            second = client.patch(path, offset, content[offset:]).status
        finally:
            client.close()
        stored = self.uploads / path.rpartition("/")[2]
        return (first, second) == (204, 204) and stored.read_bytes() == content

    def test_all_are_served(self) -> None:
        """
        All are served in the end, and an upload of before goes on.

        Clients that say nothing and would stay have to go.
        """
        daemon = self.serve()
        before = daemon.client()
        path = before.create("/files/", 10)
        before.begin_patch(path, 0, 10, start=b"01234")
        self.addCleanup(daemon.kill)
        silent = [daemon.client() for _ in range(8)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            self.assertEqual(
                [*pool.map(self.comes_through, range(CLIENTS))], [True] * CLIENTS
            )
        before.send(b"56789")
        self.assertEqual(before.response().status, 204)
        self.assertTrue(all(client.at_end() for client in silent[:2]))
        daemon.stop()
        told = re.findall(r"#(?!info)\w+\] (.*)", daemon.log)
        self.assertEqual(len(told), 1, told)
        self.assertIn("connections are taken", told[0])
        self.assertNotRegex(daemon.log, "Traceback|Too many open files")

    def test_all_are_served_by_workers(self) -> None:
        """Workers that may have three connections each serve one after the other."""
        daemon = self.serve("--workers=2", "--max-connections=3")
        with ThreadPoolExecutor(20) as pool:
            went_well = [*pool.map(self.comes_through, range(20))]
        self.assertEqual(went_well, [True] * 20)
        daemon.stop()
        self.assertNotRegex(daemon.log, "Traceback|Too many open files")

    def test_more_than_can_be(self) -> None:
        """A number that the limit cannot carry ends the start with both, and a fix."""
        words = (*LIMITED, "500", *TWISTD, "--workers=2", "--max-connections=200")
        code, output = self.run_to_end(*words)
        self.assertEqual(code, 1)
        needed = Beside(workers=2).descriptors + 200 * EACH
        self.assertTrue(
            output.startswith(
                "tustwisted: --max-connections 200: so many connections need "
                f"{needed} descriptors, and this process may have 500: "
            ),
            output,
        )
        self.assertIn(f"LimitNOFILE={needed} in the unit, or ulimit -n", output)
        self.assertEqual(output.count("\n"), 1, output)
        self.assertEqual([*self.place.iterdir()], [])
