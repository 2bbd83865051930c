"""Keeping one worker alive."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import CannotStart
from tustwisted.workers.backoff import Backoff
from tustwisted.workers.interfaces import ISpawns, IWatches, IWorkerProcess
from tustwisted.workers.role import WorkerRole

log = Logger()

SILENT_LOOKS: Final = 2
"""Who has given no sign of life between so many looks, and one more, is stuck."""


class WorkerFailed(CannotStart):
    """A worker ended before it served for the first time."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class _State(Enum):
    NEW = auto()
    FIRST_START = auto()
    KEPT = auto()
    STOPPING = auto()


@implementer(IWatches)
@define(eq=False, repr=False)
class Keeper:
    """
    Starts a worker, and another one in its place whenever it ends.

    :param number: of the worker.
    :param clock: measures how long it lives and how long it is waited.
    :param spawner: starts its processes.
    """

    number: int
    _clock: IReactorTime
    _spawner: ISpawns
    _backoff: Backoff = field(factory=Backoff)
    first: Deferred[None] = field(init=False, factory=Deferred)
    """Fires when it serves for the first time, or with :class:`WorkerFailed`."""
    _state: _State = field(init=False, default=_State.NEW)
    _process: IWorkerProcess | None = field(init=False, default=None)
    _started_s: float = field(init=False, default=0.0)
    serves: bool = field(init=False, default=False)
    """Whether it does, as far as is known."""
    _silent_looks: int = field(init=False, default=0)
    _problem: str | None = field(init=False, default=None)
    _again: IDelayedCall | None = field(init=False, default=None)
    _stopped: Deferred[bool] = field(init=False, factory=Deferred)

    @property
    def pid(self) -> int | None:
        """The number of its process, if it has one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it for the first time."""
        self._state = _State.FIRST_START
        self._spawn()

    def stop(self) -> Deferred[bool]:
        """
        Let it end what it does, and start none in its place.

        :returns: fires when its process has ended: whether that was well.
        """
        self._state = _State.STOPPING
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._process is None:
            return succeed(True)
        self._process.drain()
        return self._stopped

    def reload(self) -> None:
        """Let its process read the configuration again; the next one is given it."""
        if self._process is not None:
            self._process.reload()

    def kill(self, why: str = "did not end in time") -> None:
        """End its process at once, if it has one."""
        if self._process is not None:
            log.error(
                "worker {number} {why} and is killed", number=self.number, why=why
            )
            self._process.kill()

    def look(self) -> None:
        """
        End it if it is stuck, so that another one takes its place.

        Looks are counted, not seconds: when this process itself was held up, its
        workers' signs of life wait to be read.
        """
        if self.serves and self._state is _State.KEPT:
            self._silent_looks += 1
            if self._silent_looks > SILENT_LOOKS:
                self.serves = False
                self.kill("gives no sign of life")

    # -- IWatches ----------------------------------------------------------------------

    def ready(self) -> None:
        """See :meth:`~tustwisted.workers.interfaces.IWatches.ready`."""
        self.serves = True
        self._silent_looks = 0
        if self._state is _State.FIRST_START:
            self._state = _State.KEPT
            self.first.callback(None)

    def alive(self) -> None:
        """See :meth:`~tustwisted.workers.interfaces.IWatches.alive`."""
        self._silent_looks = 0

    def failed(self, sentence: str) -> None:
        """See :meth:`~tustwisted.workers.interfaces.IWatches.failed`."""
        self._problem = sentence

    def ended(self, how: str, is_well: bool = False) -> None:
        """See :meth:`~tustwisted.workers.interfaces.IWatches.ended`."""
        self._process = None
        self.serves = False
        if self._state is _State.STOPPING:
            log.info("worker {number} {how}", number=self.number, how=how)
            self._stopped.callback(is_well)
        elif self._state is _State.FIRST_START:
            default = f"worker {self.number} {how} before it served: see the log"
            self.first.errback(WorkerFailed(self._problem or default))
        else:
            self._start_again(how)

    # -- inside ------------------------------------------------------------------------

    def _spawn(self) -> None:
        self._again = None
        self._problem = None
        self._started_s = self._clock.seconds()
        is_restart = self._state is _State.KEPT
        role = WorkerRole(self.number, is_restart)
        try:
            self._process = self._spawner.spawn(role, self)
        except OSError as error:  # no memory, or too many processes
            if isinstance(error, PermissionError):
                self._problem = (
                    f"worker {self.number} cannot be started: this user, maybe that "
                    f"of --uid, may not run {error.filename}"
                )
            self.ended(f"could not be started ({error.strerror})")
            return
        log.info(
            "worker {number} started as process {pid}",
            number=self.number,
            pid=self._process.pid,
        )

    def _start_again(self, how: str) -> None:
        lived_s = self._clock.seconds() - self._started_s
        delay_s = self._backoff.after(lived_s)
        log.warn(
            "worker {number} {how}{why} after {lived} s: another one starts in "
            "{delay} s",
            number=self.number,
            how=how,
            why=f" ({self._problem})" if self._problem else "",
            lived=round(lived_s, 1),
            delay=round(delay_s, 1),
        )
        self._again = self._clock.callLater(delay_s, self._spawn)
