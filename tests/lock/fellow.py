"""Locks of several processes, all in one reactor: each has descriptors of its own."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tustwisted.lock.file import FileLocks
from tustwisted.lock.shared import IProcessLock
from tustwisted.lock.sockets import SOCKETS_NAME
from tustwisted.waiting import Bell, WaitedTooLong, within

LIMIT_S = 20.0
"""Longer than anything here takes: who waits longer fails the test."""

_T = TypeVar("_T")


def soon(work: Deferred[_T]) -> Deferred[_T]:
    """Wait for what must come, but not for ever."""
    return within(LIMIT_S, work, reactor)


async def turn() -> None:
    """Let the reactor turn once."""
    await deferLater(reactor, 0, lambda: None)


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor turn until something holds."""
    began = reactor.seconds()
    while not condition():
        if reactor.seconds() - began > LIMIT_S:
            raise WaitedTooLong
        await turn()


def descriptors() -> list[str]:
    """List the sockets and lock files that this process has open."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(link for link in links if re.match(r"socket:|.*/\.tus", link))


class Fellow:
    """The locks of a process, and what it was told that others want."""

    def __init__(self, directory: str) -> None:
        self.locks = FileLocks(directory, reactor)
        self.wishes: list[str] = []
        self._news = Bell()

    async def start(self) -> None:
        """Join the others."""
        await self.locks.start(self._wished)

    def stop(self) -> Deferred[None]:
        """Leave them; harmless when it has."""
        return Deferred.fromCoroutine(self.locks.stop())

    def _wished(self, upload_id: str) -> None:
        self.wishes.append(upload_id)
        self._news.ring()

    async def wish(self, upload_id: str) -> None:
        """Wait until this one is told that an upload is wanted."""
        while upload_id not in self.wishes:
            await soon(self._news.rung())

    def take(
        self, upload_id: str, timeout_s: float = LIMIT_S
    ) -> Deferred[IProcessLock]:
        """Take an upload."""
        return self.locks.take(upload_id, timeout_s)

    async def took(self, upload_id: str) -> IProcessLock:
        """Take an upload that is free at once."""
        lock = await self.locks.try_take(upload_id)
        assert lock is not None, "it is not free"
        return lock


async def hear_each_other(one: Fellow, other: Fellow) -> None:
    """
    Wait until each has heard all that the other has said.

    What is said arrives in order: so each asks the other for an upload of its own.
    """
    for asking, asked in ((one, other), (other, one)):
        upload_id = f"asked {len(asked.wishes)}"
        lock = await asked.took(upload_id)
        taking = asking.take(upload_id)
        await asked.wish(upload_id)
        asked.wishes.remove(upload_id)
        lock.release()
        (await soon(taking)).release()


class FellowCase(TestCase):
    """Has a directory, and stops everybody who was started in it."""

    def setUp(self) -> None:
        """Make a directory whose path is short."""
        self.directory = tempfile.mkdtemp(prefix="tus")
        self.addCleanup(shutil.rmtree, self.directory)

    async def fellow(self) -> Fellow:
        """Start another process's locks."""
        fellow = Fellow(self.directory)
        await fellow.start()
        self.addCleanup(fellow.stop)
        return fellow

    def sockets(self) -> list[str]:
        """List the sockets that are there."""
        return os.listdir(os.path.join(self.directory, SOCKETS_NAME))
