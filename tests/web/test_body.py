"""What a receiver is told by a Body, with the connection played by the test."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.web.harness import Recorder
from tustwisted.errors import ReadTimeout
from tustwisted.interfaces import IBodyReceiver
from tustwisted.lending import ILendsSocket
from tustwisted.web.body import AnsweredEarly, Body
from tustwisted.web.collect import BodyTooLarge, Collector
from tustwisted.web.idle import IdleTimer
from tustwisted.web.interfaces import IBody, IBodyPort
from tustwisted.web.loan import ILender, SocketLoan

TAKEN = ["registerProducer", "write"]


@implementer(IBodyPort)
class Port:
    """Notes what the body asks for; ``reading`` is what it asked for last."""

    def __init__(self) -> None:
        self.reading = True
        self.continues = 0
        self.dropped_bytes = 0
        self.silences = 0
        self.failures = 0
        self.ends = 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def send_continue(self) -> None:
        assert self.reading
        self.continues += 1

    def dropped(self, size_bytes: int) -> None:
        self.dropped_bytes += size_bytes

    def fell_silent(self) -> None:
        self.silences += 1

    def receiver_failed(self) -> None:
        self.failures += 1

    def lend(self, left_bytes: int, lender: ILender) -> SocketLoan | None:
        return None

    def end_body(self) -> None:
        self.ends += 1


class BodyCase(SynchronousTestCase):
    """A body of unknown length, its port and its clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.port = Port()
        self.body = self.make()

    def make(self, length: int | None = None, owes_continue: bool = False) -> Body:
        """Another body on the same port."""
        return Body(length, self.port, self.clock, 10.0, owes_continue)


