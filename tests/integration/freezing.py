"""
A program for ``twistd -y`` that is frozen in the middle of a chosen call on a file.

PORT and UPLOADS say where it listens and stores, REDIS what keeps its locks.  FREEZE is
``call:number``, such as ``pwritev:2``: right before that call of :class:`OsFiles` the
process stops itself (SIGSTOP), after all that it has judged to be allowed.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint

from tustwisted.disk import Disk
from tustwisted.lockers import make_locker, parse_locker
from tustwisted.service import UploadsService
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.web.resource import TusResource, below
from tustwisted.web.streaming import StreamingSite

TTL_S = 1.0

directory = os.environ["UPLOADS"]
call, _, number = os.environ["FREEZE"].partition(":")


class FreezingFiles(OsFiles):
    """Counts one kind of call once there is a file ``armed`` beside the uploads."""

    count = 0

    def __getattribute__(self, name: str) -> Any:
        if name == call and os.path.exists(f"{directory}/../armed"):
            FreezingFiles.count += 1
            if FreezingFiles.count == int(number):
                # This thread, or it would go on until another one has stopped it.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return super().__getattribute__(name)


disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
store = FileStore(directory, disk, files=FreezingFiles())
locker = make_locker(reactor, parse_locker(os.environ["REDIS"]), directory, TTL_S)
service = UploadsService.with_store(reactor, store, disk, directory, locker=locker)
site = StreamingSite(below("/files/", TusResource(service.uploads)))
endpoint = TCP4ServerEndpoint(reactor, int(os.environ["PORT"]), interface="127.0.0.1")

application = Application("freezing")
service.setServiceParent(application)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
