"""A socket of which a receiver takes bytes itself, while nobody else reads it."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from tustwisted.lending import ISocketLoan

_CLOSED = -1


class ILender(Interface):
    """The body whose bytes are taken."""

    def loan_waits() -> None:
        """Nothing can be taken before the client sends more."""

    def loan_works() -> None:
        """The client has sent more: it is not silent."""

    def loan_took(size_bytes: int) -> None:  # noqa: N805
        """So many bytes of the body have come."""

    def loan_over() -> None:
        """The socket can be read again."""


@implementer(ISocketLoan, IReadDescriptor)
class SocketLoan:
    """
    One loan: a descriptor of its own for a socket.

    Its number stays what it is when the connection is closed meanwhile, so a thread may
    go on with it; and a reactor can watch it beside the transport's.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        fd: int,
        left_bytes: int,
        lender: ILender,
        over: Callable[[int], None],
    ) -> None:
        """
        :param fd: duplicated for this loan, which closes it.
        :param left_bytes: see :class:`~tustwisted.lending.ISocketLoan`.
        :param over: called at the end, before the lender is told, with what is left.
        """
        self.left_bytes = left_bytes
        self._reactor = reactor
        self._fd = fd
        self._lender = lender
        self._over = over
        self._waiter: Deferred[bool] | None = None
        self._is_watched = False
        self.is_recalled = False

    # -- for the borrower --------------------------------------------------------------

    def when_readable(self) -> Deferred[bool]:
        if self.is_recalled:
            return succeed(False)
        self._lender.loan_waits()
        self._waiter = waiter = Deferred[bool]()
        if not self._is_watched:
            self._is_watched = True
            self._reactor.addReader(self)
        return waiter

    def taken(self, size_bytes: int) -> None:
        self.left_bytes -= size_bytes
        self._lender.loan_took(size_bytes)

    def give_back(self) -> None:
        if self._fd == _CLOSED:
            return
        self._unwatch()
        fd, self._fd = self._fd, _CLOSED
        os.close(fd)
        self._over(self.left_bytes)
        self._lender.loan_over()

    # -- for the lender ----------------------------------------------------------------

    def recall(self) -> None:
        """Ask for it back; it comes when the job that is in flight has ended."""
        self.is_recalled = True
        self._tell(readable=False)

    # -- for the reactor ---------------------------------------------------------------

    def fileno(self) -> int:
        return self._fd

    def doRead(self) -> None:
        self._tell(readable=True)

    def connectionLost(self, reason: Failure) -> None:
        """Take note of a socket that is broken: whoever reads it will see."""
        self._is_watched = False  # the reactor has seen to that
        self._tell(readable=True)

    def logPrefix(self) -> str:
        """Return how the reactor calls this in its log."""
        return "body"

    # -- inside ------------------------------------------------------------------------

    def _tell(self, readable: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            if readable:
                self._lender.loan_works()
            waiter.callback(readable)
        # Only now: who waits again at once, as after a job in the reactor, saves two
        # system calls.
        if self._waiter is None:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._reactor.removeReader(self)
