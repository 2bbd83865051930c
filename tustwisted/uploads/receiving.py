"""How a request gets hold of an upload, and what becomes of that when it is gone."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import CancelledError

from tustwisted.errors import ServerShutdown
from tustwisted.interfaces import ILock
from tustwisted.receive.receiver import Receiver
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.claim import Claim
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.ongoing import Ongoing
from tustwisted.uploads.opening import Opening


@frozen
class Receiving:
    """Turns chunks that were judged into receivers, one for an upload at a time."""

    _locks: Locks
    _ongoing: Ongoing
    _opening: Opening

    async def receive(self, upload_id: str, chunk: Chunk, is_new: bool) -> Receiver:
        """
        Take an upload over from whoever holds it, and open it for a chunk.

        Cancelling this leaves nothing behind: what is open by then is closed.

        :param is_new: see :meth:`tustwisted.uploads.opening.Opening.open`.
        :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.receive`.
        """
        claim = Claim()
        lock = await self._locks.acquire(upload_id, claim.give_up)
        opening = self._ongoing.own(self._open(claim, lock, upload_id, chunk, is_new))
        try:
            return await opening
        except CancelledError:
            claim.give_up()  # it may be open by then: nobody else would close it
            raise

    async def _open(
        self, claim: Claim, lock: ILock, upload_id: str, chunk: Chunk, is_new: bool
    ) -> Receiver:
        try:
            self._ongoing.require_running()
            receiver = await self._opening.open(upload_id, chunk, lock, is_new)
        except BaseException:
            lock.release()
            raise
        self._ongoing.keep(receiver)
        claim.grant(receiver)
        if not self._ongoing.is_running:
            receiver.stop(ServerShutdown())
        return receiver
