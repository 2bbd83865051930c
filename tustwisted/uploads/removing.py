"""The removal of uploads, for whatever reason, and what the hooks are told of it."""

from __future__ import annotations

from functools import partial

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import (
    TerminationRejected,
    TusError,
    UploadNotFound,
    UploadStopped,
)
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.answers import HttpAnswer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.caller import Caller, client_of
from tustwisted.uploads.events import Events
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.progress import Progress

log = Logger()


@frozen(eq=False, repr=False)
class Removing:
    """Removes uploads."""

    _store: IDataStore
    _lookup: Lookup
    _locks: Locks
    _events: Events
    _progress: Progress
    _ongoing: Ongoing

    async def terminate(self, upload_id: str, caller: Caller | None) -> None:
        """
        Remove an upload if the hooks allow it.

        They are asked before anybody is stopped who writes to it.

        :raises TerminationRejected: a hook does not allow it.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.terminate`.

        Spec: tus 1.0.0, Termination; rows T-114 to T-124.
        """
        upload = await self._lookup.find(upload_id, caller)
        answer = await self._events.ask(EventType.PRE_TERMINATE, upload, caller)
        if answer.reject:
            raise TerminationRejected(answer.response)
        async with self._locks.held(upload_id) as held:
            upload = await self._lookup.find_locked(upload_id, caller)
            await self.remove(held.store, upload, caller)
        log.info(
            "upload {upload_id} terminated by {client}",
            upload_id=upload_id,
            client=client_of(caller),
        )

    async def remove(
        self,
        store: IDataStore,
        upload: UploadInfo,
        caller: Caller | None = None,
        kind: EventType = EventType.POST_TERMINATE,
    ) -> None:
        """
        Remove an upload without asking anybody; for its holder.

        :param store: as the holder may use it.
        :param kind: what the hooks are told.
        :raises StorageFailed: it is gone, but perhaps not all of its bytes.
        """
        self._progress.end(upload.upload_id)
        await self._events.settle(upload.upload_id)
        removal = partial(store.remove, upload.upload_id)
        await self._events.do(kind, upload, caller, removal)

    async def discard(self, upload_id: str) -> None:
        """
        Remove an upload whose id nobody will ever learn.

        It is not so important that its failure would hide why that is.
        """
        try:  # without the lock, which may be what could not be had
            await self.remove(self._store, await self._store.info(upload_id))
        except UploadNotFound:
            pass
        except TusError as error:
            log.warn(
                "upload {upload_id} could not be removed: {error}",
                upload_id=upload_id,
                error=error,
            )

    def stop_soon(self, upload_id: str, response: HttpAnswer) -> None:
        """Begin :meth:`stop`; whoever asks for it does not wait."""
        stopping = self._ongoing.own(self.stop(upload_id, response))
        stopping.addErrback(_log_unless_gone)  # type: ignore[unused-awaitable]

    async def stop(self, upload_id: str, response: HttpAnswer) -> None:
        """
        End and remove an upload, as a hook wants, unless it is finished by then.

        :param response: what its client is told.
        """
        receiver = self._ongoing.receiver_of(upload_id)
        if receiver is not None:
            receiver.stop(UploadStopped(response))
        async with self._locks.held(upload_id) as held:
            upload = await held.store.info(upload_id)
            if upload.state is UploadState.RECEIVING:
                await self.remove(held.store, upload)
                log.info("upload {upload_id} stopped by a hook", upload_id=upload_id)


def _log_unless_gone(failure: Failure) -> None:
    if not failure.check(TusError):
        log.failure("an upload could not be stopped", failure)
