"""What an image must do, whoever built it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.daemon import until
from tests.packaging.dockerfile import Stage, context_files, read_stages
from tests.packaging.environments import ROOT, copy_tree, files_of

UPLOAD = """
from http.client import HTTPConnection
server = HTTPConnection("127.0.0.1", 1080, timeout=10)
tus = {"Tus-Resumable": "1.0.0"}
server.request("POST", "/files/", headers={**tus, "Upload-Length": "5"})
created = server.getresponse()
created.read()
url = created.headers["Location"]
chunk = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
server.request("PATCH", url, b"hello", {**tus, **chunk})
server.getresponse().read()
server.request("GET", url)
print(server.getresponse().read().decode())
"""

FACTS = """
import os
print(os.getuid(), os.getgid(), os.getgroups(), os.path.getsize("/uploads"))
name, = (n for n in os.listdir("/uploads") if len(n) == 32)
print(os.stat("/uploads/" + name).st_uid, open("/uploads/" + name).read())
"""


def copy_context(target: Path) -> Path:
    """Copy the tree less what an engine is not sent."""
    tree = copy_tree(target)
    sent = context_files(tree / ".dockerignore", tree)
    for name in files_of(tree) - sent:
        (tree / name).unlink()
    return tree


class IsContainer(Protocol):
    """An image that runs."""

    def execute(self, command: Sequence[str]) -> tuple[int, str]:
        """Run one more command in it; return its exit status and what it wrote."""

    def stop(self, signal_name: str) -> int:
        """Send a signal to its first process, and return its exit status."""


class ImageCase(SynchronousTestCase):
    """The Dockerfile of the project, and what is checked of its image."""

    def setUp(self) -> None:
        """Read it."""
        self.stages = read_stages(ROOT / "Dockerfile")

    @property
    def last(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[-1]

    @property
    def health(self) -> list[str]:
        """The command that tells whether the daemon serves."""
        return self.last.last("HEALTHCHECK").command()

    def check_running(self, container: IsContainer) -> None:
        """It serves as its own user, takes an upload, and ends when it is told to."""

        def is_healthy() -> bool:
            return container.execute(self.health)[0] == 0

        until(is_healthy, "the image is healthy")
        status, said = container.execute(["python", "-c", UPLOAD])
        self.assertEqual((status, said), (0, "hello\n"))
        user, _, group = self.last.last("USER").rest.partition(":")
        status, said = container.execute(["python", "-c", FACTS])
        self.assertRegex(
            said, rf"\A{user} {group} \[({group})?\] \d+\n{user} hello\n\Z"
        )
        self.assertEqual(container.stop(self.last.last("STOPSIGNAL").rest), 0)
