"""
A program for ``twistd -y`` that is killed once while it places a finished upload.

PORT and UPLOADS say where it listens and stores; finished uploads go to ``done`` beside
the uploads.  MOMENT says when it dies: ``before`` the link, ``after`` it, or before the
first name goes (``unlink``); the last one is for moves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.disk import Disk
from tustwisted.protocol.filenames import FileNameTemplate, Placing
from tustwisted.service import UploadsService
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

directory = Path(os.environ["UPLOADS"])
done = directory.with_name("done")
died = directory.with_name("died")
moment = os.environ["MOMENT"]


class DyingFiles(OsFiles):
    """Files that are the end of the process, once."""

    def link(self, source: str, target: str) -> None:
        """Give the second file another name, and die before or after."""
        is_second = "(2)" in target
        self._die_if(is_second and moment == "before")
        super().link(source, target)
        self._die_if(is_second and moment == "after")

    def unlink(self, path: str) -> None:
        """Die before a data file loses its first name."""
        is_second = any("(2)" in name for name in os.listdir(done))
        is_content = "." not in path.rpartition("/")[2]
        self._die_if(is_second and is_content and moment == "unlink")
        super().unlink(path)

    def _die_if(self, condition: bool) -> None:
        if condition and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)


disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
store = FileStore(
    str(directory), disk, files=DyingFiles(), finished_directory=str(done)
)
placing = Placing(FileNameTemplate("{filename}"), moves=moment == "unlink")
uploads = UploadsService.with_store(
    reactor, store, disk, str(directory), placing=placing
)
site = StreamingSite(below("/files/", TusResource(uploads.uploads)))
endpoint = TCP4ServerEndpoint(reactor, int(os.environ["PORT"]), interface="127.0.0.1")

application = Application("dies in place")
uploads.setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
