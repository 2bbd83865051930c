"""Telling now and then how far an upload is while its bytes come (``post-receive``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import HookFailed, TusError
from tustwisted.hooks.asking import ask_one
from tustwisted.protocol.answers import HttpAnswer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.receiver import Receiver
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.events import Events

log = Logger()

MAX_REMEMBERED = 10_000
"""Of so many uploads it is known when they were told of last."""

Stop = Callable[[UploadInfo, HttpAnswer], None]
"""Begins to end and remove an upload that a hook has stopped; waits for nothing."""


@define(eq=False, repr=False)
class _Watched:
    """One upload: what was told of it, and what is being told."""

    upload: UploadInfo
    caller: Caller | None
    told_at_s: float
    told_offset: int
    offset: int
    receiver: Receiver | None = None
    due: IDelayedCall | None = None
    telling: Deferred[None] | None = None


@define(eq=False, repr=False)
class Progress:
    """
    Tells the hooks by time and by bytes, each time once: the next one waits.

    What is told belongs between the creation of an upload and its end: it is left out
    while an earlier event still waits for its delivery, and cut off before the end.

    :param interval_s: how often an upload is told of, seconds.
    :param every_bytes: how many bytes it is told of in any case.
    :param stop: called when a hook has stopped an upload.
    """

    _events: Events
    _clock: IReactorTime
    _interval_s: float
    _every_bytes: int
    _stop: Stop
    _watched: OrderedDict[str, _Watched] = field(init=False, factory=OrderedDict)

    def watch(self, receiver: Receiver, caller: Caller | None) -> None:
        """Tell of the bytes that a receiver stores, if anybody wants to know."""
        if EventType.POST_RECEIVE not in self._events.hooks.wanted:
            return
        upload = receiver.upload
        watched = self._watched.get(upload.upload_id)
        if watched is None:
            watched = self._remember(upload, caller)
        watched.upload, watched.caller, watched.receiver = upload, caller, receiver
        receiver.stored = lambda offset: self._stored(watched, offset)
        receiver.when_ended(lambda: self._left(watched, receiver))

    def _remember(self, upload: UploadInfo, caller: Caller | None) -> _Watched:
        now_s = self._clock.seconds()
        watched = _Watched(upload, caller, now_s, upload.offset, upload.offset)
        self._watched[upload.upload_id] = watched
        if len(self._watched) > MAX_REMEMBERED:
            self._forget(self._watched.popitem(last=False)[1])
        return watched

    def end(self, upload_id: str) -> None:
        """Tell no more of an upload; what is being told is cut off."""
        watched = self._watched.pop(upload_id, None)
        if watched is not None:
            self._forget(watched)

    def end_all(self) -> None:
        """Tell no more of any."""
        for upload_id in list(self._watched):
            self.end(upload_id)

    def _left(self, watched: _Watched, receiver: Receiver) -> None:
        """Take note that a request is over."""
        if watched.receiver is receiver:  # or the next one is there
            watched.receiver = None
            self._forget_idle(watched)

    def _forget_idle(self, watched: _Watched) -> None:
        """Remember an upload no longer than there is something to tell of it."""
        is_idle = not (watched.receiver or watched.due or watched.telling)
        if is_idle and self._watched.get(watched.upload.upload_id) is watched:
            del self._watched[watched.upload.upload_id]

    @staticmethod
    def _forget(watched: _Watched) -> None:
        if watched.due is not None:
            watched.due.cancel()
            watched.due = None
        if watched.telling is not None:
            watched.telling.cancel()

    def _stored(self, watched: _Watched, offset: int) -> None:
        """Take note of bytes that are stored, and tell of them when it is time."""
        watched.offset = offset
        if self._watched.get(watched.upload.upload_id) is watched:
            self._tell_in_time(watched)

    def _tell_in_time(self, watched: _Watched) -> None:
        if watched.telling is not None or watched.offset <= watched.told_offset:
            return
        wait_s = watched.told_at_s + self._interval_s - self._clock.seconds()
        if wait_s <= 0 or watched.offset - watched.told_offset >= self._every_bytes:
            self._begin(watched)
        elif watched.due is None:
            watched.due = self._clock.callLater(wait_s, self._be_due, watched)

    def _be_due(self, watched: _Watched) -> None:
        watched.due = None
        if watched.telling is None and watched.offset > watched.told_offset:
            self._begin(watched)
        self._forget_idle(watched)

    def _begin(self, watched: _Watched) -> None:
        if watched.due is not None:
            watched.due.cancel()
            watched.due = None
        watched.told_at_s, watched.told_offset = self._clock.seconds(), watched.offset
        watched.telling = telling = Deferred.fromCoroutine(self._tell(watched))
        telling.addErrback(_log_unless_cut_off)  # type: ignore[unused-awaitable]
        telling.addBoth(lambda _: self._told(watched))  # type: ignore[unused-awaitable]

    def _told(self, watched: _Watched) -> None:
        watched.telling = None
        if self._watched.get(watched.upload.upload_id) is watched:
            self._tell_in_time(watched)
            self._forget_idle(watched)

    async def _tell(self, watched: _Watched) -> None:
        upload = watched.upload.at(watched.offset)
        if not await self._events.is_unfinished(upload):
            return  # it was ended elsewhere, and nothing comes after that
        event = self._events.event(EventType.POST_RECEIVE, upload, watched.caller)
        for hook in self._events.hooks.of(EventType.POST_RECEIVE):
            try:
                if await self._events.outbox.is_waiting(upload, hook.name):
                    continue  # an earlier event comes first
                answer = await ask_one(hook, event)
            except HookFailed:
                continue  # it was logged; the bytes go on coming
            if answer.stop:
                self._stop(upload, answer.response)
                return


def _log_unless_cut_off(failure: Failure) -> None:
    if not failure.check(CancelledError, TusError):
        log.failure("telling of progress failed", failure)
