"""
One connection between two processes that share a directory: what is said there.

Both sides speak the same lines, each ended by a newline, from the first moment on:

``want BYTE``
    I wait for this byte (see :mod:`tustwisted.lock.kernel`): tell me whenever you do
    not hold it any more, and right now if you do not hold it at all.
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

from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

log = Logger()

MAX_WISHES = 100_000
"""How much another process may wait for at once."""

_LINE = re.compile(rb"(want|unwant|free) ([0-9]{1,19})|(hello) ([0-9a-f]{32})")


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
    :param own_name: of the socket of this process.
    :param standing: what this process waits for; its owner changes it, and tells by
        ``want`` and ``unwant``.
    :param peer_name: of the other's socket, if that is known before it tells.
    """

    delimiter = b"\n"
    MAX_LENGTH = 64

    transport: _ITransport

    def __init__(
        self,
        linked: ILinked,
        own_name: str,
        standing: set[int],
        peer_name: str | None = None,
    ) -> None:
        self.peer_name = peer_name
        self.has_met = False
        self.wanted: set[int] = set()  # by the other process
        self._linked = linked
        self._own_name = own_name
        self._standing = standing
        self._told: set[int] = set()  # of what stands
        self._fresh: set[int] = set()  # wishes in the bytes that are being parsed
        self._freed: set[int] = set()  # and not told yet
        self._is_full = False
        self._is_hung_up = False

    def want(self, byte: int) -> None:
        """Tell that this process waits for a byte."""
        if not self._is_full and byte not in self._told:
            self._told.add(byte)
            self._say("want", byte)

    def unwant(self, byte: int) -> None:
        """Tell that it does not wait for a byte any more."""
        if not self._is_full and byte in self._told:
            self._told.discard(byte)
            self._say("unwant", byte)

    def free(self, byte: int) -> None:
        """Tell that it does not hold a byte, if the other one wants to know."""
        if byte not in self.wanted:
            return
        if self._is_full:
            self._freed.add(byte)
        else:
            self._say("free", byte)

    def hang_up(self) -> None:
        """End the connection, whatever was not said yet."""
        self._is_hung_up = True
        self.wanted.clear()
        self.transport.abortConnection()

    def _say(self, word: str, what: int | str) -> None:
        self.transport.write(f"{word} {what}\n".encode("ascii"))

    def _catch_up(self) -> None:
        """Tell all that has changed since the other process was told last."""
        for byte in self._told - self._standing:
            self._say("unwant", byte)
        for byte in self._standing - self._told:
            self._say("want", byte)
        self._told = set(self._standing)
        for byte in self._freed & self.wanted:
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
        self.wanted.clear()
        self._linked.link_lost(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Hear some lines, and only then heed the wishes among them.

        A process that was frozen finds old wishes here together with the word that they
        were taken back: those must not disturb whoever holds the upload now.
        """
        super().dataReceived(data)
        fresh, self._fresh = self._fresh, set()
        for byte in fresh & self.wanted:
            self._linked.wish_heard(self, byte)

    def lineReceived(self, line: bytes) -> None:
        """Hear a line; one that makes no sense ends the connection."""
        if self._is_hung_up:
            return
        match = _LINE.fullmatch(line)
        if match is None:
            self._refuse(line)
        elif match[3]:
            self._hear_hello(line, match[4].decode("ascii"))
        else:
            self._hear(line, match[1], int(match[2]))

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

    def _hear(self, line: bytes, word: bytes, byte: int) -> None:
        if word == b"free":
            self._linked.free_heard(byte)
        elif word == b"unwant":
            self.wanted.discard(byte)
        elif len(self.wanted) < MAX_WISHES:
            self.wanted.add(byte)
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