class DeliveryTests(BodyCase):
    """The order of calls."""

    def test_interfaces(self) -> None:
        """Body, its port and the receivers provide what they say."""
        verifyObject(IBody, self.body)
        verifyObject(ILendsSocket, self.body)
        verifyObject(ILender, self.body)
        verifyObject(IBodyPort, self.port)
        verifyObject(IBodyReceiver, Recorder())
        verifyObject(IBodyReceiver, Collector(1))

    def test_whole_body(self) -> None:
        """Registration, bytes, end of registration, the verdict as the last call."""
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.body.data_received(b"ab")
        self.body.data_received(b"c")
        self.body.ended()
        self.assertEqual(recorder.calls, [*TAKEN, "unregisterProducer", "body_ended"])
        self.assertEqual(recorder.data, b"abc")
        self.assertIs(recorder.producer, self.body)
        self.assertEqual((self.body.received, self.body.complete), (3, True))

    def test_first_piece_pauses(self) -> None:
        """Without a receiver the first piece is held and pauses the connection."""
        self.body.data_received(b"ab")
        self.assertFalse(self.port.reading)
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.assertTrue(self.port.reading)
        self.assertEqual(recorder.data, b"ab")

    def test_complete_before_receiver(self) -> None:
        """A body that has come as a whole is delivered at once, and ends."""
        self.body.data_received(b"ab")
        self.body.ended()
        self.assertTrue(self.port.reading)
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.assertEqual(recorder.calls, [*TAKEN, "unregisterProducer", "body_ended"])

    def test_lost_before_receiver(self) -> None:
        """A receiver that comes after the loss gets what came, and the reason."""
        self.body.data_received(b"ab")
        reason = Failure(ConnectionLost())
        self.body.lost(reason)
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.assertEqual(recorder.calls, [*TAKEN, "unregisterProducer", "body_lost"])
        self.assertIs(recorder.reason, reason)

    def test_second_receiver(self) -> None:
        """A body has one receiver."""
        self.body.deliver_to(Recorder())
        self.assertRaises(RuntimeError, self.body.deliver_to, Recorder())

    def test_nothing_while_paused(self) -> None:
        """Neither bytes nor the end reach a receiver that has paused."""
        recorder = Recorder(lambda r: r.producer.pauseProducing())
        self.body.deliver_to(recorder)
        self.body.data_received(b"a")
        self.body.data_received(b"b")
        self.body.ended()
        self.assertEqual((recorder.data, recorder.verdict), (b"a", "write"))
        self.body.resumeProducing()
        self.assertEqual((recorder.data, recorder.verdict), (b"ab", "write"))
        self.body.resumeProducing()
        self.assertEqual(recorder.verdict, "body_ended")

    def test_pause_reaches_the_connection(self) -> None:
        """The connection is paused and resumed with the receiver's own calls."""
        self.body.deliver_to(Recorder())
        self.body.pauseProducing()
        self.assertFalse(self.port.reading)
        self.body.resumeProducing()
        self.assertTrue(self.port.reading)

    def test_paused_again(self) -> None:
        """A piece that comes in spite of the pause pauses the connection again."""
        self.body.deliver_to(Recorder())
        self.body.pauseProducing()
        self.port.reading = True
        self.body.data_received(b"a")
        self.assertFalse(self.port.reading)

    def test_end_frees_the_connection(self) -> None:
        """After the last piece reading is Twisted's affair, however paused."""
        self.body.deliver_to(Recorder())
        self.body.pauseProducing()
        self.body.ended()
        self.assertTrue(self.port.reading)

    def test_lost_while_paused(self) -> None:
        """A loss writes what was held in spite of the pause, then tells the reason."""
        recorder = Recorder(lambda r: r.producer.pauseProducing())
        self.body.deliver_to(recorder)
        self.body.data_received(b"a")
        self.body.data_received(b"b")
        self.body.lost(Failure(ConnectionLost()))
        self.assertEqual((recorder.data, recorder.verdict), (b"ab", "body_lost"))

    def test_complete_then_lost(self) -> None:
        """A body that came as a whole ends well, also when the connection is lost."""
        recorder = Recorder(lambda r: r.producer.pauseProducing())
        self.body.deliver_to(recorder)
        self.body.data_received(b"a")
        self.body.ended()
        self.body.lost(Failure(ConnectionLost()))
        self.assertEqual(recorder.verdict, "write")
        self.body.resumeProducing()
        self.assertEqual(recorder.verdict, "body_ended")

    def test_stop(self) -> None:
        """After stopProducing the receiver is told nothing; the rest is dropped."""
        recorder = Recorder(lambda r: r.producer.stopProducing())
        self.body.deliver_to(recorder)
        self.body.data_received(b"a")
        self.body.data_received(b"bcd")
        self.body.ended()
        self.body.lost(Failure(ConnectionLost()))
        self.assertEqual((recorder.calls, recorder.data), (TAKEN, b"a"))
        self.assertEqual(self.port.dropped_bytes, 3)

    def test_stop_with_pieces_held(self) -> None:
        """A receiver that stops on one held piece does not see the other."""
        recorder = Recorder(lambda r: r.producer.stopProducing())
        self.body.data_received(b"a")
        self.body.data_received(b"b")
        self.body.deliver_to(recorder)
        self.assertEqual(recorder.data, b"a")
        self.assertTrue(self.port.reading)

    def test_failing_receiver(self) -> None:
        """What a receiver raises is logged and counts as stopProducing."""

        def fail(recorder: Recorder) -> None:
            raise ZeroDivisionError

        recorder = Recorder(fail)
        self.body.deliver_to(recorder)
        self.body.data_received(b"a")
        self.body.data_received(b"b")
        self.body.ended()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((recorder.calls, recorder.data), (TAKEN, b"a"))
        self.assertEqual(self.port.failures, 1)

    def test_failing_verdict(self) -> None:
        """What a receiver raises at the end is logged, and the port is told."""

        def raise_error() -> None:
            raise ZeroDivisionError

        recorder = Recorder()
        recorder.at_end = raise_error
        self.body.deliver_to(recorder)
        self.body.ended()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.port.failures, 1)

    def test_answered_early(self) -> None:
        """A receiver learns that the route finished its answer before the end."""
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.body.answered()
        self.assertEqual(recorder.verdict, "body_lost")
        assert recorder.reason is not None
        recorder.reason.trap(AnsweredEarly)

    def test_receiver_after_the_answer(self) -> None:
        """A receiver that comes after the answer is told that the body is lost."""
        self.body.answered()
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.assertEqual(recorder.verdict, "body_lost")

    def test_answer_while_paused(self) -> None:
        """Before an answer is written, reading is resumed, unless a piece is held."""
        self.body.deliver_to(Recorder())
        self.body.pauseProducing()
        self.body.answer_begins()
        self.assertTrue(self.port.reading)
        self.body.data_received(b"a")
        self.body.answer_begins()
        self.assertFalse(self.port.reading)


class ContinueTests(BodyCase):
    """100 Continue."""

    def test_sent_when_read(self) -> None:
        """It is sent once, when a receiver is there."""
        body = self.make(owes_continue=True)
        self.assertEqual(self.port.continues, 0)
        body.deliver_to(Recorder())
        body.pauseProducing()
        body.resumeProducing()
        self.assertEqual(self.port.continues, 1)

    def test_not_when_bytes_came(self) -> None:
        """It is not sent to a client that did not wait for it."""
        body = self.make(owes_continue=True)
        body.data_received(b"a")
        body.deliver_to(Recorder())
        self.assertEqual(self.port.continues, 0)

    def test_not_while_paused(self) -> None:
        """It waits for a receiver that pauses from the start."""

        class Hesitant(Recorder):
            def registerProducer(self, producer: IProducer, streaming: bool) -> None:
                super().registerProducer(producer, streaming)
                self.producer.pauseProducing()

        body = self.make(owes_continue=True)
        body.deliver_to(Hesitant())
        self.assertEqual(self.port.continues, 0)
        body.resumeProducing()
        self.assertEqual(self.port.continues, 1)

    def test_not_after_the_answer(self) -> None:
        """It is not sent into an answer."""
        body = self.make(owes_continue=True)
        body.answer_begins()
        body.deliver_to(Recorder())
        self.assertEqual(self.port.continues, 0)


