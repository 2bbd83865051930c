"""
A program that takes three uploads again and again, and writes down when it held them.

Its arguments are the directory, the file to write to, how often it takes each, and a
seed.  It writes a line when a hold begins, and one when it ends: which of both, the id,
its own number and the time (``CLOCK_MONOTONIC``).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from tustwisted.lock.file import FileLocks
from tustwisted.waiting import Bell, WaitedTooLong, within

UPLOADS = ("a", "b", "c")
LIMIT_S = 30.0


@define(eq=False)
class Storm:
    """Takes and gives back."""

    reactor: Any
    locks: FileLocks
    written: int
    times: int
    random: Random
    bells: dict[str, Bell] = field(factory=lambda: {name: Bell() for name in UPLOADS})

    def write(self, what: str, upload_id: str) -> None:
        """Write a line at the end of the file that all write to."""
        line = f"{what} {upload_id} {os.getpid()} {time.monotonic()}\n"
        os.write(self.written, line.encode())

    async def run(self) -> None:
        """Do all that is to be done."""
        await self.locks.start(lambda upload_id: self.bells[upload_id].ring())
        works = [Deferred.fromCoroutine(self.take_often(name)) for name in UPLOADS]
        await gatherResults(works, consumeErrors=True)
        await self.locks.stop()

    async def take_often(self, upload_id: str) -> None:
        """Take one of them, over and over."""
        for _ in range(self.times):
            if self.random.random() < 0.1:
                lock = await self.locks.try_take(upload_id)
            else:
                lock = await self.locks.take(upload_id, LIMIT_S)
            if lock is not None:
                self.write("begin", upload_id)
                await self.hold(upload_id)
                self.write("end", upload_id)
                lock.release()
            if self.random.random() < 0.5:
                await deferLater(self.reactor, self.random.random() / 100, str)

    async def hold(self, upload_id: str) -> None:
        """Hold it for a while, or until another process wants it."""
        if self.random.random() < 0.2:
            return
        with suppress(WaitedTooLong):
            limit_s = self.random.random() / 50
            await within(limit_s, self.bells[upload_id].rung(), self.reactor)


def main(
    reactor: Any, directory: str, written: str, times: str, seed: str
) -> Deferred[None]:
    """Run to the end."""
    locks = FileLocks(directory, reactor)
    file = os.open(written, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    storm = Storm(reactor, locks, file, int(times), Random(seed))
    return Deferred.fromCoroutine(storm.run())


if __name__ == "__main__":
    react(main, sys.argv[1:])
