"""What the tests of the delivery share: a hook that does as it is told."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType


@implementer(IHook)
@define(eq=False)
class StubHook:
    """
    A hook that notes what it is told.

    :param answer: called with each event: what it raises is a failure.
    """

    name: str = "h"
    answer: Callable[[Event], object] = lambda _: None
    holds: bool = False
    """What it is told waits in :attr:`held` until a test lets it go."""

    events: frozenset[EventType] = frozenset(EventType)
    told: list[Event] = field(factory=list)
    """What it was told, whatever it said to that."""

    taken: list[Event] = field(factory=list)
    """What it has taken note of."""

    held: dict[str, Deferred[None]] = field(factory=dict)
    """What it has not answered yet, by the id of the upload."""

    most: int = 0
    """How many were told at the same time."""

    async def start(self) -> None:
        """See :class:`IHook`."""

    async def stop(self) -> None:
        """See :class:`IHook`."""

    async def ask(self, event: Event) -> Answer | None:
        """See :class:`IHook`."""
        raise NotImplementedError

    async def tell(self, event: Event) -> None:
        """See :class:`IHook`."""
        self.told.append(event)
        if self.holds:
            upload_id = event.upload_id or ""
            assert upload_id not in self.held, "one event of an upload at a time"
            self.held[upload_id] = Deferred()
            self.most = max(self.most, len(self.held))
            try:
                await self.held[upload_id]
            finally:
                del self.held[upload_id]
        self.answer(event)
        self.taken.append(event)

    @property
    def ids(self) -> list[str]:
        """The events that it has taken note of."""
        return [event.event_id for event in self.taken]
