"""What a streamed body, its receiver and its connection may ask of one another."""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.http_headers import Headers
from zope.interface import Attribute, Interface

from tustwisted.interfaces import IBodyReceiver
from tustwisted.web.loan import ILender, SocketLoan


class IBody(IPushProducer):
    """The body of a request, for one receiver."""

    length: int | None = Attribute("""Bytes in all; None if only the end will tell.""")
    received: int = Attribute("""Bytes that have come from the client so far.""")
    trailers: Headers = Attribute(
        """Fields that followed a chunked body; empty before its end, or elsewhere."""
    )
    complete: bool = Attribute("""True when the whole body has come.""")

    def deliver_to(receiver: IBodyReceiver) -> None:
        """
        Begin to read, and give the receiver what has come already.

        The receiver gets ``registerProducer(body, True)`` and then ``write`` any number
        of times.  At the end it gets ``unregisterProducer()`` and, as the very last
        call, either ``body_ended()`` or ``body_lost(reason)``.  Some of these calls may
        come before this returns.

        While the receiver has paused, nothing of that is called, with one exception:
        when the body is lost, the piece that is still held (at most one read) is
        written at once, and the end told.  After ``stopProducing``, or an exception
        out of ``write`` (which is logged), the receiver is told nothing more at all.

        :raises RuntimeError: the body was given to a receiver before.
        """

    def collect(limit_bytes: int) -> Deferred[bytes]:
        """
        Read the whole body into memory.

        :returns: fails with :class:`tustwisted.web.collect.BodyTooLarge`, without
            reading when ``length`` says so, or with what ``body_lost`` would be given.
            Cancelling it drops the rest of the body.
        :raises RuntimeError: the body was given to a receiver before.
        """


class IBodyPort(Interface):
    """What a body asks of the connection that it comes through."""

    def pause_reading() -> None:
        """Read no more; one more piece may come all the same."""

    def resume_reading() -> None:
        """Read on; harmless when it is read already."""

    def send_continue() -> None:
        """Tell the client that its body is welcome (100 Continue)."""

    def dropped(size_bytes: int) -> None:
        """A piece came that nobody wants."""

    def fell_silent() -> None:
        """The idle timeout is over; the receiver is told next."""

    def receiver_failed() -> None:
        """The receiver raised something, and may never make the route answer."""

    def lend(left_bytes: int, lender: ILender) -> SocketLoan | None:
        """
        Let somebody take the rest of the body out of the socket.

        :param left_bytes: how long that is.
        :returns: ``None`` where it cannot be had like that.
        """

    def end_body() -> None:
        """The whole body has come, its end on loan: see that this is known."""


class ILine(Interface):
    """The connection of one request, as Twisted has it."""

    keep_alive: bool = Attribute("""Another request may follow this one.""")

    def pause() -> None:
        """Read no more."""

    def resume() -> None:
        """Read on, unless Twisted itself has paused."""

    def send_continue() -> None:
        """Write a 100 response."""

    def half_close() -> None:
        """Tell the client, after what is written, that nothing more will be."""

    def abort() -> None:
        """Close at once."""

    def lend(left_bytes: int, lender: ILender) -> SocketLoan | None:
        """
        Let somebody take bytes out of the socket, if they are only those of a body.

        Until it is given back, nothing is read here, whoever resumes.

        :param left_bytes: how many of the body have not come yet.
        """

    def end_body() -> None:
        """Let what parses the connection see the end of a body that it did not read."""
