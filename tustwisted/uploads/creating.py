"""The beginning of uploads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from attrs import define, evolve
from twisted.logger import Logger

from tustwisted.abilities import IChoosesPath
from tustwisted.errors import (
    HookFailed,
    InvalidMetadata,
    LocksUnavailable,
    UploadExists,
    UploadLocked,
    UploadNotFound,
    UploadRejected,
)
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.ids import new_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.caller import Caller, client_of
from tustwisted.uploads.checks import check_maximum, limit_of
from tustwisted.uploads.events import Events
from tustwisted.uploads.finishing import Finishing
from tustwisted.uploads.limits import InForce
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.removing import Removing
from tustwisted.uploads.telling import tell

log = Logger()


@define(eq=False, repr=False)
class Creating:
    """
    Creates uploads.

    :param in_force: tells the longest upload.
    :param random_bytes: for their ids.
    :param now_s: tells the time, seconds since 1970.
    :param locks: of ids that an application has chosen: they may have been used before,
        and what is left of that may be about to be removed.
    :param finishing: does the finish steps of uploads.
    """

    _store: IDataStore
    _in_force: InForce
    _random_bytes: Callable[[int], bytes]
    _now_s: Callable[[], float]
    _locks: Locks
    _events: Events
    _finishing: Finishing
    _removing: Removing

    def plan(
        self,
        length: int | None,
        metadata: Metadata,
        upload_id: str | None,
        is_partial: bool,
        caller: Caller | None,
    ) -> UploadInfo:
        """Say what an upload will be, unless a hook wants it otherwise."""
        return UploadInfo(
            upload_id or new_id(self._random_bytes),
            length,
            metadata=metadata,
            created_s=self._now_s(),
            is_partial=is_partial,
            owner=None if caller is None else caller.owner,
        )

    async def create(
        self,
        wish: UploadInfo,
        caller: Caller | None,
        *,
        is_named: bool = False,
        end: int = 0,
    ) -> UploadInfo:
        """
        Create an upload.

        :param is_named: its id is not a random one.
        :param end: how many bytes come with the request at least.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.create`.
        """
        size = end if wish.length is None else wish.length
        longest = self._in_force.limits.max_size_bytes
        check_maximum(size, longest)  # or nobody need be asked
        upload = await self.ask(wish, caller)
        check_maximum(size, limit_of(upload, longest))
        act = partial(self._store.create, upload)
        await self.create_by(upload, wish, caller, is_named, act)
        tell(
            log,
            "upload {upload_id} created for {client}, {length} bytes",
            upload_id=upload.upload_id,
            client=client_of(caller),
            length=upload.length,
        )
        if upload.awaits_finish:
            return await self._finish(upload, caller)
        return upload

    async def ask(self, wish: UploadInfo, caller: Caller | None) -> UploadInfo:
        """
        Ask the hooks what is to become of an upload that somebody wants to create.

        :returns: the upload as they want it.
        :raises UploadRejected: they do not.
        :raises HookFailed: one of them failed, or wants what cannot be.
        """
        if EventType.PRE_CREATE not in self._events.hooks.wanted:
            return wish  # and no answer is made
        answer = await self._events.ask(EventType.PRE_CREATE, wish, caller)
        if answer.reject:
            raise UploadRejected(answer.response)
        self._check_path(answer)
        return answer.applied_to(wish)

    def _check_path(self, answer: Answer) -> None:
        path = answer.storage_path
        if path is None:
            return
        choosing = IChoosesPath(self._store, None)
        try:
            if choosing is None:
                raise ValueError("means nothing to this store")
            choosing.check_path(path)
        except ValueError as error:
            log.error(
                "a hook wants the path {path!r}: it {error}", path=path, error=error
            )
            raise HookFailed from error

    async def create_by(
        self,
        upload: UploadInfo,
        wish: UploadInfo,
        caller: Caller | None,
        is_named: bool,
        act: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Create an upload with nobody near its id, and tell the hooks.

        A random id nobody has had before.  But whoever keeps house finds the event that
        is prepared, and would take it for one that a crash has left: so it is locked
        too, where there is one.

        :param wish: the same, before hooks have changed it.
        :param is_named: an application has chosen the id.
        :param act: creates it.
        :raises HookFailed: the id, or the path, that a hook wants is taken, or its
            metadata are too long.
        """
        is_renamed = upload.upload_id != wish.upload_id
        is_chosen = is_named or is_renamed
        told = self._with_storage(upload)
        try:
            if not (is_chosen or self._is_told):
                await act()
                self._events.observer.happened(EventType.POST_CREATE, upload)
                return
            if is_chosen:
                await self._require_free(upload.upload_id)
            async with self._locks.held(upload.upload_id):
                if is_chosen:  # else nothing of it can have been left
                    await self._events.settle(upload.upload_id)
                await self._events.do(EventType.POST_CREATE, told, caller, act)
        except UploadExists as error:
            if is_renamed or upload.storage is not None:
                log.error(
                    "a hook wants an id or a path that is taken: {upload_id}",
                    upload_id=upload.upload_id,
                )
                raise HookFailed from error
            raise
        except InvalidMetadata as error:
            if upload.metadata != wish.metadata:
                log.error("a hook wants metadata that {problem}", problem=error.problem)
                raise HookFailed from error
            raise

    async def _require_free(self, upload_id: str) -> None:
        """
        See that nobody has an id, or whoever writes to it would be stopped in vain.

        :raises UploadExists: somebody has.
        """
        with suppress(UploadNotFound):
            await self._store.info(upload_id)
            raise UploadExists(upload_id)

    @property
    def _is_told(self) -> bool:
        """Some hook wants to hear of creations."""
        return EventType.POST_CREATE in self._events.hooks.wanted

    def _with_storage(self, upload: UploadInfo) -> UploadInfo:
        """Say where an upload will lie, if a hook is told and the store has files."""
        if not self._is_told:
            return upload
        store = IChoosesPath(self._store, None)
        if store is None:
            return upload
        return evolve(upload, storage=store.storage_of(upload))

    async def _finish(self, upload: UploadInfo, caller: Caller | None) -> UploadInfo:
        try:
            return await self._finishing.finish(upload.upload_id, caller)
        except (LocksUnavailable, UploadLocked):
            # Whoever asked for it believes that it is not there, and asks again.
            await self._removing.discard(upload.upload_id)
            raise
