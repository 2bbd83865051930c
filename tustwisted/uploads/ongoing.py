"""What is going on at this moment, so that a stop can wait for its end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred

from tustwisted.errors import ServerShutdown
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.outcome import Outcome
from tustwisted.receive.receiver import Receiver

_T = TypeVar("_T")


@frozen
class Arriving:
    """What comes at one moment."""

    uploads: int
    """So many get bytes, or are about to."""

    received_bytes: int
    """So much has come of their bodies until now."""


@define(eq=False, repr=False)
class Ongoing:
    """
    The receivers that hold an upload, and the work that nobody cancels.

    :param observer: is told how much each receiver has received.
    """

    _observer: IObserver = UNOBSERVED
    is_running: bool = field(init=False, default=False)
    """Something may begin: between the start and the stop of the uploads."""
    _receivers: dict[str, Receiver] = field(init=False, factory=dict)
    _arriving: set[Receiver] = field(init=False, factory=set)
    _work: set[Outcome[Any]] = field(init=False, factory=set)

    def require_running(self) -> None:
        """
        Let something begin.

        :raises ServerShutdown: the uploads have not started, or are stopping.
        """
        if not self.is_running:
            raise ServerShutdown

    def own(self, work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
        """Do some work to its end, whatever becomes of the Deferred returned."""
        begun: Deferred[_T] = Deferred.fromCoroutine(work)
        if begun.called:  # as it is with most, on a quick disk
            return begun
        outcome: Outcome[_T] = Outcome(is_last=True)
        self._work.add(outcome)
        outcome.then(lambda: self._work.discard(outcome))
        waiter = outcome.wait()
        begun.addBoth(outcome.settle)  # type: ignore[unused-awaitable]
        return waiter

    def keep(self, receiver: Receiver) -> None:
        """Know a receiver until it has ended."""
        upload_id = receiver.upload.upload_id
        self._receivers[upload_id] = receiver
        self._arriving.add(receiver)

        def forget() -> None:
            self._arriving.discard(receiver)
            self._observer.received(receiver.received_bytes)
            if self._receivers.get(upload_id) is receiver:  # or the next one is there
                del self._receivers[upload_id]

        receiver.when_ended(forget)

    def receiver_of(self, upload_id: str) -> Receiver | None:
        """Return the receiver that holds an upload, if one does."""
        return self._receivers.get(upload_id)

    @property
    def arriving(self) -> Arriving:
        """What comes at this moment."""
        received = sum(receiver.received_bytes for receiver in self._arriving)
        return Arriving(len(self._arriving), received)

    async def end(self) -> None:
        """Stop every receiver, and wait until all is settled; nothing may begin."""
        for receiver in list(self._receivers.values()):
            receiver.stop(ServerShutdown())
        while self._receivers or self._work:
            for receiver in list(self._receivers.values()):
                await quietly(receiver.outcome())
            for work in list(self._work):
                await quietly(work.wait())


async def quietly(work: Deferred[Any]) -> None:
    """
    Wait for the end of some work, ill or well: somebody else is told how it went.

    :raises CancelledError: the wait was cancelled.
    """
    try:
        await work
    except CancelledError:
        raise
    except Exception:
        pass
