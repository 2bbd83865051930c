"""
A program for ``twistd -y`` whose disk takes its time for each write, and each copy.

PORT and UPLOADS say where it listens and stores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.disk import Disk
from tustwisted.lock.memory import MemoryLocker
from tustwisted.service import UploadsService
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

WRITE_S = 0.02
COPY_S = 0.01
COPY_BYTES = 256 * 1024


class SlowFiles(OsFiles):
    """Files whose writes take 20 ms, however large, and copies 10 ms for a little."""

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Write, slowly."""
        time.sleep(WRITE_S)
        return super().pwritev(fd, buffers, offset)

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """Write what is in a pipe, slowly."""
        time.sleep(WRITE_S)
        return super().splice(pipe, fd, size_bytes, offset)

    def copy_range(
        self,
        source: int,
        source_offset: int,
        target: int,
        target_offset: int,
        count: int,
    ) -> int:
        """Copy a little, slowly."""
        time.sleep(COPY_S)
        count = min(count, COPY_BYTES)
        return super().copy_range(source, source_offset, target, target_offset, count)


disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
store = FileStore(os.environ["UPLOADS"], disk, files=SlowFiles())
uploads = Uploads(store, MemoryLocker(reactor), disk, reactor)
site = StreamingSite(below("/files/", TusResource(uploads)))
endpoint = TCP4ServerEndpoint(reactor, int(os.environ["PORT"]), interface="127.0.0.1")

application = Application("slow disk")
UploadsService(uploads, disk).setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
