"""Brings to one hook what the outbox has for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import EventRefused, TusError
from tustwisted.hooks.interfaces import DueEvent, IMail
from tustwisted.hooks.lines import Line, Lines
from tustwisted.hooks.outbox.names import id_of
from tustwisted.hooks.trouble import Trouble, told
from tustwisted.interfaces import IHook
from tustwisted.outcome import Outcome
from tustwisted.protocol.events import Event
from tustwisted.waiting import Bell, WaitedTooLong, within

log = Logger()

TELL_S = 60.0
"""How long a hook may take, whatever limit it has itself."""

POLL_S = 0.25
"""How often it is seen whether other processes have put something into the outbox."""

RESTLESS_S = 2.0
"""After a change it is looked for so long: two in one moment may look like one."""

LOOK_S = 60.0
"""How often it is looked whether anything has changed or not."""

REST = 4
"""Times as long as a look took the next one waits."""

AT_A_TIME = 64
"""Hooks that wait for nothing let others have their turn after so many events."""

WINDOW = 8192
"""So many names are in memory, some 3 MB; the others come later."""

MOST = 4
"""Times as many uploads if they fail: they must not hide the others."""

FEWEST_TRIES = 5
"""
Before an event is given up, however old it is.

After the machine was down for two days the hook may need some seconds, too.
"""


@define(eq=False, repr=False)
class Carrier:
    """
    Tells one hook its events, until it is stopped; it is not started again.

    :param clock: measures the time between tries.
    :param now: tells the time, seconds since 1970.
    """

    _mail: IMail
    _hook: IHook
    _clock: IReactorTime
    _now: Callable[[], float]
    _give_up_after_s: float
    _at_once: int
    _random: Callable[[], float]
    _window: int = WINDOW
    _lines: Lines = field(init=False)
    _trouble: Trouble = field(init=False)
    _loop: Deferred[None] | None = field(init=False, default=None)
    _is_stopping: bool = field(init=False, default=False)
    _is_beginning: bool = field(init=False, default=False)
    _more: IDelayedCall | None = field(init=False, default=None)
    _in_flight: dict[Outcome[None], Deferred[None]] = field(init=False, factory=dict)
    _one_ended: Bell = field(init=False, factory=Bell)
    _finished: Outcome[None] = field(init=False, factory=Outcome)
    _mark: object = field(init=False, factory=object)
    _after: str = field(init=False, default="")
    _old: int = field(init=False, default=0)
    _is_through: bool = field(init=False, default=False)
    """Nothing was new in all pages, the last time round."""

    _restless_until: float = field(init=False, default=0.0)
    _looked_at: float = field(init=False, default=float("-inf"))
    _look_took_s: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._lines = Lines(self._at_once, self._random)
        self._trouble = Trouble(self._hook.name, self._clock)

    def start(self) -> None:
        """Begin."""
        self._loop = Deferred.fromCoroutine(self._run())
        self._loop.addErrback(self._broken)  # type: ignore[unused-awaitable]

    def _broken(self, failure: Failure) -> None:
        if not (self._is_stopping or failure.check(CancelledError)):
            log.failure("telling hook {hook} broke off", failure, hook=self._hook.name)

    def stop(self) -> None:
        """Begin nothing any more."""
        self._is_stopping = True
        if self._loop is not None:
            self._loop.cancel()
        if self._more is not None:
            self._more.cancel()
            self._more = None

    async def stopped(self) -> None:
        """Wait for the end of what is being told."""
        for outcome in list(self._in_flight):
            await outcome.wait()

    def cut_off(self) -> None:
        """Cut off what is being told; it is told again some time."""
        for work in list(self._in_flight.values()):
            work.cancel()

    # -- the last round ----------------------------------------------------------------

    def finish(self) -> None:
        """
        Begin to tell all that is due, and what becomes due meanwhile; then this ends.

        What fails is tried again, until the hook is down.
        """
        if self._loop is not None:
            self._loop.cancel()
        self._loop = Deferred.fromCoroutine(self._finish())
        self._loop.addErrback(self._broken)  # type: ignore[unused-awaitable]
        self._loop.addBoth(self._finished.settle)  # type: ignore[unused-awaitable]

    def finished(self) -> Deferred[None]:
        """Return what fires when that is done, or was stopped."""
        return self._finished.wait()

    async def _finish(self) -> None:
        after, was_idle = "", True
        while True:
            try:
                page = await self._mail.look(self._hook.name, after, self._window)
            except TusError:  # which is logged; what nobody can read nobody can tell
                return
            self._lines.add(page.names)
            was_idle = was_idle and not self._lines.known
            await self._tell_all()
            after = page.after
            if self._lines.is_down or (was_idle and not after):
                return
            was_idle = was_idle or not after  # something may have come meanwhile

    async def _tell_all(self) -> None:
        """Tell all that has been looked up, unless the hook is down."""
        while True:
            self._begin()
            is_busy = self._in_flight or self._more is not None
            if not is_busy and (self._lines.is_down or not self._lines.known):
                return
            with suppress(WaitedTooLong):
                await within(POLL_S, self._one_ended.rung(), self._clock)

    @property
    def hook_name(self) -> str:
        """The hook's name."""
        return self._hook.name

    @property
    def left(self) -> int:
        """Of how many uploads it knows something that is still to be told."""
        return self._lines.known

    # -- looking -----------------------------------------------------------------------

    async def _run(self) -> None:
        bell = self._mail.bell(self._hook.name)
        while True:
            # The look may wait for the storage; it has logged what failed.
            with suppress(TusError):
                await self._look_if_changed()
            self._begin()
            early_s = self._next_look_s - self._seconds
            with suppress(WaitedTooLong):
                rest_s = min(POLL_S, early_s) if early_s > 0 else POLL_S
                await within(rest_s, bell.rung(), self._clock)

    @property
    def _next_look_s(self) -> float:
        return self._looked_at + (REST + 1) * self._look_took_s

    async def _look_if_changed(self) -> None:
        now_s = self._seconds
        if now_s < self._next_look_s or self._has_enough:
            return
        mark = await self._mail.mark(self._hook.name)
        if mark != self._mark:
            self._mark, self._restless_until = mark, now_s + RESTLESS_S
        elif self._is_through and (
            self._restless_until <= now_s < self._looked_at + LOOK_S
        ):
            return
        page = await self._mail.look(self._hook.name, self._after, self._window)
        self._old = 0 if self._lines.add(page.names) else self._old + len(page.names)
        # A page without anything new says nothing of the other ones.
        self._is_through = not page.after or self._old >= page.total
        self._after, self._looked_at = page.after, now_s
        self._look_took_s = self._seconds - now_s

    @property
    def _has_enough(self) -> bool:
        """
        There is enough to do.

        While everything fails newcomers are let in: perhaps only those before them do.
        """
        if self._lines.known > MOST * self._window:
            return True
        return not self._lines.is_down and self._lines.fresh > self._window // 2

    @property
    def _seconds(self) -> float:
        return self._clock.seconds()

    # -- telling -----------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin to tell what is to be told now; harmless when that goes on."""
        if self._is_beginning:  # what ended at once has called this
            return
        self._is_beginning = True
        for _ in range(AT_A_TIME):
            line = None if self._is_stopping else self._lines.next(self._seconds)
            if line is None:
                break
            self._begin_one(line)
        else:
            if self._more is None:
                self._more = self._clock.callLater(0, self._begin_more)
        self._is_beginning = False

    def _begin_more(self) -> None:
        self._more = None
        self._begin()

    def _begin_one(self, line: Line) -> None:
        outcome: Outcome[None] = Outcome()
        work = Deferred.fromCoroutine(self._serve(line))
        self._in_flight[outcome] = work
        outcome.then(lambda: self._ended(outcome))
        work.addErrback(self._broken)  # type: ignore[unused-awaitable]
        work.addBoth(outcome.settle)  # type: ignore[unused-awaitable]

    def _ended(self, outcome: Outcome[None]) -> None:
        del self._in_flight[outcome]
        self._begin()
        self._one_ended.ring()

    async def _serve(self, line: Line) -> None:
        """Tell the first event of an upload, and see what becomes of it."""
        name = line.first
        due: DueEvent | None = None
        try:
            if name != line.told:
                due = await self._mail.read(self._hook.name, name)
                if due is None:
                    self._lines.gone(line, name)
                    return
                if due.event.type not in self._hook.events:  # it wants less than before
                    await self._mail.delivered(self._hook.name, name)
                    self._lines.gone(line, name)
                    return
                await self._tell(due.event)
                line.told = name
            await self._mail.delivered(self._hook.name, name)
        except EventRefused as error:
            await self._refused(line, name, error)
        except Exception as error:
            if not self._is_stopping:
                await self._failed(line, name, due, error)
        else:
            self._done(line, name)

    async def _tell(self, event: Event) -> None:
        """Tell an event; whatever the hook does, this ends in time."""
        outcome: Outcome[None] = Outcome()
        work = Deferred.fromCoroutine(_told(self._hook, event))
        work.addBoth(outcome.settle)  # type: ignore[unused-awaitable]
        try:
            await within(TELL_S, outcome.wait(), self._clock)
        except Exception:
            work.cancel()  # if it is not over
            raise

    async def _failed(
        self, line: Line, name: str, due: DueEvent | None, error: Exception
    ) -> None:
        given_up = False
        if due is not None and name != line.told:  # else it was the storage, which logs
            self._trouble.failed(line.key, error)
            is_old = self._now() - due.since_s >= self._give_up_after_s
            if is_old and line.failures + 1 >= FEWEST_TRIES:
                reason = f"it was tried for {self._give_up_after_s:g} s: {told(error)}"
                given_up = await self._buried(name, reason)
        self._lines.failed(line, self._seconds, name if given_up else "")
        if given_up:
            self._trouble.ended(line.key)

    async def _refused(self, line: Line, name: str, error: EventRefused) -> None:
        if await self._buried(name, f"the hook refused it: {error}"):
            self._done(line, name)
        else:
            self._lines.failed(line, self._seconds)

    async def _buried(self, name: str, reason: str) -> bool:
        """Make a dead letter of an event; tell whether the storage let that be done."""
        try:
            await self._mail.bury(self._hook.name, name, reason)
        except TusError:
            return False
        log.warn(
            "an event of upload {upload_id} for hook {hook} is a dead letter: {reason}",
            upload_id=id_of(name),
            hook=self._hook.name,
            reason=reason,
        )
        return True

    def _done(self, line: Line, name: str) -> None:
        self._lines.done(line, name)
        self._trouble.ended(line.key)


async def _told(hook: IHook, event: Event) -> None:
    """Call a hook; whatever it raises, and however, comes out of this."""
    await hook.tell(event)
