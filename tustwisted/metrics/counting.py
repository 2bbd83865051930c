"""Counting what the server does, in one process."""

from __future__ import annotations

from typing import Final

from zope.interface import implementer

from tustwisted.metrics import table
from tustwisted.metrics.counts import Counts
from tustwisted.observing import Asked, IObserver
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo

_METHODS: Final = frozenset(("OPTIONS", "HEAD", "GET", "POST", "PATCH", "DELETE"))
"""A client may send any other word, and each would be a label."""

_HAPPENED: Final = {
    EventType.POST_CREATE: table.CREATED,
    EventType.POST_FINISH: table.FINISHED,
    EventType.POST_TERMINATE: table.TERMINATED,
    EventType.POST_EXPIRE: table.EXPIRED,
}


@implementer(IObserver)
class Counting:
    """
    Counts what it is told.

    :ivar counts: what has happened until now.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        for metric in (*_HAPPENED.values(), table.RECEIVED, table.TAKEOVERS):
            self.counts.add(metric, by=0)  # so that the first one is an increase

    def happened(self, kind: EventType, upload: UploadInfo) -> None:
        """See :meth:`tustwisted.observing.IObserver.happened`."""
        self.counts.add(_HAPPENED[kind])

    def received(self, size_bytes: int) -> None:
        """See :meth:`tustwisted.observing.IObserver.received`."""
        self.counts.add(table.RECEIVED, by=size_bytes)

    def answered(
        self, method: str, status: int | None, code: str, took_s: float
    ) -> None:
        """See :meth:`tustwisted.observing.IObserver.answered`."""
        known = method if method in _METHODS else "other"
        kind = "cut" if status is None else f"{status // 100}xx"
        self.counts.add(table.REQUESTS, known, kind)
        self.counts.observe(table.REQUEST_SECONDS, known, seconds=took_s)
        if code:
            self.counts.add(table.ERRORS, code)

    def waited(self, is_granted: bool, took_s: float) -> None:
        """See :meth:`tustwisted.observing.IObserver.waited`."""
        result = "granted" if is_granted else "failed"
        self.counts.observe(table.LOCK_WAIT_SECONDS, result, seconds=took_s)

    def taken_over(self) -> None:
        """See :meth:`tustwisted.observing.IObserver.taken_over`."""
        self.counts.add(table.TAKEOVERS)

    def asked(self, hook: str, kind: EventType, how: Asked, took_s: float) -> None:
        """See :meth:`tustwisted.observing.IObserver.asked`."""
        self.counts.add(table.HOOK_CALLS, hook, kind.value, how.value)
        self.counts.observe(table.HOOK_SECONDS, hook, kind.value, seconds=took_s)

    def swept(self, is_done: bool, took_s: float) -> None:
        """See :meth:`tustwisted.observing.IObserver.swept`."""
        self.counts.add(table.SWEEPS, "done" if is_done else "failed")
        self.counts.add(table.SWEEP_SECONDS, by=took_s)
