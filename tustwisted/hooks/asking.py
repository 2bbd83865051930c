"""The hooks of some uploads, as the core asks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from tustwisted.errors import HookFailed, HookTrouble, ServerShutdown
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType

log = Logger()


def _check_names(_: object, __: object, hooks: Sequence[IHook]) -> None:
    names = [hook.name for hook in hooks]
    if len(set(names)) < len(names):
        raise ValueError(f"two hooks have one name: {', '.join(names)}")


@define(eq=False, repr=False)
class Hooks:
    """
    Asks hooks one after the other, each with what the ones before have changed.

    :param hooks: in the order in which they are asked; no two of one name.
    """

    _hooks: Sequence[IHook] = field(default=(), validator=_check_names)
    wanted: frozenset[EventType] = field(init=False)
    """What any of them wants to hear of."""
    _started: list[IHook] = field(init=False, factory=list)
    _asking: set[Deferred[Answer]] = field(init=False, factory=set)
    _is_cut_off: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        events = (hook.events for hook in self._hooks)
        self.wanted = frozenset[EventType]().union(*events)

    def of(self, kind: EventType) -> list[IHook]:
        """List those that want an event, in order."""
        return [hook for hook in self._hooks if kind in hook.events]

    async def start(self) -> None:
        """
        Let all get ready.

        :raises CannotStart: one of them cannot; none stays started.
        """
        self._is_cut_off = False
        for hook in self._hooks:
            try:
                await hook.start()
            except BaseException:
                await self.stop()
                raise
            self._started.append(hook)

    async def stop(self) -> None:
        """End all that were started, the last one first."""
        while self._started:
            hook = self._started.pop()
            try:
                await hook.stop()
            except Exception:  # an edge: it keeps no other one from its end
                log.failure("hook {hook} could not be stopped", hook=hook.name)

    async def ask(self, event: Event) -> Answer:
        """
        Ask all that want an event, until one does not allow it.

        :returns: what they say together.
        :raises HookFailed: one of them failed; the log says how.
        :raises ServerShutdown: they were cut off.
        """
        asking = Deferred.fromCoroutine(self._ask(event))
        self._asking.add(asking)
        try:
            return await asking
        except CancelledError:
            if self._is_cut_off:
                raise ServerShutdown from None
            raise
        finally:
            self._asking.discard(asking)

    def cut_off(self) -> None:
        """Wait for no answer any more: the uploads are stopping."""
        self._is_cut_off = True
        for asking in list(self._asking):
            asking.cancel()

    async def _ask(self, event: Event) -> Answer:
        answer = Answer()
        for hook in self.of(event.type):
            answer = answer.then(await ask_one(hook, event))
            if answer.reject:
                break
            if event.type is EventType.PRE_CREATE:
                event = evolve(event, upload=answer.applied_to(event.upload))
        return answer


async def ask_one(hook: IHook, event: Event) -> Answer:
    """
    Ask one hook.

    :raises HookFailed: it failed, or what it answered is no answer; it is logged.
    """
    try:
        answer = await hook.ask(event)
        if answer is None:
            return Answer()
        if not isinstance(answer, Answer):
            raise TypeError(f"answered {type(answer).__name__}, not an Answer")
        return answer
    except CancelledError:
        raise
    except Exception as error:
        _log_failed(hook, event, error)
        raise HookFailed from error


def _log_failed(hook: IHook, event: Event, error: Exception) -> None:
    what = "hook {hook} failed at {event} of {upload_id}"
    facts: dict[str, Any] = {
        "hook": hook.name,
        "event": event.type.value,
        "upload_id": event.upload_id,
    }
    if isinstance(error, HookTrouble):  # its sentence says it all
        said = f"{what}: {{problem}}"
        log.error(said, problem=str(error), **facts)
    else:
        log.failure(what, **facts)
