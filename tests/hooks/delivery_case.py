"""What the tests of the delivery start from: an outbox, a hook, and a clock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.hooks.support import StubHook
from tustwisted.errors import StorageFailed
from tustwisted.hooks.delivery import Delivery
from tustwisted.hooks.interfaces import DueEvent, Page
from tustwisted.hooks.outbox.memory import MemoryOutbox
from tustwisted.protocol.events import Event, EventType
from tustwisted.testing_outbox import CREATED, FINISHED, TERMINATED, make_event

_T = TypeVar("_T")

LIFE = (CREATED, FINISHED, TERMINATED)


class FailingOutbox(MemoryOutbox):
    """One of its methods fails."""

    failing = ""

    async def hooks(self) -> Sequence[str]:
        """See :class:`IMail`."""
        self._fail("hooks")
        return await super().hooks()

    async def mark(self, hook: str) -> object:
        """See :class:`IMail`."""
        self._fail("mark")
        return await super().mark(hook)

    async def look(self, hook: str, after: str, most: int) -> Page:
        """See :class:`IMail`."""
        self._fail("look")
        return await super().look(hook, after, most)

    async def read(self, hook: str, name: str) -> DueEvent | None:
        """See :class:`IMail`."""
        self._fail("read")
        return await super().read(hook, name)

    async def delivered(self, hook: str, name: str) -> None:
        """See :class:`IMail`."""
        self._fail("delivered")
        await super().delivered(hook, name)

    async def bury(self, hook: str, name: str, reason: str) -> None:
        """See :class:`IMail`."""
        self._fail("bury")
        await super().bury(hook, name, reason)

    def _fail(self, name: str) -> None:
        if self.failing == name:
            raise StorageFailed


class DeliveryCase(SynchronousTestCase):
    """Has an outbox, a hook and a delivery that a clock drives."""

    def setUp(self) -> None:
        """Prepare them; nothing is started."""
        self.clock = Clock()
        self.outbox = MemoryOutbox(now=self.clock.seconds)
        self.hook = StubHook()
        self.delivery = self.make(self.hook)

    def make(self, *hooks: StubHook, **more: Any) -> Delivery:
        """Make a delivery whose waits are not left to chance."""
        return Delivery(
            self.outbox,
            hooks,
            self.clock,
            random=lambda: 1.0,
            now=self.clock.seconds,
            **more,
        )

    def do(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """Run what ends at once."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def commit(
        self, kind: EventType = CREATED, upload_id: str = "u", hook: str = "h"
    ) -> Event:
        """Have something happen."""
        event = make_event(kind, upload_id, LIFE.index(kind) + 1)
        self.do(self.do(self.outbox.prepare(event, [hook])).commit())
        return event

    def pass_s(self, seconds: float, step_s: float = 0.25) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)

    def fail_times(
        self, times: int, upload_id: str | None = None
    ) -> Callable[[Event], object]:
        """Have the next calls fail, all or those of an upload."""
        left = [times]

        def answer(event: Event) -> None:
            if left[0] and upload_id in (None, event.upload_id):
                left[0] -= 1
                raise ValueError("not now")

        return answer

    def due(self, hook: str = "h") -> int:
        """Count what is due."""
        return self.do(self.outbox.look(hook, "", 1)).total
