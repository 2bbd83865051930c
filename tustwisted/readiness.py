"""Whether uploads can be taken at this moment, asked often and by anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tustwisted.errors import LocksUnavailable, NoSpace, TusError
from tustwisted.outcome import Outcome
from tustwisted.probes import IHasRoom, IReachable
from tustwisted.uploads.uploads import Uploads
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

HOLDS_S: Final = 1.0
"""So long an answer is good for all who ask."""

PATIENCE_S: Final = 1.0
"""So long somebody waits for an answer."""

_T = TypeVar("_T")


@define(eq=False, repr=False)
class Remembered(Generic[_T]):
    """
    A question that is asked once at a time, and whose answer holds for a while.

    What does not answer is waited for, not asked again: a disk that hangs costs one
    thread.

    :param ask: asks it.
    :param clock: measures how long an answer holds.
    """

    _ask: Callable[[], Awaitable[_T]]
    _clock: IReactorTime
    _holds_s: float = HOLDS_S
    _outcome: Outcome[_T] | None = field(init=False, default=None)
    _until_s: float = field(init=False, default=0.0)

    def get(self, patience_s: float = PATIENCE_S) -> Deferred[_T]:
        """
        Return the answer, and ask for it if there is none that holds.

        :raises WaitedTooLong: (errback) there is none yet.
        """
        outcome = self._outcome
        if outcome is None or (
            outcome.is_settled and self._clock.seconds() >= self._until_s
        ):
            outcome = self._outcome = Outcome.of(self._asked())
        return within(patience_s, outcome.wait(), self._clock)

    async def _asked(self) -> _T:
        try:
            return await self._ask()
        finally:
            self._until_s = self._clock.seconds() + self._holds_s


@define(eq=False, repr=False)
class Readiness:
    """
    Asks the parts of some uploads whether they work.

    :param uploads: perhaps not started yet.
    :ivar room: how many bytes the store has room for; ``None``: it does not tell.
    """

    _uploads: Uploads
    room: Remembered[int | None] = field(init=False)
    _locks: Remembered[None] = field(init=False)
    _said: list[str] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        clock = self._uploads.clock
        self.room = Remembered(self._ask_for_room, clock)
        self._locks = Remembered(self._ping, clock)

    async def problems(self) -> list[str]:
        """
        Tell why uploads cannot be taken, a line for each part; none: they can.

        It ends in little more than a second, and names no path and no address.
        """
        if not self._uploads.is_running:
            return ["uploads: not started yet, or stopping"]
        asked = [
            ("store", _problem(self.room.get())),
            ("locks", _problem(self._locks.get())),
        ]
        begun = [(part, Deferred.fromCoroutine(problem)) for part, problem in asked]
        found = [
            f"{part}: {told}" for part, problem in begun if (told := await problem)
        ]
        self._log(found)
        return found

    def _log(self, found: list[str]) -> None:
        """Log what has changed since the last time."""
        if found and found != self._said:
            log.warn("not ready for uploads: {problems}", problems="; ".join(found))
        elif self._said and not found:
            log.info("ready for uploads again")
        self._said = found

    async def _ask_for_room(self) -> int | None:
        store = IHasRoom(self._uploads.store, None)
        return None if store is None else await store.room()

    async def _ping(self) -> None:
        locker = IReachable(self._uploads.locker, None)
        if locker is not None:
            await locker.ping()


async def _problem(asking: Deferred[Any]) -> str:
    """Tell what is wrong with a part; empty: nothing."""
    try:
        await asking
    except NoSpace:
        return "full"
    except LocksUnavailable:
        return "cannot be reached"
    except TusError:
        return "does not work"
    except CancelledError:
        raise  # who wants to know has left
    except WaitedTooLong:
        return "does not answer"
    except Exception:  # an edge: of a store that somebody else has written
        log.failure("a part of the uploads cannot be asked whether it works")
        return "does not work"
    return ""
