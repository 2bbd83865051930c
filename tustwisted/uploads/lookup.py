"""The one way to an upload: what has expired is not there any more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from tustwisted.errors import TusError, UploadExpired, UploadNotFound
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.caller import Caller, require_owner
from tustwisted.uploads.limits import InForce
from tustwisted.uploads.ongoing import Ongoing


@frozen(eq=False, repr=False)
class Lookup:
    """
    Finds uploads that have not expired, whether they were swept or not (T-157).

    :param in_force: tells how long uploads are kept.
    :param now_s: tells the time, seconds since 1970.
    """

    _store: IDataStore
    _in_force: InForce
    _now_s: Callable[[], float]
    _ongoing: Ongoing

    @property
    def expiration(self) -> Expiration:
        """How long uploads are kept."""
        return self._in_force.limits.expiration

    async def find(self, upload_id: str, caller: Caller | None = None) -> UploadInfo:
        """
        Find an upload, without its lock.

        One that is being received does not expire: the next byte renews it (T-158).

        :param caller: who asks; ``None``: the program itself, which sees all.
        :raises UploadNotFound: no such upload, or not an id, or somebody else's.
        :raises UploadExpired: it was left alone for too long.
        """
        upload = await self._info(upload_id)
        require_owner(upload, caller)
        if self._ongoing.receiver_of(upload_id) is None:
            self._check(upload)
        return upload

    async def find_locked(
        self, upload_id: str, caller: Caller | None = None
    ) -> UploadInfo:
        """Find an upload whose lock is held for the caller; as :meth:`find`."""
        upload = await self._info(upload_id)
        self.check_locked(upload, caller)
        return upload

    def check_locked(self, upload: UploadInfo, caller: Caller | None = None) -> None:
        """
        Judge what was found of an upload whose lock is held for the caller.

        :raises UploadNotFound: it is somebody else's.
        :raises UploadExpired: it was left alone for too long.
        """
        require_owner(upload, caller)
        self._check(upload)

    def _check(self, upload: UploadInfo) -> None:
        if self.has_expired(upload):
            raise UploadExpired

    def has_expired(self, upload: UploadInfo) -> bool:
        """Tell whether an upload has expired, if nobody is receiving it."""
        return self.expiration.is_expired(upload, self._now_s())

    async def expires_at(self, upload: UploadInfo) -> float | None:
        """See :meth:`tustwisted.uploads.uploads.Uploads.expires_at`."""
        if self.expiration.expires_at(upload) is None:
            return None
        with suppress(TusError):  # gone, by now
            upload = await self._store.info(upload.upload_id)
        return self.expiration.expires_at(upload)

    async def _info(self, upload_id: str) -> UploadInfo:
        require_id(upload_id)
        return await self._store.info(upload_id)


def require_id(upload_id: str) -> None:
    """
    Let only upload ids pass.

    :raises UploadNotFound: it is none.
    """
    if not is_upload_id(upload_id):
        raise UploadNotFound
