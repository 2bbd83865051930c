"""The step between an upload's last byte and its end, and who takes it (D3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import frozen
from twisted.logger import Logger

from tustwisted.abilities import IPlaces
from tustwisted.errors import FinishFailed, FinishRejected, HookFailed, TusError
from tustwisted.interfaces import IDataStore
from tustwisted.lock.held import Held
from tustwisted.protocol.events import EventType
from tustwisted.protocol.filenames import Placing
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.events import Events
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup, require_id
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.progress import Progress
from tustwisted.uploads.telling import tell

log = Logger()


@frozen(eq=False, repr=False)
class FinishStep:
    """
    Takes a whole upload from its last byte to ``FINISHED``; done by its holder.

    Hooks see only bytes that are as safe as the store promises for a finished upload.

    :param placing: what name its file gets; ``None``: it keeps its own.
    :param now_s: tells the time, seconds since 1970.
    """

    _events: Events
    _progress: Progress
    _placing: Placing | None
    _now_s: Callable[[], float]

    async def __call__(
        self, store: IDataStore, upload: UploadInfo, caller: Caller | None = None
    ) -> UploadInfo:
        """
        Finish an upload.

        :param store: as the holder may use it.
        :returns: the finished upload.
        :raises FinishRejected: a hook does not allow it; it stays finish-failed.
        :raises FinishFailed: a hook failed; it stays finish-failed.
        :raises NoSpace: or :class:`StorageFailed`; the step can be done again.
        """
        self._progress.end(upload.upload_id)
        await self._events.settle(upload.upload_id)
        is_asked = EventType.PRE_FINISH in self._events.hooks.wanted
        if is_asked or self._is_placed(upload):
            await store.set_state(upload.upload_id, UploadState.FINISHING)
        if is_asked:
            await self._ask(store, upload.become(UploadState.FINISHING), caller)
        if self._is_placed(upload):
            upload = await self._place(store, upload)
        finished = upload.become(UploadState.FINISHED)
        end = partial(store.set_state, upload.upload_id, UploadState.FINISHED)
        await self._events.do(EventType.POST_FINISH, finished, caller, end)
        self._log(upload)
        await self.drop(store, finished)
        return finished

    def _log(self, upload: UploadInfo) -> None:
        said = "upload {upload_id} finished, {length} bytes"
        seconds = None
        if upload.created_s:  # else it is another server's: nobody knows
            said += " in {seconds} s"
            seconds = round(max(0.0, self._now_s() - upload.created_s), 1)
        upload_id, length = upload.upload_id, upload.length
        tell(log, said, upload_id=upload_id, length=length, seconds=seconds)

    async def drop(self, store: IDataStore, upload: UploadInfo) -> None:
        """Leave only the file of a finished upload, by its new name, if so wanted."""
        if self.is_dropped(upload):
            # Without its record nobody could tell any more that it is finished.
            await self._events.settle(upload.upload_id)
            await store.remove(upload.upload_id)

    def is_dropped(self, upload: UploadInfo) -> bool:
        """Tell whether only the file of an upload is to be left, by its new name."""
        return (
            self._placing is not None
            and self._placing.drops_records
            and upload.state is UploadState.FINISHED
            and upload.storage is not None
            # Where it was moved by an earlier configuration, that is its only name.
            and upload.storage.placed_path not in ("", upload.storage.path)
        )

    async def _ask(
        self, store: IDataStore, upload: UploadInfo, caller: Caller | None
    ) -> None:
        upload_id = upload.upload_id
        try:
            answer = await self._events.ask(EventType.PRE_FINISH, upload, caller)
        except HookFailed as error:
            await store.set_state(upload_id, UploadState.FINISH_FAILED)
            raise FinishFailed(upload_id) from error
        if answer.reject:
            await store.set_state(upload_id, UploadState.FINISH_FAILED)
            raise FinishRejected(answer.response, upload_id)

    def _is_placed(self, upload: UploadInfo) -> bool:
        # A partial upload is no file yet (T-189).
        return self._placing is not None and not upload.is_partial

    async def _place(self, store: IDataStore, upload: UploadInfo) -> UploadInfo:
        """Give its file a name that people understand; the record tells it."""
        placing = self._placing
        assert placing is not None
        names = placing.template.names(upload, self._now_s())
        await IPlaces(store).place(upload.upload_id, names, placing.moves)
        return await store.info(upload.upload_id)


@frozen(eq=False, repr=False)
class Finishing:
    """
    Does finish steps that are due, under the locks of their uploads.

    :param step: what is done.
    """

    _store: IDataStore
    _lookup: Lookup
    _locks: Locks
    _ongoing: Ongoing
    step: FinishStep

    async def finish(self, upload_id: str, caller: Caller | None = None) -> UploadInfo:
        """
        Do the finish step of an upload if it is due.

        :param caller: whose creation it belongs to; ``None``: to none.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.finish`.
        """
        require_id(upload_id)
        async with self._locks.held(upload_id) as held:
            return await self.finish_held(held, upload_id, caller)

    async def finish_held(
        self, held: Held, upload_id: str, caller: Caller | None = None
    ) -> UploadInfo:
        """As :meth:`finish`, for the holder of an upload."""
        # A hook may have given somebody else what the caller has just created.
        upload = await self._lookup.find_locked(upload_id)
        if upload.awaits_finish:
            return await self.step(held.store, upload, caller)
        return upload

    async def drop_held(self, held: Held, upload_id: str) -> None:
        """Leave only the file of an upload, as a crash has kept its finish from it."""
        await self.step.drop(held.store, await held.store.info(upload_id))

    async def recover(self) -> int:
        """
        Do the steps that a crash has left undone.

        :returns: how many uploads were finished.
        """
        finished = 0
        for upload_id in await self._store.awaiting_finish():
            if not self._ongoing.is_running:
                break
            try:
                await self._ongoing.own(self.finish(upload_id))
            except Exception as error:  # an edge: no upload keeps the others from it
                if not isinstance(error, TusError):
                    log.failure("finishing {upload_id} failed", upload_id=upload_id)
                log.warn(
                    "upload {upload_id} stays unfinished: {error}",
                    upload_id=upload_id,
                    error=error,
                )
            else:
                finished += 1
        return finished
