"""A hook whose calls somebody is told of: how they went, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tustwisted.errors import EventRefused
from tustwisted.interfaces import IHook, IRereads
from tustwisted.observing import UNOBSERVED, Asked, IObserver
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType


def observed(
    hooks: Sequence[IHook], observer: IObserver, clock: IReactorTime
) -> Sequence[IHook]:
    """Let an observer be told of the calls of some hooks."""
    if observer is UNOBSERVED:
        return hooks
    return [ObservedHook(hook, observer, clock) for hook in hooks]


@implementer(IHook, IRereads)
@define(eq=False, repr=False)
class ObservedHook:
    """
    Does as another hook does.

    :param clock: measures how long its calls take.
    """

    _hook: IHook
    _observer: IObserver
    _clock: IReactorTime

    @property
    def name(self) -> str:
        """See :attr:`tustwisted.interfaces.IHook.name`."""
        return self._hook.name

    @property
    def events(self) -> frozenset[EventType]:
        """See :attr:`tustwisted.interfaces.IHook.events`."""
        return self._hook.events

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.start`."""
        await self._hook.start()

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.stop`."""
        await self._hook.stop()

    async def reread(self) -> None:
        """See :meth:`tustwisted.interfaces.IRereads.reread`."""
        if IRereads.providedBy(self._hook):
            await IRereads(self._hook).reread()

    async def ask(self, event: Event) -> Answer | None:
        """See :meth:`tustwisted.interfaces.IHook.ask`."""
        began_s, how = self._clock.seconds(), Asked.FAILED
        try:
            answer = await self._hook.ask(event)
            is_refused = isinstance(answer, Answer) and answer.reject
            how = Asked.REFUSED if is_refused else Asked.OK
            return answer
        except CancelledError:
            how = Asked.CUT
            raise
        finally:
            self._tell(event, how, began_s)

    async def tell(self, event: Event) -> None:
        """See :meth:`tustwisted.interfaces.IHook.tell`."""
        began_s, how = self._clock.seconds(), Asked.FAILED
        try:
            await self._hook.tell(event)
            how = Asked.OK
        except EventRefused:
            how = Asked.REFUSED
            raise
        except CancelledError:
            how = Asked.CUT
            raise
        finally:
            self._tell(event, how, began_s)

    def _tell(self, event: Event, how: Asked, began_s: float) -> None:
        took_s = self._clock.seconds() - began_s
        self._observer.asked(self._hook.name, event.type, how, took_s)
