"""
TCP connections that send an answer in the turn of the reactor that writes it.

Twisted keeps what is written, and sends it in the next turn, when the kernel has said
that it will take it: two ``epoll_ctl`` and an ``epoll_wait`` around one ``send`` into a
buffer that was empty.  It also asks the kernel for the address of its own end whenever
there is a request, and makes an object of that and one of the other end's, though a
connection keeps them for life.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.interfaces import IAddress
from twisted.internet.tcp import Server

FEW_BYTES: Final = 1024
"""Who writes more may be one of many who wait for a turn."""


class PromptConnection(Server):
    """
    Sends at once what is written as a sequence, as the headers of an answer are, and a
    few bytes.

    What the kernel does not take, what is written after it, and what TLS writes, goes
    Twisted's way.
    """

    _may_send = True
    """Nothing waits to be sent, and the connection is not about to end."""

    _host: IAddress | None = None
    _peer: IAddress | None = None

    def startWriting(self) -> None:
        """Wait for the kernel; all that is written until then queues up."""
        self._may_send = False
        super().startWriting()

    def stopWriting(self) -> None:
        """Wait no longer, since everything is sent."""
        self._may_send = True
        super().stopWriting()

    def abortConnection(self) -> None:
        """End, in the next turn; nothing may be sent in this one."""
        super().abortConnection()
        self._may_send = False

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send some bytes, or as many of them as the kernel takes now."""
        if self._sends_now:
            self._send(b"".join(iovec))
        else:
            super().writeSequence(iovec)

    def write(self, data: bytes) -> None:
        """
        Send a few bytes like a sequence; many wait for the next turn.

        The few of a refusal must not be lost when a client that has no more to say has
        closed its half: Twisted then ends the connection in the next turn.
        """
        if 0 < len(data) <= FEW_BYTES and self._sends_now:
            self._send(data)
        else:
            super().write(data)

    @property
    def _sends_now(self) -> bool:
        return bool(self._may_send and self.connected and not self.TLS)

    def _send(self, data: bytes) -> None:
        sent = self.writeSomeData(data)
        # An error is met again by the reactor, which then ends the connection.
        rest = data[sent:] if isinstance(sent, int) else data
        if rest:
            super().write(rest)

    def getHost(self) -> IAddress:
        """Tell the address of this end."""
        if self._host is None:
            self._host = super().getHost()
        return self._host

    def getPeer(self) -> IAddress:
        """Tell the address of the other end."""
        if self._peer is None:
            self._peer = super().getPeer()
        return self._peer


PLAIN_TCP: Final = (Server, PromptConnection)
"""
Types of connections whose sockets carry their bytes as they are, unless they have TLS.

Exactly these: what is derived from them, or pretends to be one, may alter the bytes.
"""
