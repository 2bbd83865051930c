"""What happens to uploads, as the hooks are asked and told of it (D10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define
from twisted.logger import Logger

from tustwisted.errors import LockLost, TusError, UploadExists, UploadNotFound
from tustwisted.hooks.asking import Hooks
from tustwisted.hooks.interfaces import INotice, IOutbox
from tustwisted.interfaces import IDataStore
from tustwisted.observing import IObserver
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.caller import Caller

log = Logger()


@define(eq=False, repr=False)
class Events:
    """
    Asks the hooks before something is done, and keeps for them what was done.

    :param outbox: keeps durable events; unused when no hook wants one, and ``None``
        only where there is no hook.
    :param random_bytes: for the ids of events that are asked but once.
    :ivar observer: is told of what has happened, as hooks are.
    """

    hooks: Hooks
    _outbox: IOutbox | None
    _store: IDataStore
    _random_bytes: Callable[[int], bytes]
    observer: IObserver

    @property
    def outbox(self) -> IOutbox:
        """What keeps durable events, for some hook."""
        assert self._outbox is not None
        return self._outbox

    @property
    def has_durable(self) -> bool:
        """Some hook wants to be told what the outbox keeps."""
        return any(kind.is_durable for kind in self.hooks.wanted)

    async def ask(
        self, kind: EventType, upload: UploadInfo, caller: Caller | None
    ) -> Answer:
        """
        Ask about an upload; what the answer to the caller becomes is his already.

        :raises HookFailed: a hook failed.
        """
        if kind not in self.hooks.wanted:
            return Answer()  # and no event is made
        answer = await self.hooks.ask(self.event(kind, upload, caller))
        if caller is not None and not answer.reject:
            caller.hear(answer.response)
        return answer

    async def ask_access(self, request: RequestInfo, upload_id: str | None) -> Answer:
        """
        Ask whether a request may be made.

        :raises HookFailed: a hook failed.
        """
        event = Event(
            EventType.PRE_ACCESS, self._unique(), None, request, upload_id=upload_id
        )
        return await self.hooks.ask(event)

    async def do(
        self,
        kind: EventType,
        upload: UploadInfo,
        caller: Caller | None,
        act: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Do what a durable event tells of; for the holder of the upload.

        The event is kept before that, and delivered after it.  When it fails, and after
        a crash, the store tells whether it has happened.

        :param act: does it.
        :raises EventsWaiting: no upload may be created now.
        :raises NoSpace: or :class:`StorageFailed`; nothing was done.
        """
        hooks = [hook.name for hook in self.hooks.of(kind)]
        if not hooks:
            await act()
            self.observer.happened(kind, upload)
            return
        notice = await self.outbox.prepare(self.event(kind, upload, caller), hooks)
        try:
            await act()
        except LockLost:
            raise  # whoever holds the upload now settles it
        except UploadExists:
            await notice.withdraw()  # what is there was created by somebody else
            raise
        except BaseException:
            await self._settle(notice)
            raise
        self.observer.happened(kind, upload)
        try:
            await notice.commit()
        except TusError as error:
            # What was done is done.  The event stays prepared, and is settled when the
            # upload is changed again or the housekeeper comes by.
            log.warn(
                "event {id} is late: {error}", id=notice.event.event_id, error=error
            )

    async def settle(self, upload_id: str) -> None:
        """
        Settle what a crash has left of an upload; for its holder.

        :raises NoSpace: or :class:`StorageFailed`; it is still not settled.
        """
        if self.has_durable:
            for notice in await self.outbox.unsettled(upload_id):
                await self._settle(notice)

    async def _settle(self, notice: INotice) -> None:
        if await self._has_happened(notice.event):
            await notice.commit()
        else:
            await notice.withdraw()

    async def _has_happened(self, event: Event) -> bool:
        then = event.upload
        try:
            now = await self._store.info(then.upload_id)
        except UploadNotFound:
            is_there, is_finished = False, False
        else:
            is_there = now.created_s == then.created_s  # or another one has its id
            is_finished = is_there and now.state is UploadState.FINISHED
        match event.type:
            case EventType.POST_CREATE:
                return is_there
            case EventType.POST_FINISH:
                # Whoever removes an upload settles first.  So one that is not there was
                # finished, and then somebody has taken its file away.
                return is_finished or not is_there
            case _:
                return not is_there

    async def is_unfinished(self, then: UploadInfo) -> bool:
        """
        Tell whether an upload still gets bytes, here or in another process.

        :param then: the upload as it was.
        :raises StorageFailed: nobody can tell.
        """
        try:
            now = await self._store.info(then.upload_id)
        except UploadNotFound:
            return False
        return now.state is UploadState.RECEIVING and now.created_s == then.created_s

    def event(
        self, kind: EventType, upload: UploadInfo, caller: Caller | None
    ) -> Event:
        """Make the event of an upload."""
        is_told_again = kind.is_durable or kind is EventType.PRE_FINISH
        unique = "" if is_told_again else f":{self._unique()}"
        return Event(
            kind,
            f"{upload.upload_id}@{upload.created_s:.6f}:{kind.value}{unique}",
            upload,
            None if caller is None else caller.request,
            upload.upload_id,
            self._sequence(kind, upload) if kind.is_durable else None,
        )

    def _sequence(self, kind: EventType, upload: UploadInfo) -> int:
        """
        Count the durable events of an upload up to this one.

        Told by its state, so that no crash can lose count.
        """
        before = set() if kind is EventType.POST_CREATE else {EventType.POST_CREATE}
        if kind is not EventType.POST_FINISH and upload.state is UploadState.FINISHED:
            before.add(EventType.POST_FINISH)
        return 1 + len(before & self.hooks.wanted)

    def _unique(self) -> str:
        return self._random_bytes(16).hex()
