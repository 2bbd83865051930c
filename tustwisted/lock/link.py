"""
One connection between two processes that share a directory: what is said there.

Both sides speak the same lines, each ended by a newline, from the first moment on:

``want BYTE MILLISECONDS``
    I wait for this byte (see :mod:`tustwisted.lock.kernel`): tell me whenever you do
    not hold it any more, and right now if you do not hold it at all.  I wait for so
    long at the most: later nobody need be disturbed, even if I am frozen by then.
``unwant BYTE``
    I do not wait for it any more.
``free BYTE``
    I do not hold what you want.
``hello NAME``
    That is how my socket is called, and you know of all that I wait for.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

import re

from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

log = Logger()

MAX_WISHES = 100_000
"""How much another process may wait for at once."""

MAX_WAIT_MS = 10**9 - 1
"""How long a wish may stand, about eleven days."""

_LINE = re.compile(
    rb"want (?P<want>[0-9]{1,19}) (?P<ms>[0-9]{1,9})"
    rb"|unwant (?P<unwant>[0-9]{1,19})"
    rb"|free (?P<free>[0-9]{1,19})"
    rb"|hello (?P<hello>[0-9a-f]{32})"
)


class ILinked(Interface):
    """The side of a process that its links tell what they hear."""

    def link_made(link: Link) -> None:
        """A connection stands; nothing was heard on it yet."""

    def link_met(link: Link) -> None:
        """The other process has told its name, and before that all its wishes."""

    def link_lost(link: Link) -> None:
        """A connection is gone."""

    def wish_heard(link: Link, byte: int) -> None:
        """The other process waits for a byte, and has not been told anything yet."""

    def free_heard(byte: int) -> None:
        """The other process does not hold a byte that this one waits for."""


class _ITransport(ITCPTransport, IConsumer):
    """What Twisted gives to a protocol on a stream socket."""


@implementer(IPushProducer)
class Link(LineOnlyReceiver):
    """
    A connection to another process.

    What is said are differences between what stands and what the other side was told.
    So while that one is frozen and takes no more bytes nothing is kept for it but
    what stands at the moment.

    :param linked: is told what is heard.
    :param clock: measures how long wishes stand.
    :param own_name: of the socket of this process.
    :param standing: what this process waits for, and until when by the clock; its
        owner changes it, and tells by ``want`` and ``unwant``.
    :param peer_name: of the other's socket, if that is known before it tells.
    """

    delimiter = b"\n"
    MAX_LENGTH = 64

    transport: _ITransport

    def __init__(
        self,
        linked: ILinked,
        clock: IReactorTime,
        own_name: str,
        standing: dict[int, float],
        peer_name: str | None = None,
    ) -> None:
        self.peer_name = peer_name
        self.has_met = False
        self._linked = linked
        self._clock = clock
        self._own_name = own_name
        self._standing = standing
        self._told: dict[int, float] = {}  # of what stands
        self._wanted: dict[int, float] = {}  # by the other process, and until when
        self._fresh: set[int] = set()  # wishes in the bytes that are being parsed
        self._freed: set[int] = set()  # and not told yet
        self._is_full = False
        self._is_hung_up = False

    def want(self, byte: int) -> None:
        """Tell that this process waits for a byte."""
        if not self._is_full:
            self._say_want(byte)

    def unwant(self, byte: int) -> None:
        """Tell that it does not wait for it any more."""
        if not self._is_full and self._told.pop(byte, None) is not None:
            self._say("unwant", byte)

    def free(self, byte: int) -> None:
        """Tell that it does not hold a byte, if the other one wants to know."""
        if byte not in self._wanted:
            return
        if self._is_full:
            self._freed.add(byte)
        else:
            self._say("free", byte)

    def is_wanted(self, byte: int) -> bool:
        """Tell whether the other process waits for a byte, and its time is not over."""
        return self._clock.seconds() < self._wanted.get(byte, 0)

    def hang_up(self) -> None:
        """End the connection, whatever was not said yet."""
        self._is_hung_up = True
        self._wanted.clear()
        self.transport.abortConnection()

    def _say(self, *words: int | str) -> None:
        self.transport.write(f"{' '.join(map(str, words))}\n".encode("ascii"))

    def _say_want(self, byte: int) -> None:
        until = self._told[byte] = self._standing[byte]
        left_ms = max(0, round((until - self._clock.seconds()) * 1000))
        self._say("want", byte, min(left_ms, MAX_WAIT_MS))

    def _catch_up(self) -> None:
        """Tell all that has changed since the other process was told last."""
        for byte in self._told.keys() - self._standing.keys():
            self.unwant(byte)
        for byte, until in self._standing.items():
            if self._told.get(byte) != until:
                self._say_want(byte)
        for byte in self._freed & self._wanted.keys():
            self._say("free", byte)
        self._freed.clear()

    # -- called by Twisted -------------------------------------------------------------

    def connectionMade(self) -> None:
        """Introduce this process."""
        self.transport.registerProducer(self, True)
        self._linked.link_made(self)
        self._catch_up()
        self._say("hello", self._own_name)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget what the other process waited for."""
        self._is_hung_up = True
        self._wanted.clear()
        self._linked.link_lost(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Hear some lines, and only then heed the wishes among them.

        A process that was frozen finds old wishes here together with the word that they
        were taken back: those must not disturb whoever holds the upload now.
        """
        super().dataReceived(data)
        fresh, self._fresh = self._fresh, set()
        for byte in fresh & self._wanted.keys():
            self._linked.wish_heard(self, byte)

    def lineReceived(self, line: bytes) -> None:
        """Hear a line; one that makes no sense ends the connection."""
        if self._is_hung_up:
            return
        match = _LINE.fullmatch(line)
        if match is None:
            self._refuse(line)
        elif match["hello"]:
            self._hear_hello(line, match["hello"].decode("ascii"))
        elif match["want"]:
            self._hear_want(line, int(match["want"]), int(match["ms"]) / 1000)
        elif match["unwant"]:
            self._wanted.pop(int(match["unwant"]), None)
        else:
            self._linked.free_heard(int(match["free"]))

    def lineLengthExceeded(self, line: bytes) -> None:
        """End the connection to whoever speaks without an end."""
        if not self._is_hung_up:
            self._refuse(line)

    def _hear_hello(self, line: bytes, name: str) -> None:
        if self.has_met or self.peer_name not in (None, name):
            self._refuse(line)
            return
        self.peer_name, self.has_met = name, True
        self._linked.link_met(self)

    def _hear_want(self, line: bytes, byte: int, wait_s: float) -> None:
        if len(self._wanted) < MAX_WISHES:
            self._wanted[byte] = self._clock.seconds() + wait_s
            self._fresh.add(byte)
        else:
            self._refuse(line)

    def _refuse(self, line: bytes) -> None:
        log.warn(
            "what speaks at the socket of the locks makes no sense, and is hung up on: "
            "{line!r}",
            line=line[: self.MAX_LENGTH],
        )
        self.hang_up()

    def pauseProducing(self) -> None:
        """Say nothing: the other process takes no more bytes."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Say what has changed meanwhile."""
        self._is_full = False
        self._catch_up()

    def stopProducing(self) -> None:
        """Do nothing: the connection is gone."""
