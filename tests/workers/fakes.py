"""Processes of workers that are none, and whoever starts them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from tustwisted.workers.interfaces import ISpawns, IWatches, IWorkerProcess
from tustwisted.workers.role import WorkerRole


@implementer(IWorkerProcess)
@define(eq=False)
class FakeProcess:
    """Ends when it is told to, or not; the test says how it goes."""

    role: WorkerRole
    watcher: IWatches
    pid: int
    drains: int = 0
    reloads: int = 0
    is_killed: bool = False
    is_obedient: bool = True
    """Whether it ends at once when it is told to."""

    def drain(self) -> None:
        """Count, and end."""
        self.drains += 1
        if self.is_obedient and self.drains == 1:
            self.watcher.ended("ended", is_well=True)

    def reload(self) -> None:
        """Count."""
        self.reloads += 1

    def kill(self) -> None:
        """End."""
        self.is_killed = True
        self.watcher.ended("was ended by SIGKILL")


@implementer(ISpawns)
@define(eq=False)
class FakeSpawner:
    """Makes such processes; cannot while there is a problem."""

    processes: list[FakeProcess] = field(factory=list)
    problem: OSError | None = None

    def spawn(self, role: WorkerRole, watcher: IWatches) -> FakeProcess:
        """Make one."""
        if self.problem is not None:
            raise self.problem
        process = FakeProcess(role, watcher, 1000 + len(self.processes))
        self.processes.append(process)
        return process


@define(eq=False)
class FakeCompanion:
    """What notes when it is started and stopped; cannot be while there is a problem."""

    count: Callable[[], int]
    """Told with each call."""
    calls: list[tuple[str, int]] = field(factory=list)
    problem: Exception | None = None

    async def start(self) -> None:
        """Note it."""
        if self.problem is not None:
            raise self.problem
        self.calls.append(("start", self.count()))

    def stop(self) -> Deferred[None]:
        """Note it."""
        self.calls.append(("stop", self.count()))
        return succeed(None)
