"""A copy that was taken while uploads went on, and a daemon that is started on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import make_bytes
from tests.integration.daemon import Daemon, free_port, twistd_tus
from tests.integration.raw import Client

SIZE = 600_000


def is_record(path: Path) -> bool:
    """Whether a file is what must be copied first."""
    return path.suffix in {".info", ".unverified"}


class BackupTests(SynchronousTestCase):
    """Records first, then bytes, as the documentation says."""

    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)
        self.copy = self.daemon.place / "copy"
        self.copy.mkdir()
        self.clients: dict[str, Client] = {}

    def copy_files(self, which: Callable[[Path], bool]) -> None:
        """Copy some of the files, but none of those that are hidden."""
        for path in self.daemon.directory.glob("[!.]*"):
            if which(path):
                shutil.copy2(path, self.copy)

    def begin(self, content: bytes, sent: int) -> str:
        """Send the begin of an upload, in a request that goes on; return its path."""
        path = self.daemon.create(len(content))
        self.clients[path] = self.daemon.client()
        self.clients[path].begin_patch(path, 0, len(content))
        self.send(path, content[:sent])
        self.daemon.until_offset(path, sent)
        return path

    def send(self, path: str, content: bytes) -> None:
        """Send more of it."""
        self.clients[path].send(content)

    def start_on_copy(self) -> Daemon:
        """Start another daemon on the copy, in another directory."""
        port = free_port()
        command = [
            {str(self.daemon.port): str(port)}.get(word, word)
            for word in self.daemon.command
        ]
        command += ["--upload-dir", str(self.copy)]
        other = evolve(self.daemon, command=command, port=port, directory=self.copy)
        other.start()
        return other

    def test_copy_while_uploading(self) -> None:
        """
        All that was begun before the copy goes on from what the copy has of it.

        What was finished is there, also if that was while its files were copied; what
        was created later is not.
        """
        whole, going, ending, late = (make_bytes(SIZE, seed) for seed in range(4))
        whole_path = self.begin(whole, SIZE)
        going_path = self.begin(going, 100_000)
        ending_path = self.begin(ending, 200_000)
        self.copy_files(is_record)
        self.send(going_path, going[100_000:300_000])
        self.daemon.until_offset(going_path, 300_000)
        self.send(ending_path, ending[200_000:])
        self.assertEqual(self.clients[ending_path].response().status, 204)
        late_path = self.begin(late, 10)
        self.copy_files(lambda path: not is_record(path))
        self.send(going_path, going[300_000:400_000])
        self.daemon.until_offset(going_path, 400_000)
        self.daemon.kill()

        other = self.start_on_copy()
        client = other.client()
        self.assertEqual(client.head(going_path), 300_000)
        self.assertEqual(client.patch(going_path, 300_000, going[300_000:]).status, 204)
        for path, content in (
            (whole_path, whole),
            (going_path, going),
            (ending_path, ending),
        ):
            got = client.request("GET", path)
            self.assertEqual((got.status, got.body == content), (200, True), path)
        self.assertEqual(client.request("GET", late_path).status, 404)
        client.close()
        for each in self.clients.values():
            each.close()
        other.stop()
