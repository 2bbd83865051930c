"""
How bytes get from a socket to a file without passing through Python (D7).

Whoever reads a socket lends it, whoever writes a file takes bytes out of it, and those
that it takes are counted.  What is lent is given back, and read on as if nothing had
happened.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import Attribute, Interface

from tustwisted.interfaces import IUploadWriter


class ILendsSocket(IPushProducer):
    """A body that may let its receiver take bytes out of the socket itself."""

    def lend(least_bytes: int) -> ISocketLoan | None:
        """
        Lend the socket; the receiver is given no more bytes until it is given back.

        Everything that came before has been written to the receiver.  What ends the
        body (``stopProducing``, too) also recalls the loan; it is to be given back all
        the same.

        :param least_bytes: it is not worth while for fewer.
        :returns: ``None`` where that is not possible, now or ever: the bytes in the
            socket are not those of the body (TLS, chunks, HTTP/2), some of them have
            been read and wait, the receiver has paused, or too few are left.
        """


class ISocketLoan(Interface):
    """A socket from which bytes of one body may be taken; all calls in the reactor."""

    left_bytes: int = Attribute(
        """
        How many may still be taken: all of the body that has not come.
        """
    )

    is_recalled: bool = Attribute(
        """It is wanted back as soon as may be; may be looked at in any thread."""
    )

    def fileno() -> int:
        """Return the descriptor; it stays open until the loan is given back."""

    def when_readable() -> Deferred[bool]:
        """
        Wait until something can be taken, or the connection has ended.

        Meanwhile the body's idle timeout runs.

        :returns: fires with false if the loan was recalled.
        """

    def taken(size_bytes: int) -> None:
        """Count so many bytes as come."""

    def give_back() -> None:
        """Let the connection be read again; harmless when done twice."""


class IDrainsPipes(IUploadWriter):
    """A writer that can store what is in a pipe."""

    def drain(pipe: int, size_bytes: int) -> None:
        """
        Store some bytes out of a pipe as ``write`` does; ``offset`` moves with them.

        But it never waits for the device, also when that is due: calling ``write``
        without any bytes before, as often as it may wait, sees to that.

        :param pipe: the descriptor of its reading end.
        :param size_bytes: how many bytes; so many are in there.
        :raises NoSpace: as ``write``; what was not stored stays in the pipe.
        :raises StorageFailed: as ``write``; what was not stored stays in the pipe.
        """
