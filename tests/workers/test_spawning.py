"""Starting a worker's process, and what is left of it when it has ended."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tustwisted.workers.hearing import PipeReader
from tustwisted.workers.interfaces import IWatches
from tustwisted.workers.role import WorkerRole
from tustwisted.workers.spawning import Spawner


class Reactor:
    """Knows who reads, and starts no process while there is a problem."""

    def __init__(self) -> None:
        self.readers: set[object] = set()
        self.problem: OSError | None = None
        self.spawned = 0

    def addReader(self, reader: object) -> None:
        """Add one."""
        self.readers.add(reader)

    def removeReader(self, reader: object) -> None:
        """Remove one."""
        self.readers.discard(reader)

    def spawnProcess(self, *args: object, **kwargs: object) -> None:
        """Start none, or say why."""
        if self.problem is not None:
            raise self.problem
        self.spawned += 1


class Transport:
    """Takes note of signals."""

    def __init__(self) -> None:
        self.signals: list[int] = []

    def signalProcess(self, number: int) -> None:
        """Take note."""
        self.signals.append(number)


@implementer(IWatches)
class Watcher:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.was_well = False

    def ready(self) -> None:
        """Take note."""
        self.told.append("ready")

    def alive(self) -> None:
        """Take note."""
        self.told.append("alive")

    def failed(self, sentence: str) -> None:
        """Take note."""
        self.told.append(sentence)

    def ended(self, how: str, is_well: bool = False) -> None:
        """Take note."""
        self.told.append(how)
        self.was_well = is_well


class BrokenReader(PipeReader):
    """Fails when it is told to finish."""

    def __init__(self) -> None:
        """Read nothing."""

    def finish(self) -> None:
        """Fail."""
        raise RuntimeError("no")


class SpawnerTests(SynchronousTestCase):
    """Processes that could not be started, and those that have ended."""

    def setUp(self) -> None:
        """Make a spawner for two workers."""
        self.reactor = Reactor()
        self.spawner = Spawner(self.reactor, [], "/", 2, list, 12.0)
        self.watcher = Watcher()
        self.process = self.spawner.spawn(WorkerRole(1), self.watcher)
        self.addCleanup(os.close, self.spawner._balance_fd)
        self.addCleanup(self.process.processEnded, Failure(ProcessDone(0)))

    def open_files(self) -> set[str]:
        """Tell which descriptors this process has."""
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    def assert_nothing_stays(self) -> None:
        """A start that fails leaves no descriptor, no reader and no process."""
        running, readers = set(self.spawner._running), set(self.reactor.readers)
        before = self.open_files()
        self.assertRaises(OSError, self.spawner.spawn, WorkerRole(2), self.watcher)
        self.assertEqual(self.open_files(), before)
        self.assertEqual(self.reactor.readers, readers)
        self.assertEqual(self.spawner._running, running)
        self.assertEqual(self.watcher.told, [])

    def test_process_that_cannot_be_made(self) -> None:
        """Without room for a process nothing is left of the attempt."""
        self.reactor.problem = OSError(11, "Resource temporarily unavailable")
        self.assert_nothing_stays()

    def test_no_descriptor_left(self) -> None:
        """It is the same when some of the pipes can be had, and others cannot."""
        pipe = os.pipe
        for count in range(3):
            left = [None] * count

            def limited(left: list[None] = left) -> tuple[int, int]:
                if not left:
                    raise OSError(24, "Too many open files")
                left.pop()
                return pipe()

            patched = self.patch(os, "pipe", limited)
            self.assert_nothing_stays()
            patched.restore()

    def test_reload(self) -> None:
        """One that does not serve yet, and would die of the signal, gets it later."""
        transport = Transport()
        self.process.transport = transport  # type: ignore[assignment]
        self.process.reload()
        self.assertEqual(transport.signals, [])
        self.process._is_ready()
        self.assertEqual(transport.signals, [signal.SIGHUP])
        self.process.reload()
        self.assertEqual(transport.signals, [signal.SIGHUP] * 2)

    def test_ends_well(self) -> None:
        """Status 0 is well, and so is the signal that ends one that only starts."""
        for reason, is_well in (
            (ProcessDone(0), True),
            (ProcessTerminated(signal=15), True),
            (ProcessTerminated(exitCode=1), False),
            (ProcessTerminated(signal=9), False),
        ):
            self.process.processEnded(Failure(reason))
            self.assertIs(self.watcher.was_well, is_well)

    def test_no_socket_left(self) -> None:
        """It is the same when there is no socket to ask it by."""

        def fail() -> None:
            raise OSError(24, "Too many open files")

        self.patch(socket, "socketpair", fail)
        self.assert_nothing_stays()

    def test_socket_to_ask_by(self) -> None:
        """Whoever asks has one end of a socket, and nobody here has the other one."""
        asked: list[tuple[int, socket.socket]] = []
        spawner = Spawner(
            self.reactor,
            [],
            "/",
            2,
            list,
            12.0,
            asks=lambda number, at: asked.append((number, at)),
        )
        process = spawner.spawn(WorkerRole(2), self.watcher)
        self.addCleanup(os.close, spawner._balance_fd)
        self.addCleanup(process.processEnded, Failure(ProcessDone(0)))
        ((number, at),) = asked
        with at:
            self.assertEqual((number, at.recv(1)), (2, b""))

    def test_cannot_be_asked(self) -> None:
        """No process runs that nobody keeps, since it cannot be asked."""

        def asks(number: int, at: socket.socket) -> None:
            at.close()
            raise OSError(24, "Too many open files")

        before = self.reactor.spawned
        self.spawner._asks = asks
        self.assert_nothing_stays()
        self.assertEqual(self.reactor.spawned, before)

    def test_ends_whatever_was_left(self) -> None:
        """The end of a worker is told although its last words could not be heard."""
        self.process.readers.insert(0, BrokenReader())
        self.process.processEnded(Failure(ProcessTerminated(signal=9)))
        self.assertEqual(self.watcher.told, ["was ended by SIGKILL"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.spawner._running, set())
        self.assertEqual(self.reactor.readers, set())
        del self.process.readers[0]
