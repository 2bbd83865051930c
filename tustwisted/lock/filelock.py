"""One upload that a process has taken from the others of its machine."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tustwisted.errors import LockLost
from tustwisted.lock.shared import IProcessLock


@implementer(IProcessLock)
@define(eq=False, repr=False)
class FileLock:
    """
    An upload whose byte this process has locked.

    Ten thousand of them may be held at once: what few need is made when it is asked.
    """

    upload_id: str
    byte: int
    _release: Callable[[FileLock], None]
    _is_held: bool = field(init=False, default=True)
    _lost: Deferred[None] | None = field(init=False, default=None)

    def when_lost(self) -> Deferred[None]:
        """See :meth:`tustwisted.lock.shared.IProcessLock.when_lost`."""
        if self._lost is None:
            self._lost = Deferred()
        return self._lost

    def require_held(self) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLock.require_held`."""
        if not self._is_held:
            raise LockLost

    def release(self) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLock.release`."""
        if self._is_held:
            self._is_held = False
            self._lost = None  # its callbacks lead to the holder, and so back here
            self._release(self)

    def lose(self) -> None:
        """Tell the holder that all locks were let go of."""
        self._is_held = False
        if self._lost is not None and not self._lost.called:
            self._lost.callback(None)
