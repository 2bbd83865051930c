"""
Hooks that are programs in a directory, each named after its event: tusd's contract.

The reactor must get SIGCHLD, as it does unless it is run with
``installSignalHandlers=False``: else nobody hears of the end of a program.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import HookUnusable
from tustwisted.hooks.program import KILL_AFTER_S, ProgramFailed, Run
from tustwisted.hooks.rules import MOST_AT_ONCE
from tustwisted.hooks.wire import decode_answer, encode_event
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.waiting import WaitedTooLong, within

log = Logger()

_T = TypeVar("_T")

TIMEOUT_S = 15.0

END_S = KILL_AFTER_S + 1.0
"""How long a stop waits for programs that are ended."""


def _environment() -> dict[str, str]:
    """Return ours, without the options of the daemon: there may be secrets in them."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TUS_")}


def _absolute(path: str) -> str:
    return os.path.abspath(path)


def _as_set(events: Iterable[EventType]) -> frozenset[EventType]:
    return frozenset(events)


@implementer(IHook)
@define(eq=False, repr=False)
class ProcessHook:
    """
    Runs the program that is named after an event, if there is one.

    :param reactor: provides ``IReactorTime``, ``IReactorFDSet`` and SIGCHLD.
    :param directory: where they are.
    :param timeout_s: how long one may take; when it is asked, the wait for its turn
        included.
    :param most_at_once: how many run at the same time; half of them, at most, for what
        is told after, so that programs that somebody waits for get their turn.
    :param environment: what they find in theirs, besides the facts of the event.
    """

    _reactor: Any
    _directory: str = field(converter=_absolute)
    events: frozenset[EventType] = field(converter=_as_set)
    _timeout_s: float = TIMEOUT_S
    _most_at_once: int = MOST_AT_ONCE
    _environment: Mapping[str, str] = field(factory=_environment)
    name: str = field(init=False, default="process")
    _turns: DeferredSemaphore = field(init=False)
    _turns_after: DeferredSemaphore = field(init=False)
    _waiting: list[Deferred[bytes]] = field(init=False, factory=list)
    _running: set[Run] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self._turns = DeferredSemaphore(self._most_at_once)
        self._turns_after = DeferredSemaphore(max(1, self._most_at_once // 2))

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.start`."""
        problem = ""
        if not os.path.isdir(self._directory):
            problem = "there is no such directory; make it, or name another one"
        elif not os.access(self._directory, os.R_OK | os.X_OK):
            problem = "this user may not read the directory; mend its permissions"
        if problem:
            raise HookUnusable(f"--hooks-dir {self._directory}", problem)

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.stop`."""
        for waiting in self._waiting[::-1]:  # or else each would let the next one run
            waiting.cancel()
        end_s = self._reactor.seconds() + END_S
        try:
            for run in [*self._running]:
                left_s = end_s - self._reactor.seconds()
                with suppress(ProgramFailed):
                    await within(left_s, run.ended.wait(), self._reactor)
        except WaitedTooLong:
            log.warn(
                "{count} programs of {directory} do not end",
                count=len(self._running),
                directory=self._directory,
            )

    async def ask(self, event: Event) -> Answer | None:
        """See :meth:`tustwisted.interfaces.IHook.ask`."""
        path = self._program(event.type)
        if path is None:
            return None
        said = await self._waited_for(self._run_in_time(path, event, True))
        try:
            return decode_answer(said, event.type)
        except ValueError as error:
            raise ProgramFailed(
                f"{path} answers what cannot be used: {error}"
            ) from error

    async def tell(self, event: Event) -> None:
        """See :meth:`tustwisted.interfaces.IHook.tell`."""
        path = self._program(event.type)
        if path is not None:
            await self._waited_for(self._run_after(path, event))

    def _program(self, type: EventType) -> str | None:
        """
        Find a program; a look at a directory takes less than to run what is there.

        :raises ProgramFailed: there is something that is no program.
        """
        path = os.path.join(self._directory, type.value)
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            if os.path.isdir(self._directory) and not os.path.islink(path):
                return None
            raise ProgramFailed(f"{path} cannot be found any more") from None
        if not stat.S_ISREG(mode):
            raise ProgramFailed(f"{path} is not a file")
        if not os.access(path, os.X_OK):
            raise ProgramFailed(f"{path} is not executable")
        return path

    def _waited_for(
        self, running: Coroutine[Deferred[Any], Any, bytes]
    ) -> Deferred[bytes]:
        """Let a stop end it."""
        waiting = Deferred.fromCoroutine(running)
        self._waiting.append(waiting)

        def forget(result: _T) -> _T:
            self._waiting.remove(waiting)
            return result

        return waiting.addBoth(forget)

    async def _run_after(self, path: str, event: Event) -> bytes:
        await self._turns_after.acquire()
        try:
            return await self._run_in_time(path, event, False)
        finally:
            self._turns_after.release()

    async def _run_in_time(self, path: str, event: Event, is_asked: bool) -> bytes:
        running = self._run(path, event, is_asked)
        try:
            return await within(self._timeout_s, running, self._reactor)
        except WaitedTooLong:
            raise ProgramFailed(
                f"{path} was not done within {self._timeout_s:g} s"
            ) from None

    async def _run(self, path: str, event: Event, is_asked: bool) -> bytes:
        await self._turns.acquire()
        run = Run(self._reactor, path, _logging(event), is_asked)
        try:
            run.start(encode_event(event), {**self._environment, **_facts(event)})
        except BaseException:
            # Not at once: a thousand that wait would fail inside one another.
            self._reactor.callLater(0, self._turns.release)
            raise
        self._running.add(run)
        run.ended.then(lambda: self._ended(run))
        try:
            return await run.ended.wait()
        except CancelledError:
            run.end("was ended")
            raise

    def _ended(self, run: Run) -> None:
        self._running.discard(run)
        self._turns.release()


def _facts(event: Event) -> dict[str, str]:
    """Return what stands in the environment: tusd's, as in its JSON, and ours."""
    size = offset = 0
    if event.type is not EventType.PRE_ACCESS:
        size, offset = event.upload.length or 0, event.upload.offset
    return {
        "TUS_ID": "" if event.type is EventType.PRE_CREATE else event.upload_id or "",
        "TUS_SIZE": str(size),
        "TUS_OFFSET": str(offset),
        "TUS_EVENT": event.type.value,
        "TUS_EVENT_ID": event.event_id,
    }


def _logging(event: Event) -> Callable[[str], None]:
    def hear(line: str) -> None:
        log.info(
            "{hook}: {line}", hook=event.type.value, line=line, event=event.event_id
        )

    return hear
