"""What the parts of a supervisor are to each other."""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from zope.interface import Attribute, Interface

from tustwisted.workers.role import WorkerRole


class IWatches(Interface):
    """Who is told how it goes with a worker's process."""

    def ready() -> None:
        """Take note that it serves."""

    def alive() -> None:
        """Take note that its reactor runs."""

    def failed(sentence: str) -> None:
        """Take note of why it cannot serve; its end follows."""

    def ended(how: str, is_well: bool = False) -> None:
        """
        Take note of its end, after which nothing is told.

        :param how: goes on with "the worker ...".
        :param is_well: it ended as it was told to.
        """


class IWorkerProcess(Interface):
    """A worker's process."""

    pid: int = Attribute("""Its number.""")

    def drain() -> None:
        """Let it end what it does and then itself; harmless when done twice."""

    def reload() -> None:
        """Let it read its configuration again, as soon as it serves."""

    def kill() -> None:
        """End it at once."""


class ISpawns(Interface):
    """What starts workers."""

    def spawn(role: WorkerRole, watcher: IWatches) -> IWorkerProcess:
        """
        Start one; the watcher is told of it later, never before this returns.

        :raises OSError: the system has no room for a process.
        """
