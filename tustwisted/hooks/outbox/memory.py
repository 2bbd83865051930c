"""An outbox of one process, which dies with it: for stores without a directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar

from attrs import define, field
from zope.interface import implementer

from tustwisted.errors import EventsWaiting
from tustwisted.hooks.interfaces import DueEvent, IMail, INotice, IOutbox, Kept, Page
from tustwisted.hooks.outbox.names import (
    due_name,
    due_names,
    prepared_name,
    prepared_names,
)
from tustwisted.hooks.outbox.paging import choose
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo
from tustwisted.waiting import Bell

LIMIT = 10_000
"""So many events may wait until no upload can be created any more: some 40 MB."""

MAX_DEAD = 1000
"""So many dead letters are remembered, for each hook."""


@implementer(IOutbox, IMail)
@define(eq=False, repr=False)
class MemoryOutbox:
    """
    Keeps events as long as its process lives.

    :param limit: how many events may wait, over all hooks.
    :param now: tells the time, seconds since 1970.
    """

    is_shared: ClassVar[bool] = False

    _limit: int = LIMIT
    _now: Callable[[], float] = time.time
    _prepared: dict[str, _Notice] = field(init=False, factory=dict)
    _due: dict[str, dict[str, DueEvent]] = field(init=False, factory=dict)
    _marks: dict[str, int] = field(init=False, factory=dict)
    _bells: dict[str, Bell] = field(init=False, factory=dict)
    dead: dict[str, dict[str, str]] = field(init=False, factory=dict)
    """For each hook, the names of dead letters and why they are dead, newest last."""

    async def start(self) -> None:
        """See :meth:`IOutbox.start`."""

    async def stop(self) -> None:
        """See :meth:`IOutbox.stop`."""

    # -- for those who cause events ----------------------------------------------------

    async def prepare(self, event: Event, hooks: Collection[str]) -> INotice:
        """See :meth:`IOutbox.prepare`."""
        if event.type is EventType.POST_CREATE and self._waiting >= self._limit:
            raise EventsWaiting
        notice = _Notice(event, tuple(hooks), self)
        self._prepared[prepared_name(event)] = notice
        return notice

    @property
    def _waiting(self) -> int:
        return sum(len(events) for events in self._due.values())

    def settle(self, notice: _Notice, has_happened: bool) -> None:
        """Forget that an event was prepared, and make it due if it has happened."""
        self._prepared.pop(prepared_name(notice.event), None)
        if has_happened:
            due = DueEvent(notice.event, self._now())
            for hook in notice.hooks:
                self._due.setdefault(hook, {})[due_name(notice.event)] = due
                self._marks[hook] = self._marks.get(hook, 0) + 1
                self.bell(hook).ring()

    async def unsettled(self, upload_id: str) -> Sequence[INotice]:
        """See :meth:`IOutbox.unsettled`."""
        names = prepared_names(upload_id)
        found = [self._prepared[name] for name in names if name in self._prepared]
        return [_Notice(notice.event, notice.hooks, self) for notice in found]

    async def all_unsettled(self) -> Sequence[str]:
        """See :meth:`IOutbox.all_unsettled`."""
        notices = self._prepared.values()
        return sorted({n.event.upload.upload_id for n in notices})

    async def is_waiting(self, upload: UploadInfo, hook: str) -> bool:
        """See :meth:`IOutbox.is_waiting`."""
        due = self._due.get(hook, {})
        return any(name in due for name in due_names(upload))

    # -- for the delivery --------------------------------------------------------------

    def bell(self, hook: str) -> Bell:
        """See :meth:`IMail.bell`."""
        return self._bells.setdefault(hook, Bell())

    async def hooks(self) -> Sequence[str]:
        """See :meth:`IMail.hooks`."""
        return sorted(hook for hook, events in self._due.items() if events)

    async def kept(self) -> Mapping[str, Kept]:
        """See :meth:`IMail.kept`."""
        return {
            hook: Kept(len(self._due.get(hook, ())), len(self.dead.get(hook, ())))
            for hook in sorted({*self._due, *self.dead})
        }

    async def mark(self, hook: str) -> object:
        """See :meth:`IMail.mark`."""
        return self._marks.get(hook)

    async def look(self, hook: str, after: str, most: int) -> Page:
        """See :meth:`IMail.look`."""
        return choose(lambda: self._due.get(hook, {}), after, most)

    async def read(self, hook: str, name: str) -> DueEvent | None:
        """See :meth:`IMail.read`."""
        return self._due.get(hook, {}).get(name)

    async def delivered(self, hook: str, name: str) -> None:
        """See :meth:`IMail.delivered`."""
        self._due.get(hook, {}).pop(name, None)

    async def bury(self, hook: str, name: str, reason: str) -> None:
        """See :meth:`IMail.bury`."""
        if self._due.get(hook, {}).pop(name, None) is not None:
            dead = self.dead.setdefault(hook, {})
            dead[name] = reason
            if len(dead) > MAX_DEAD:
                del dead[next(iter(dead))]


@implementer(INotice)
@define(eq=False, repr=False)
class _Notice:
    event: Event
    hooks: tuple[str, ...]
    _outbox: MemoryOutbox
    _is_settled: bool = False

    async def commit(self) -> None:
        """See :meth:`INotice.commit`."""
        self._settle(True)

    async def withdraw(self) -> None:
        """See :meth:`INotice.withdraw`."""
        self._settle(False)

    def _settle(self, has_happened: bool) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._outbox.settle(self, has_happened)
