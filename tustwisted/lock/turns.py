"""Turns: who holds an upload in this process, and who waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

MAX_WAITERS = 100
"""How many may wait for one upload; who comes then is told so at once."""


def _nobody() -> None:
    """Be told of no wish."""


@define(eq=False, repr=False)
class _Waiter:
    wanted: Callable[[], None]
    granted: Deferred[Turn]


@define(eq=False, repr=False)
class _Queue:
    """Those who wait for one upload; made for the first of them."""

    waiters: deque[_Waiter] = field(factory=deque)
    is_free: bool = False
    is_passing: bool = False


@implementer(ILock)
@define(eq=False, repr=False)
class Turn:
    """One holder's turn; no other process is kept off by it, and it is never lost."""

    _turns: Turns
    _upload_id: str
    _wanted: Callable[[], None]
    _queue: _Queue | None = None
    _is_told: bool = field(init=False, default=False)
    _is_released: bool = field(init=False, default=False)
    _lost: Deferred[None] | None = field(init=False, default=None)

    def when_lost(self) -> Deferred[None]:
        """See :meth:`tustwisted.interfaces.ILock.when_lost`; it never fires."""
        if self._lost is None:
            self._lost = Deferred()
        return self._lost

    def require_held(self) -> None:
        """See :meth:`tustwisted.interfaces.ILock.require_held`."""

    def release(self) -> None:
        """Pass the upload on to whoever waits longest; harmless when done twice."""
        if not self._is_released:
            self._is_released = True
            # Both lead to the holder, and so back here.
            self._wanted, self._lost = _nobody, None
            self._turns._pass_on(self._upload_id, self._queue)

    def ask_back(self) -> None:
        """Tell the holder, once, that somebody else wants the upload."""
        if not self._is_told and not self._is_released:
            self._is_told = True
            try:
                self._wanted()
            except Exception:
                log.failure("a holder of a lock failed when it was asked for it")


@define(eq=False, repr=False)
class Turns:
    """
    The turns of all uploads in one process; waiters are served in the order they came.

    :param clock: measures how long somebody waits.
    """

    _clock: IReactorTime
    _turns: dict[str, Turn] = field(init=False, factory=dict)

    def __len__(self) -> int:
        """Tell how many uploads are held."""
        return len(self._turns)

    def acquire(
        self, upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[Turn]:
        """As :meth:`tustwisted.interfaces.ILocker.acquire`, in this process."""
        taken = self.acquire_free(upload_id, wanted)
        if taken is not None:
            return succeed(taken)
        turn = self._turns[upload_id]
        if turn._queue is None:
            turn._queue = _Queue()
        if len(turn._queue.waiters) >= MAX_WAITERS:
            return fail(UploadLocked(0))
        waiting = self._wait(turn._queue, wanted, timeout_s)
        turn.ask_back()
        return waiting

    def acquire_free(self, upload_id: str, wanted: Callable[[], None]) -> Turn | None:
        """Do what :meth:`acquire` does if nobody holds the upload in this process."""
        if upload_id in self._turns:
            return None
        self._turns[upload_id] = turn = Turn(self, upload_id, wanted)
        return turn

    def try_acquire(self, upload_id: str) -> Turn | None:
        """As :meth:`tustwisted.interfaces.ILocker.try_acquire`, in this process."""
        return self.acquire_free(upload_id, _ignore)

    def ask_back(self, upload_id: str) -> None:
        """Tell whoever holds an upload, if somebody does, that it is wanted."""
        turn = self._turns.get(upload_id)
        if turn is not None:
            turn.ask_back()

    def _wait(
        self, queue: _Queue, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[Turn]:
        def leave(_: object) -> None:
            queue.waiters.remove(waiter)

        def tell(failure: Failure) -> Turn:
            failure.trap(WaitedTooLong)
            raise UploadLocked(timeout_s)

        waiter = _Waiter(wanted, Deferred(leave))
        queue.waiters.append(waiter)
        return within(timeout_s, waiter.granted, self._clock).addErrback(tell)

    def _pass_on(self, upload_id: str, queue: _Queue | None) -> None:
        if queue is None:
            del self._turns[upload_id]
            return
        queue.is_free = True
        if queue.is_passing:
            return  # who was granted it has released it already: the loop goes on
        queue.is_passing = True
        while queue.is_free and queue.waiters:
            queue.is_free = False
            waiter = queue.waiters.popleft()
            self._turns[upload_id] = turn = Turn(self, upload_id, waiter.wanted, queue)
            waiter.granted.callback(turn)
            if queue.waiters:
                turn.ask_back()  # the others asked before this one held it
        queue.is_passing = False
        if queue.is_free:
            del self._turns[upload_id]


def _ignore() -> None:
    """Whoever wants the lock waits for the end of what is soon done."""
