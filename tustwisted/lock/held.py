"""An upload whose lock is held, and the store as its holder may use it."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tustwisted.abilities import IClaim
from tustwisted.interfaces import IDataStore, ILock

log = Logger()


@frozen
class Held:
    """
    What whoever changes an upload has in his hand.

    :param claim: shuts out those who held the upload before; ``None`` where a lock
        cannot end while its holder still writes.
    """

    _lock: ILock
    store: IDataStore
    """The store; what changes the upload goes through this one."""
    _claim: IClaim | None = None

    def when_lost(self) -> Deferred[None]:
        """See :meth:`tustwisted.interfaces.ILock.when_lost`."""
        return self._lock.when_lost()

    def require_held(self) -> None:
        """See :meth:`tustwisted.interfaces.ILock.require_held`."""
        self._lock.require_held()

    async def release(self) -> None:
        """Give the upload back, when every writer of it is closed."""
        try:
            if self._claim is not None:
                await self._claim.release()
        except Exception:  # whoever comes next must not wait for that
            log.failure("a claim could not be given back")
        finally:
            self._lock.release()
