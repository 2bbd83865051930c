"""What ties a request's wish for an upload to the receiver it becomes."""

from __future__ import annotations

from attrs import define

from tustwisted.errors import UploadInterrupted
from tustwisted.receive.receiver import Receiver


@define(eq=False)
class Claim:
    """What one request has of an upload, from its wait for the lock to its receiver."""

    _receiver: Receiver | None = None
    _given_up: bool = False

    def give_up(self) -> None:
        """Stop the receiver, now or as soon as there is one."""
        self._given_up = True
        if self._receiver is not None:
            self._receiver.stop(UploadInterrupted())

    def grant(self, receiver: Receiver) -> None:
        """Put the receiver in place."""
        self._receiver = receiver
        if self._given_up:
            self.give_up()