class IdleTests(BodyCase):
    """The idle timeout of 10 seconds."""

    def test_silence(self) -> None:
        """After the timeout the receiver gets ReadTimeout, and the port is told."""
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.clock.advance(9)
        self.body.data_received(b"a")
        self.clock.advance(9)
        self.assertIsNone(recorder.reason)
        self.clock.advance(1)
        assert recorder.reason is not None
        assert isinstance(recorder.reason.value, ReadTimeout)
        self.assertEqual(recorder.reason.value.idle_s, 10.0)
        self.assertEqual(self.port.silences, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_paused(self) -> None:
        """It does not run while the receiver has paused, and begins anew at resume."""
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.body.pauseProducing()
        self.clock.pump([5] * 20)
        self.body.resumeProducing()
        self.clock.advance(9)
        self.assertIsNone(recorder.reason)
        self.clock.advance(1)
        self.assertIsNotNone(recorder.reason)

    def test_lent(self) -> None:
        """It runs while a borrower waits for the client, and not while he works."""
        recorder = Recorder()
        self.body.deliver_to(recorder)
        self.body.loan_works()
        self.clock.pump([5] * 20)
        self.body.loan_waits()
        self.clock.advance(9)
        self.assertIsNone(recorder.reason)
        self.clock.advance(1)
        self.assertIsNotNone(recorder.reason)
        self.body.loan_over()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_receiver(self) -> None:
        """It does not run before there is a receiver."""
        self.body.data_received(b"a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ends(self) -> None:
        """Nothing stays pending after the end, the loss or a stop."""
        for end in (
            lambda body: body.ended(),
            lambda body: body.lost(Failure(ConnectionLost())),
            lambda body: body.stopProducing(),
            lambda body: body.answered(),
        ):
            body = self.make()
            body.deliver_to(Recorder())
            end(body)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late_reactor(self) -> None:
        """A reactor that runs its timers late reads first what has come meanwhile."""
        expired: list[bool] = []
        clock = Clock()
        timer = IdleTimer(clock, 10.0, lambda: expired.append(True))
        timer.start()
        check: Any = clock.getDelayedCalls()[0]
        late = check.func
        check.cancel()
        clock.rightNow = 11.0  # the turn before took so long; timers come before reads
        late()
        timer.touch()
        clock.advance(9)
        self.assertEqual(expired, [])
        clock.advance(1)
        self.assertEqual(expired, [True])

    def test_cheap(self) -> None:
        """A piece touches no delayed call: ten thousand cost one call per timeout."""
        made: list[float] = []

        class Counting(Clock):
            def callLater(self, delay, callable, *args, **kw):  # type: ignore[no-untyped-def]
                made.append(delay)
                return super().callLater(delay, callable, *args, **kw)

        clock = Counting()
        timer = IdleTimer(clock, 10.0, lambda: None)
        timer.start()
        for _ in range(10_000):
            clock.advance(0.01)
            timer.touch()
        timer.cancel()
        self.assertLessEqual(len(made), 12)


class CollectTests(BodyCase):
    """Small bodies as a whole."""

    def test_bytes(self) -> None:
        """The Deferred fires with the body at its end."""
        collected = self.body.collect(3)
        self.body.data_received(b"ab")
        self.body.data_received(b"c")
        self.assertNoResult(collected)
        self.body.ended()
        self.assertEqual(self.successResultOf(collected), b"abc")

    def test_declared_too_large(self) -> None:
        """A length above the limit fails at once, and no 100 is sent."""
        body = self.make(length=4, owes_continue=True)
        failure = self.failureResultOf(body.collect(3), BodyTooLarge)
        self.assertEqual(str(failure.value), "the body has more than 3 bytes")
        self.assertEqual(self.port.continues, 0)

    def test_too_large(self) -> None:
        """One byte above the limit fails, and the rest is dropped."""
        collected = self.body.collect(3)
        self.body.data_received(b"abcd")
        self.failureResultOf(collected, BodyTooLarge)
        self.body.data_received(b"e")
        self.assertEqual(self.port.dropped_bytes, 1)

    def test_lost(self) -> None:
        """A lost connection is the failure."""
        collected = self.body.collect(3)
        self.body.lost(Failure(ConnectionLost()))
        self.failureResultOf(collected, ConnectionLost)

    def test_cancelled(self) -> None:
        """Cancelling drops what comes."""
        collected = self.body.collect(3)
        collected.cancel()
        self.failureResultOf(collected, CancelledError)
        self.body.data_received(b"abcd")
        self.body.ended()
        self.assertEqual(self.port.dropped_bytes, 4)
