"""How a server is: whether it takes uploads, and what it has counted until now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from zope.interface import Interface, implementer

from tustwisted.hooks.interfaces import Kept
from tustwisted.metrics import table
from tustwisted.metrics.counting import Counting
from tustwisted.metrics.counts import Counts
from tustwisted.readiness import Readiness, Remembered
from tustwisted.uploads.uploads import Uploads

_T = TypeVar("_T")

OUTBOX_HOLDS_S: Final = 5.0
"""To count 100,000 events takes a thread some 50 ms."""


class IVitals(Interface):
    """Tells how a server is."""

    async def problems() -> Sequence[str]:
        """Tell why it can take no uploads, a line for each part; none: it can."""

    async def counts() -> Counts:
        """Tell what was counted, and how things are at this moment."""


@implementer(IVitals)
@define(eq=False, repr=False)
class Vitals:
    """
    How the uploads of this process are.

    :param uploads: with ``counting`` as their observer.
    :param connections: tells how many clients are connected; ``None``: nobody knows.
    """

    _uploads: Uploads
    _counting: Counting
    _connections: Callable[[], int] | None = None
    _readiness: Readiness = field(init=False)
    _outbox: Remembered[Mapping[str, Kept]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._readiness = Readiness(self._uploads)
        self._outbox = Remembered(self._ask_outbox, self._uploads.clock, OUTBOX_HOLDS_S)

    async def problems(self) -> Sequence[str]:
        """See :meth:`IVitals.problems`."""
        return await self._readiness.problems()

    async def counts(self) -> Counts:
        """
        See :meth:`IVitals.counts`.

        What a disk does not tell in time is left out.
        """
        # Both at once, or a disk that hangs costs whoever asks two seconds.
        asking_room = Deferred.fromCoroutine(self._if_told(self._readiness.room))
        kept = await self._if_told(self._outbox)
        room = await asking_room
        counts = self._counting.counts.copy()
        arriving = self._uploads.arriving
        counts.add(table.RECEIVED, by=arriving.received_bytes)
        counts.put(table.RECEIVING, value=arriving.uploads)
        if self._connections is not None:
            counts.put(table.CONNECTIONS, value=self._connections())
        if room is not None:
            counts.put(table.FREE_BYTES, value=room)
        for hook, each in (kept or {}).items():
            counts.put(table.OUTBOX, hook, "due", value=each.due)
            counts.put(table.OUTBOX, hook, "dead", value=each.dead)
        return counts

    async def _ask_outbox(self) -> Mapping[str, Kept]:
        return await self._uploads.kept_events()

    async def _if_told(self, question: Remembered[_T]) -> _T | None:
        if not self._uploads.is_running:
            return None
        try:
            return await question.get()
        except CancelledError:
            raise
        except Exception:  # an edge: of somebody's own store, which /readyz looks after
            return None
