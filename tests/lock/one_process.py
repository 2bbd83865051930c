"""
A program with the file locker of one process (:class:`tests.lock.processes.Process`).

Its argument is the directory.  It is told a command a line, and says what happens, each
line with the time at its end (``CLOCK_MONOTONIC``, which all processes share):

``take ID SECONDS`` and ``try ID``
    ``took ID`` or ``locked ID``.
``release ID``
    ``released ID``.
``cpu``
    ``cpu SECONDS``: how much of the processor it has used until now.
``spawn``
    ``spawned PID``: starts a program that gets every descriptor that it can, and stays.
``stop``
    ``stopped``, and its end.

Without being told: ``ready`` at first, and ``wished ID``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from tustwisted.errors import UploadLocked
from tustwisted.lock.file import FileLocks
from tustwisted.lock.shared import IProcessLock


class Commands(LineOnlyReceiver):
    """Does what it is told."""

    delimiter = b"\n"

    transport: ITransport

    def __init__(self, locks: FileLocks) -> None:
        self.locks = locks
        self.held: dict[str, IProcessLock] = {}
        self.ended: Deferred[None] = Deferred()

    def say(self, *words: object) -> None:
        """Say what happened."""
        now = time.monotonic()
        self.sendLine(" ".join(map(str, (*words, now))).encode())

    def connectionMade(self) -> None:
        """Start the locker."""
        starting = Deferred.fromCoroutine(
            self.locks.start(lambda upload_id: self.say("wished", upload_id))
        )
        _ = starting.addCallbacks(lambda _: self.say("ready"), self.ended.errback)

    def lineReceived(self, line: bytes) -> None:
        """Do a command, and leave what must be waited for to itself."""
        command, *words = line.decode().split()
        doing = Deferred.fromCoroutine(getattr(self, f"do_{command}")(*words))
        _ = doing.addErrback(self.ended.errback)

    async def do_take(self, upload_id: str, timeout_s: str) -> None:
        """Take an upload."""
        try:
            self.held[upload_id] = await self.locks.take(upload_id, float(timeout_s))
        except UploadLocked:
            self.say("locked", upload_id)
        else:
            self.say("took", upload_id)

    async def do_try(self, upload_id: str) -> None:
        """Take it if it is free."""
        lock = await self.locks.try_take(upload_id)
        if lock is not None:
            self.held[upload_id] = lock
        self.say("locked" if lock is None else "took", upload_id)

    async def do_release(self, upload_id: str) -> None:
        """Give it back; the time is from before."""
        self.say("released", upload_id)
        self.held.pop(upload_id).release()

    async def do_cpu(self) -> None:
        """Tell how much of the processor was used."""
        self.say("cpu", time.process_time())

    async def do_spawn(self) -> None:
        """Start a program, and leave all descriptors open for it."""
        program = subprocess.Popen(["sleep", "60"], close_fds=False)
        self.say("spawned", program.pid)

    async def do_stop(self) -> None:
        """Stop the locker, and end."""
        await self.locks.stop()
        self.say("stopped")
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End when all is said."""
        if not self.ended.called:
            self.ended.callback(None)


def main(reactor: Any, directory: str) -> Deferred[None]:
    """Run until it is told to stop."""
    warnings = LogLevelFilterPredicate(LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [warnings])
    globalLogBeginner.beginLoggingTo([observer])
    commands = Commands(FileLocks(directory, reactor))
    StandardIO(commands, reactor=reactor)
    return commands.ended


if __name__ == "__main__":
    react(main, sys.argv[1:])
