"""
As many connections at a time as there may be; who else comes waits in the kernel.

A process that runs out of descriptors fails in the middle of uploads that it has taken.
So it takes no more connections than it has descriptors for: while that many are there
its ports are not read, and clients wait in their backlog until one ends.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorTime,
    IReadDescriptor,
)
from twisted.internet.tcp import Port
from twisted.logger import Logger

log = Logger()

LOOK_S: Final = 1.0
"""How often is looked, while all are taken, whether somebody waits."""

SAY_AGAIN_S: Final = 600.0
"""How long the log says nothing more of it."""


@define(eq=False, repr=False)
class Admission:
    """
    Accepts while there is room.

    :param clock: measures when to look again.
    :param most: how many connections there may be.
    :param make_room: closes one of no use to its client, if there is one; called while
        all are taken and somebody waits.
    """

    _clock: IReactorTime
    _most: int
    _make_room: Callable[[], None]
    _connections: int = field(init=False, default=0)
    _ports: list[Any] = field(init=False, factory=list)
    _looking: IDelayedCall | None = field(init=False, default=None)
    _said: float | None = field(init=False, default=None)

    def accept_from(self, port: IListeningPort) -> None:
        """
        Rule over a port that listens.

        :param port: one of Twisted's own, or a
            :class:`~tustwisted.workers.sharing.SharedPort`.  Others, which an endpoint
            of somebody else may make, cannot be paused.
        """
        if not IReadDescriptor.providedBy(port):
            log.warn(
                "{port} cannot be paused: --max-connections does not hold there",
                port=port,
            )
            return
        if isinstance(port, Port):
            self._take_few_at_once(port)
        self._ports.append(port)
        if self._is_full:
            self._close()

    def end(self) -> None:
        """Leave the ports alone from now on: they are to be closed."""
        self._ports.clear()
        self._look_no_more()

    def counted(self, connections: int) -> None:
        """Take note of how many there are."""
        was_full, self._connections = self._is_full, connections
        self._follow(was_full)

    def limit(self, most: int) -> None:
        """Let there be so many from now on; nobody who is there has to go."""
        was_full, self._most = self._is_full, most
        self._follow(was_full)

    # -- inside ------------------------------------------------------------------------

    @property
    def _is_full(self) -> bool:
        return self._connections >= self._most

    def _follow(self, was_full: bool) -> None:
        if self._is_full is was_full:
            return
        if self._is_full:
            self._close()
        else:
            self._open()

    def _take_few_at_once(self, port: Any) -> None:
        """Keep a port from taking more than there is room for before it is paused."""
        read = port.doRead

        def read_few() -> object:
            room = max(1, self._most - self._connections)
            # As many as Twisted would, unless that is too many (Twisted 26.10).
            port.numberAccepts = min(port.numberAccepts, room)
            return read()

        port.doRead = read_few

    def _close(self) -> None:
        for port in self._ports:
            port.stopReading()
        if self._looking is None and self._ports:
            self._looking = self._clock.callLater(0, self._look)

    def _open(self) -> None:
        self._look_no_more()
        for port in self._ports:
            port.startReading()

    def _look(self) -> None:
        self._looking = self._clock.callLater(LOOK_S, self._look)
        if self._does_anybody_wait():
            self._say()
            self._make_room()

    def _look_no_more(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    def _does_anybody_wait(self) -> bool:
        poll = select.poll()
        for port in self._ports:
            poll.register(port.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _say(self) -> None:
        now = self._clock.seconds()
        if self._said is None or now - self._said >= SAY_AGAIN_S:
            self._said = now
            log.warn(
                "all {most} connections are taken, and clients wait until one ends: "
                "see --max-connections",
                most=self._most,
            )
