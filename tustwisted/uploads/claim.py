"""What ties a request's wish for an upload to the receiver it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import define
from twisted.internet.defer import CancelledError, Deferred

from tustwisted.errors import UploadInterrupted, UploadLocked
from tustwisted.interfaces import ILock
from tustwisted.receive.receiver import Receiver
from tustwisted.uploads.locks import Locks

Deliver: TypeAlias = Callable[[Receiver], None]
"""Gives a receiver its body."""


@define(eq=False, repr=False)
class Claim:
    """
    What one request has of an upload, from its wait for the lock to its receiver.

    :param deliver: called with the receiver at once, also when the request has left:
        what had arrived of its body is kept (T-040).  ``None``: then it is stopped.
    :param taken_over: called when its body is cut short since another one has come.
    """

    _deliver: Deliver | None = None
    _taken_over: Callable[[], None] = lambda: None
    _receiver: Receiver | None = None
    _waiting: Deferred[ILock] | None = None
    _is_wanted: bool = False
    _has_left: bool = False

    async def lock(self, locks: Locks, upload_id: str) -> ILock:
        """
        Wait for the lock; who has left does not wait, nor stop whoever holds it.

        :raises UploadLocked: it was not freed in time, or while somebody waited.
        """
        if self._has_left:
            return await locks.acquire_now(upload_id)
        self._waiting = locks.acquire(upload_id, self.give_up)
        try:
            return await self._waiting
        except CancelledError:
            raise UploadLocked(0.0) from None  # nobody is there to be told
        finally:
            self._waiting = None

    def give_up(self) -> None:
        """Stop the receiver, now or as soon as there is one: the upload is wanted."""
        self._is_wanted = True
        if self._receiver is not None:
            self._interrupt(self._receiver)

    def leave(self) -> None:
        """Take note that the request is gone, or will be refused: wait no more."""
        self._has_left = True
        if self._waiting is not None:
            self._waiting.cancel()
        if self._deliver is None and self._receiver is not None:
            self._receiver.stop(UploadInterrupted())

    def grant(self, receiver: Receiver) -> None:
        """Put the receiver in place."""
        self._receiver = receiver
        if self._deliver is not None:
            self._deliver(receiver)
        if self._is_wanted:
            self._interrupt(receiver)
        elif self._has_left and self._deliver is None:
            receiver.stop(UploadInterrupted())

    def _interrupt(self, receiver: Receiver) -> None:
        if receiver.is_receiving:
            self._taken_over()
        receiver.stop(UploadInterrupted())
