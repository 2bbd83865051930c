"""What the tests of receiving share: a disk worked by hand, and a producer's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from tustwisted.testing import ImmediateDisk

_P = ParamSpec("_P")
_T = TypeVar("_T")


@define(eq=False)
class HandDisk(ImmediateDisk):
    """A disk whose calls wait until the test does them, all but the quick ones."""

    waiting: list[Callable[[], None]] = field(factory=list)

    async def write(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Wait for :meth:`do_one`."""
        turn: Deferred[None] = Deferred()
        self.waiting.append(lambda: turn.callback(None))
        await turn
        return f(*args, **kwargs)

    sync = write

    def do_one(self) -> None:
        """Do the call that waits longest."""
        self.waiting.pop(0)()

    def do_all(self) -> None:
        """Do calls until none waits."""
        while self.waiting:
            self.do_one()


@implementer(IPushProducer)
@define(eq=False)
class Producer:
    """A body's side, remembering what it was told."""

    told: list[str] = field(factory=list)

    def pauseProducing(self) -> None:
        """Remember it."""
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """Remember it."""
        self.told.append("resume")

    def stopProducing(self) -> None:
        """Remember it."""
        self.told.append("stop")


def ignore(*_: Any) -> None:
    """Take anything, do nothing."""
