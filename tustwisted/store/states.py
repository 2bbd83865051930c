"""The way to another state: the bytes become safe, then the record, and its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from tustwisted.errors import TusError
from tustwisted.interfaces import IDisk
from tustwisted.protocol.upload import UploadState
from tustwisted.store import changes
from tustwisted.store.replacement import end_contest
from tustwisted.store.shelf import Shelf


@frozen
class StateChange:
    """
    Puts states in records; see :meth:`tustwisted.interfaces.IDataStore.set_state`.

    :param sync_names: syncs the directories of an upload's record, and of a path.
    """

    _shelf: Shelf
    _disk: IDisk
    _sync_names: Callable[[str, str], Awaitable[None]]

    async def put(self, upload_id: str, state: UploadState) -> None:
        """
        Put a state in the record of an upload; then its claim is to be looked at.

        :raises UploadNotFound: no such upload.
        :raises NoSpace: or :class:`StorageFailed`; the old state still holds.
        """
        await end_contest(self._shelf, self._disk, upload_id)
        if self._shelf.durability.syncs:
            await self._put_safely(upload_id, state)
        else:
            await self._put(upload_id, state)

    async def _put(self, upload_id: str, state: UploadState) -> None:
        shelf, disk = self._shelf, self._disk
        large = await disk.quick(changes.put_state_if_small, shelf, upload_id, state)
        if large is not None:
            await disk.write(changes.put_state_of, shelf, large, state)

    async def _put_safely(self, upload_id: str, state: UploadState) -> None:
        shelf, disk = self._shelf, self._disk
        before = await disk.sync(changes.put_state, shelf, upload_id, state)
        try:
            await self._sync_names(upload_id, before.path)
        except TusError:
            await disk.quick(changes.put_back, shelf, before)
            raise
