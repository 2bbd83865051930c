"""
The body of a request, as a push producer.

A route calls ``body.deliver_to(receiver)`` once; which calls the receiver then gets,
and in what order, is told at :class:`tustwisted.web.interfaces.IBody`.  How the bytes
leave Twisted is not known here (see :mod:`tustwisted.web.line`), nor what becomes of
those that nobody wants (:mod:`tustwisted.web.exchange`).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from tustwisted.errors import ReadTimeout
from tustwisted.interfaces import IBodyReceiver
from tustwisted.lending import ILendsSocket, ISocketLoan
from tustwisted.web.collect import BodyTooLarge, Collector
from tustwisted.web.idle import IdleTimer
from tustwisted.web.interfaces import IBody, IBodyPort
from tustwisted.web.loan import ILender, SocketLoan
from tustwisted.web.receivers import tell


class AnsweredEarly(Exception):
    """The route finished its answer while a receiver still took the body."""

    def __str__(self) -> str:
        return "the request was answered before its body ended"


class _Phase(enum.Enum):
    WAITING = "no receiver yet"
    DELIVERING = "a receiver takes what comes"
    DROPPING = "nobody wants what comes"


@implementer(IBody, ILendsSocket, ILender)
class Body:
    """
    A body that is delivered while it arrives.

    At most one read is held in memory: the first piece that cannot be delivered, for
    want of a receiver or because it has paused, also pauses the connection.
    """

    def __init__(
        self,
        length: int | None,
        port: IBodyPort,
        clock: IReactorTime,
        idle_timeout_s: float,
        owes_continue: bool,
    ) -> None:
        """
        :param idle_timeout_s: how long nothing may come while the receiver wants more.
        :param owes_continue: the client waits for 100 before it sends the body.
        """
        self.length = length
        self.received = 0
        self.complete = False
        self.trailers = Headers()
        self._port = port
        self._owes_continue = owes_continue
        self._phase = _Phase.WAITING
        self._is_given = False
        self._receiver: IBodyReceiver | None = None
        self._paused = False
        self._pumping = False
        self._held: deque[bytes] = deque()
        self._loan: SocketLoan | None = None
        self._lost: Failure | None = None
        self._idle_timeout_s = idle_timeout_s
        self._idle = IdleTimer(clock, idle_timeout_s, self._silent)

    # -- for the route -----------------------------------------------------------------

    def deliver_to(self, receiver: IBodyReceiver) -> None:
        if self._is_given:
            raise RuntimeError("this body was given to a receiver before")
        self._is_given = True
        self._receiver = receiver
        self._phase = _Phase.DELIVERING
        try:
            receiver.registerProducer(self, True)
        except BaseException:
            self._drop()
            raise
        self._pump()

    def collect(self, limit_bytes: int) -> Deferred[bytes]:
        if self.length is not None and self.length > limit_bytes:
            return fail(BodyTooLarge(limit_bytes))
        collector = Collector(limit_bytes)
        self.deliver_to(collector)
        return collector.done

    # -- for the receiver --------------------------------------------------------------

    def pauseProducing(self) -> None:
        if self._phase is _Phase.DELIVERING:
            self._paused = True
            self._idle.pause()
            if not self.complete:
                self._port.pause_reading()

    def resumeProducing(self) -> None:
        if self._phase is _Phase.DELIVERING and self._paused:
            self._paused = False
            self._pump()

    def stopProducing(self) -> None:
        if self._phase is _Phase.DELIVERING:
            self._drop()

    def lend(self, least_bytes: int) -> ISocketLoan | None:
        if self.length is None or self._loan is not None or self._held:
            return None
        left = self.length - self.received
        # Once a piece has been written, the whole read that it came with has been.
        if left <= least_bytes or not (self.received and self._flowing):
            return None
        self._loan = self._port.lend(left, self)
        return self._loan

    # -- for the loan ------------------------------------------------------------------

    def loan_waits(self) -> None:
        self._idle.start()

    def loan_works(self) -> None:
        self._idle.pause()

    def loan_took(self, size_bytes: int) -> None:
        self.received += size_bytes

    def loan_over(self) -> None:
        self._loan = None
        if self.received == self.length:
            self._port.end_body()
            return
        if self._flowing:
            self._idle.start()
        if not self._paused or self._phase is _Phase.DROPPING:
            self._port.resume_reading()

    # -- for the port ------------------------------------------------------------------

    @property
    def unanswered_continue(self) -> bool:
        """The client may send nothing before it has an answer, 100 or final."""
        return self._owes_continue and self.received == 0

    @property
    def is_lent(self) -> bool:
        """Somebody else takes the bytes out of the socket."""
        return self._loan is not None

    def data_received(self, data: bytes) -> None:
        """Take the next piece."""
        assert self._loan is None, "somebody else reads this"
        self.received += len(data)
        self._idle.touch()
        if self._phase is _Phase.DROPPING:
            self._port.dropped(len(data))
        elif self._flowing and not self._pumping and not self._held:
            self._write(data)
        else:
            self._held.append(data)
            # Also when it is paused already: Twisted resumes reading on its own account
            # when a full send buffer has emptied.
            self._port.pause_reading()

    def ended(self) -> None:
        """Take note that the last piece has come."""
        self.complete = True
        self._idle.cancel()
        self._port.resume_reading()
        self._pump()

    def lost(self, reason: Failure) -> None:
        """Take note that nothing more will come."""
        if not self.complete and self._lost is None:
            self._lost = reason
            self._flush_lost()

    def answer_begins(self) -> None:
        """
        Take note that something is about to be written to the connection.

        With a write pending while reading is paused, a reset makes Twisted close the
        socket without reading what the kernel still holds.  So reading goes on, unless
        a piece is held: memory stays bounded even for a receiver that never resumes.
        """
        self._owes_continue = False
        self._recall()
        if not self.complete and not self._held:
            self._port.resume_reading()

    def answered(self) -> None:
        """Take note that the answer is finished: nobody wants the rest."""
        if self._lost is None:
            self._lost = Failure(AnsweredEarly())
            self._flush_lost()
        self._drop()

    # -- inside ------------------------------------------------------------------------

    @property
    def _flowing(self) -> bool:
        return self._phase is _Phase.DELIVERING and not self._paused

    def _write(self, data: bytes) -> None:
        assert self._receiver is not None
        if not self._tell(self._receiver.write, data):
            self._drop()

    def _tell(self, call: Callable[..., object], *args: object) -> bool:
        told = tell(call, *args)
        if not told:
            self._port.receiver_failed()
        return told

    def _pump(self) -> None:
        """Deliver what is held, then whatever comes next: the end, or more reading."""
        if self._pumping:
            return
        if self._lost is not None:
            self._flush_lost()
            return
        self._pumping = True
        while self._held and self._flowing:
            self._write(self._held.popleft())
        self._pumping = False
        if self._flowing and self.complete:
            self._conclude()
        elif self._flowing:
            self._read_on()

    def _read_on(self) -> None:
        self._port.resume_reading()
        if self.unanswered_continue:
            self._port.send_continue()
        self._owes_continue = False
        self._idle.start()

    def _flush_lost(self) -> None:
        """Write what is held, paused or not, and tell the receiver that it was all."""
        self._idle.cancel()
        while self._held and self._phase is _Phase.DELIVERING:
            self._write(self._held.popleft())
        if self._phase is _Phase.DELIVERING:
            self._conclude()

    def _conclude(self) -> None:
        """End the registration; the verdict is the last thing the receiver hears."""
        # Forgotten, since it leads back here, and only the garbage collector would end
        # that.
        receiver, self._receiver = self._receiver, None
        assert receiver is not None
        self._idle.cancel()
        self._phase = _Phase.DROPPING
        self._recall()
        self._tell(receiver.unregisterProducer)
        if self._lost is None:
            self._tell(receiver.body_ended)
        else:
            self._tell(receiver.body_lost, self._lost)

    def _drop(self) -> None:
        self._phase = _Phase.DROPPING
        self._receiver = None
        self._held.clear()
        self._idle.cancel()
        self._recall()
        if not self.complete:
            self._port.resume_reading()

    def _recall(self) -> None:
        if self._loan is not None:
            self._loan.recall()

    def _silent(self) -> None:
        # First the port: the receiver may make the route answer at once.
        self._port.fell_silent()
        self._lost = Failure(ReadTimeout(self._idle_timeout_s))
        self._flush_lost()
