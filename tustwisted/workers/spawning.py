"""Starting a worker's process, and what is connected to it."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any, Final

from attrs import define, field
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.process import reapAllProcesses
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.workers.balance import Balance, shared_memory
from tustwisted.workers.hearing import Hearing, Lines, PipeReader
from tustwisted.workers.interfaces import ISpawns, IWatches, IWorkerProcess
from tustwisted.workers.role import (
    BALANCE_FD,
    FIRST_PORT_FD,
    LIFE_FD,
    PYTHON_PATH,
    QUESTIONS_FD,
    SETTINGS_FD,
    WIRE_FD,
    Orders,
    WorkerRole,
)

COMMAND: Final = (sys.executable, "-P", "-m", "tustwisted.workers")
"""What a worker runs; -P keeps Python from looking in the working directory."""

_LOOK_AGAIN_MS = 20

log = Logger()


@implementer(ISpawns)
@define(eq=False, repr=False)
class Spawner:
    """
    Starts workers as processes of this machine.

    :param reactor: provides ``IReactorProcess`` and ``IReactorFDSet``.
    :param words: the options, as they were given.
    :param read_in: the directory in which they were read.
    :param workers: how many there are.
    :param ports: tells the listening sockets that they inherit.
    :param orphan_s: see :class:`~tustwisted.workers.role.Orders`.
    :param alive_every_s: how often they give a sign of life; ``None``: never.
    :param asks: takes the number of a worker and a socket by which to ask it, which it
        closes.
    :param settings: tells those in force, by their attributes.
    """

    _reactor: Any
    _words: Sequence[str]
    _read_in: str
    _workers: int
    _ports: Callable[[], Sequence[int]]
    _orphan_s: float
    _alive_every_s: float | None = None
    _asks: Callable[[int, socket.socket], None] | None = None
    _settings: Callable[[], Mapping[str, Any]] = dict
    _balance_fd: int = field(init=False, default=-1)
    _running: set[WorkerProcess] = field(init=False, factory=set)

    def spawn(self, role: WorkerRole, watcher: IWatches) -> WorkerProcess:
        """See :meth:`ISpawns.spawn`."""
        if self._balance_fd < 0:
            self._balance_fd = shared_memory(self._workers)
        process = WorkerProcess(
            self._reactor,
            role.number,
            watcher,
            lambda: self._gone(process, role.number),
        )
        self._running.add(process)
        try:
            self._start(process, role)
        except BaseException:
            self._running.discard(process)
            raise
        return process

    def _start(self, process: WorkerProcess, role: WorkerRole) -> None:
        ports = self._ports()
        ours, theirs = socket.socketpair()
        with ours, theirs, _unnamed_file() as settings:
            pickle.dump(self._settings(), settings)
            settings.seek(0)
            # First: if this failed after the start, nobody would know the process.
            if self._asks is not None:
                self._asks(role.number, ours.dup())
            process.start(
                [*COMMAND, str(role.number)],
                self._words,
                self._orders(role, len(ports)),
                {
                    BALANCE_FD: self._balance_fd,
                    QUESTIONS_FD: theirs.fileno(),
                    SETTINGS_FD: settings.fileno(),
                    **dict(enumerate(ports, FIRST_PORT_FD)),
                },
            )

    def settle(self, is_settled: Callable[[], bool], limit_s: float) -> None:
        """
        Listen to the workers until something is settled.

        For the time before the reactor runs, when a start can still fail with a
        sentence and a status.
        """
        end_s = time.monotonic() + limit_s
        while not is_settled() and time.monotonic() < end_s:
            poll, readers = select.poll(), {}
            for reader in (r for p in self._running for r in p.readers):
                if reader.fileno() >= 0:
                    poll.register(reader.fileno(), select.POLLIN)
                    readers[reader.fileno()] = reader
            for fd, _ in poll.poll(_LOOK_AGAIN_MS):
                readers[fd].doRead()
            reapAllProcesses()

    def _orders(self, role: WorkerRole, ports: int) -> Orders:
        return Orders(
            number=role.number,
            is_restart=role.is_restart,
            workers=self._workers,
            ports=ports,
            reactor=type(self._reactor).__module__,
            path=[name or self._read_in for name in sys.path],
            python_path=os.environ.get(PYTHON_PATH),
            read_in=self._read_in,
            orphan_s=self._orphan_s,
            alive_every_s=self._alive_every_s,
        )

    def _gone(self, process: WorkerProcess, number: int) -> None:
        self._running.discard(process)
        Balance(self._balance_fd, self._workers).leave(number)


@implementer(IWorkerProcess)
class WorkerProcess(ProcessProtocol):
    """
    One worker's process, with its pipes.

    :param reactor: as for :class:`Spawner`.
    :param number: of the worker.
    :param watcher: is told how it goes.
    :param gone: called before the watcher is told of the end.
    """

    transport: IProcessTransport

    def __init__(
        self, reactor: Any, number: int, watcher: IWatches, gone: Callable[[], None]
    ) -> None:
        self._reactor = reactor
        self._watcher = watcher
        self._gone = gone
        self._hearing = Hearing(number, self._is_ready, watcher.failed, watcher.alive)
        self._serves = False
        self._reloads_later = False
        self._life: int | None = None
        self.readers: list[PipeReader] = []
        """Of what the worker tells."""

    def start(
        self,
        command: Sequence[str],
        words: Sequence[str],
        orders: Orders,
        inherits: dict[int, int],
    ) -> None:
        """
        Run it.

        :raises OSError: the system has no room for it; nothing stays open.
        """
        with ExitStack() as theirs, ExitStack() as failing:
            failing.callback(self._close)
            life, self._life = os.pipe()
            theirs.callback(os.close, life)
            wire = self._read(self._hearing.told, theirs)
            said = self._read(self._hearing.said, theirs)
            self._reactor.spawnProcess(
                self,
                command[0],
                [*command, *words],
                env={**os.environ, **orders.as_variable()},
                childFDs={LIFE_FD: life, 1: said, 2: said, WIRE_FD: wire, **inherits},
            )
            failing.pop_all()

    @property
    def pid(self) -> int:
        """See :attr:`IWorkerProcess.pid`."""
        return self.transport.pid or 0

    def drain(self) -> None:
        """
        See :meth:`IWorkerProcess.drain`.

        A worker that serves takes the end of its pipe for a SIGTERM, and may have had
        one already; one that does not serve yet is ended by the signal itself.
        """
        if not self._serves:
            self._signal(signal.SIGTERM)
        self._end_life()

    def reload(self) -> None:
        """
        See :meth:`IWorkerProcess.reload`.

        One that does not serve yet has perhaps read what is not there any more.
        """
        if self._serves:
            self._signal(signal.SIGHUP)
        else:
            self._reloads_later = True

    def kill(self) -> None:
        """See :meth:`IWorkerProcess.kill`."""
        self._signal(signal.SIGKILL)

    def processEnded(self, reason: Failure) -> None:
        """Listen to its last words, then tell of its end."""
        for put_away in (*self._closings(), self._gone):
            try:
                put_away()
            except Exception:  # Twisted would reap no process any more
                log.failure("what a worker left could not be put away")
        self._watcher.ended(_how(reason), is_well=_is_well(reason))

    def _is_ready(self) -> None:
        self._serves = True
        if self._reloads_later:
            self._signal(signal.SIGHUP)
        self._watcher.ready()

    def _signal(self, number: int) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)

    def _read(self, tell: Callable[[str], None], theirs: ExitStack) -> int:
        """Read a new pipe; return the worker's end, which the stack will close."""
        ours, end = os.pipe()
        theirs.callback(os.close, end)
        self.readers.append(PipeReader(self._reactor, ours, Lines(tell)))
        return end

    def _closings(self) -> list[Callable[[], None]]:
        return [self._end_life, *(reader.finish for reader in self.readers)]

    def _close(self) -> None:
        for close in self._closings():
            close()

    def _end_life(self) -> None:
        if self._life is not None:
            os.close(self._life)
            self._life = None


def _unnamed_file() -> IO[bytes]:
    """Make a file that nobody else can open; on Linux it never comes to a disk."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("settings"), "w+b")
    return tempfile.TemporaryFile()


def _is_well(reason: Failure) -> bool:
    """Whether a process ended as it was told: one that starts, by the signal itself."""
    if getattr(reason.value, "signal", None) == signal.SIGTERM:
        return True
    return reason.check(ProcessDone) is not None


def _how(reason: Failure) -> str:
    """Say how a process ended."""
    number = getattr(reason.value, "signal", None)
    if number is not None:
        return f"was ended by {signal.Signals(number).name}"
    code = getattr(reason.value, "exitCode", None)
    return f"ended with status {code}" if code else "ended"
