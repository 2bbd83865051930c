"""The life of a connection to Redis, with a network in memory and time by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.lock.redis.test_wire import Transport
from tustwisted.lock.redis.leases import Unanswered, Unreachable
from tustwisted.lock.redis.link import CONNECT_S, LAST_DELAY_S, PING_S, Link
from tustwisted.lock.redis.wire import Commands

LIMIT_S = 60.0


@implementer(IStreamClientEndpoint)
@define(eq=False)
class Network:
    """
    Connects to nobody; the test says what becomes of each attempt.

    :ivar attempts: those that wait, with the factory of their protocol.
    """

    attempts: list[tuple[Any, Deferred[Any]]] = field(factory=list)
    made: int = 0
    says_of_cancelling: Exception = field(
        factory=lambda: ConnectingCancelledError(None)  # as Twisted's endpoints do
    )

    def connect(self, factory: Any) -> Deferred[Any]:
        """Wait for the test."""
        self.made += 1
        attempt: Deferred[Any] = Deferred(self._cancel)
        self.attempts.append((factory, attempt))
        return attempt

    def _cancel(self, attempt: Deferred[Any]) -> None:
        self.attempts = [each for each in self.attempts if each[1] is not attempt]
        attempt.errback(self.says_of_cancelling)

    def accept(self) -> Commands:
        """Let the attempt succeed."""
        factory, attempt = self.attempts.pop()
        wire: Commands = factory.buildProtocol(None)
        wire.makeConnection(Transport())
        attempt.callback(wire)
        return wire

    def refuse(self, reason: Exception | None = None) -> None:
        """Let the attempt fail."""
        _, attempt = self.attempts.pop()
        attempt.errback(reason or ConnectionRefusedError())


class LinkTests(SynchronousTestCase):
    """Connecting, watching, connecting again."""

    def setUp(self) -> None:
        """Make a connection's keeper, not started yet."""
        self.clock, self.network = Clock(), Network()
        self.changes: list[bool] = []
        self.failures: list[Exception] = []
        self.greetings: list[Deferred[None]] = []
        self.is_greeting_slow = False
        self.link: Link[Commands] = Link(
            self.clock,
            self.network,
            lambda: Commands(self.clock, 1.0),
            self.greet,
            self.changes.append,
            self.failures.append,
            lambda: 1.0,
        )

    async def greet(self, wire: Commands) -> None:
        """Be content, or let the test say when."""
        if self.is_greeting_slow:
            self.greetings.append(Deferred())
            await self.greetings[-1]

    def start(self) -> Deferred[None]:
        """Begin to connect."""
        return Deferred.fromCoroutine(self.link.start(LIMIT_S))

    def started(self) -> Commands:
        """Connect."""
        starting = self.start()
        wire = self.network.accept()
        self.successResultOf(starting)
        return wire

    def lose(self, wire: Commands) -> None:
        """End a connection."""
        wire.connectionLost(Failure(ConnectionLost()))

    def next_attempt(self) -> float:
        """Wait for the next attempt to connect; return how long that took."""
        before, began = self.network.made, self.clock.seconds()
        self.until(lambda: self.network.made > before)
        return self.clock.seconds() - began

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until a condition holds."""
        end = self.clock.seconds() + LIMIT_S
        while not condition():
            self.clock.advance(0.01)
            self.assertLess(self.clock.seconds(), end)

    def stop(self) -> None:
        """Stop, and see that nothing is left."""
        stopping = Deferred.fromCoroutine(self.link.stop())
        for _ in range(3):
            if not stopping.called:
                self.clock.advance(1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.network.attempts, [])
        self.assertRaises(Unreachable, self.link.wire)

    def test_ready(self) -> None:
        """The connection can be had once it is greeted, not before."""
        self.is_greeting_slow = True
        starting = self.start()
        wire = self.network.accept()
        self.assertRaises(Unreachable, self.link.wire)
        self.greetings[0].callback(None)
        self.successResultOf(starting)
        self.assertIs(self.link.wire(), wire)

    def test_start_fails(self) -> None:
        """What does not pass by itself ends the start."""
        starting = self.start()
        self.network.refuse()
        self.failureResultOf(starting, ConnectionRefusedError)
        self.stop()

    def test_start_hangs(self) -> None:
        """A start that leads nowhere ends with its time."""
        starting = self.start()
        self.clock.advance(LIMIT_S)
        self.failureResultOf(starting, Unanswered)
        self.stop()

    def test_start_cancelled(self) -> None:
        """A start can be cancelled, and leaves nothing behind."""
        starting = self.start()
        starting.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
        starting.cancel()
        self.stop()

    def test_comes_back(self) -> None:
        """A connection that ends is replaced soon, and both are told."""
        self.lose(self.started())
        self.assertRaises(Unreachable, self.link.wire)
        self.assertEqual(self.changes, [False])
        self.assertLess(self.next_attempt(), 0.1)
        self.network.accept()
        self.link.wire()
        self.assertEqual(self.changes, [False, True])

    def test_slower_and_slower(self) -> None:
        """Attempts that fail become rarer, up to a limit; the reason is told once."""
        self.lose(self.started())
        delays = []
        for _ in range(20):
            delays.append(self.next_attempt())
            self.network.refuse()
        self.assertEqual(delays[:7], sorted(delays[:7]))
        self.assertAlmostEqual(delays[-1], LAST_DELAY_S, delta=0.02)
        self.assertEqual([*map(type, self.failures)], [ConnectionRefusedError])

    def test_lost_in_greeting(self) -> None:
        """A connection that ends while it is greeted is one more failed attempt."""
        self.lose(self.started())
        self.is_greeting_slow = True
        self.next_attempt()
        wire = self.network.accept()
        self.lose(wire)
        self.greetings[0].errback(Unanswered())
        self.next_attempt()
        self.is_greeting_slow = False
        self.network.accept()
        self.link.wire()

    def test_silent_greeting(self) -> None:
        """A peer that does not answer the greeting is given up."""
        self.lose(self.started())
        self.is_greeting_slow = True
        self.next_attempt()
        self.network.accept()
        self.assertGreaterEqual(self.next_attempt(), CONNECT_S)

    def test_black_hole(self) -> None:
        """An attempt that never ends is given up, and the next one is made."""
        self.lose(self.started())
        self.next_attempt()
        self.assertGreaterEqual(self.next_attempt(), CONNECT_S)
        self.network.accept()
        self.link.wire()

    def test_unknown_failure(self) -> None:
        """What nobody thought of is logged, and does not end the attempts."""
        self.lose(self.started())
        self.next_attempt()
        self.network.refuse(ZeroDivisionError())
        self.next_attempt()
        self.network.accept()
        self.link.wire()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_ping(self) -> None:
        """A connection that nobody uses is tried, and given up if it is dead."""
        wire = self.started()
        transport: Any = wire.transport
        self.clock.advance(PING_S)
        self.assertIn(b"PING", transport.value())
        wire.dataReceived(b"+PONG\r\n")
        self.clock.advance(PING_S)
        self.clock.advance(1.0)
        self.assertTrue(transport.aborted)
        self.assertRaises(Unreachable, self.link.wire)
        self.lose(wire)
        self.assertEqual(self.changes, [False])

    def test_stop_while_connected(self) -> None:
        """The end waits for the end of the connection, and tells nobody of a loss."""
        wire = self.started()
        stopping = Deferred.fromCoroutine(self.link.stop())
        self.assertNoResult(stopping)
        self.assertTrue(wire.transport.disconnecting)
        self.lose(wire)
        self.successResultOf(stopping)
        self.assertEqual(self.changes, [])
        self.stop()

    def test_stop_with_a_dead_peer(self) -> None:
        """A connection that does not end cleanly is cut."""
        wire = self.started()
        stopping = Deferred.fromCoroutine(self.link.stop())
        self.clock.advance(1.0)
        transport: Any = wire.transport
        self.assertTrue(transport.aborted)
        self.lose(wire)
        self.successResultOf(stopping)

    def test_stop_while_a_name_is_looked_up(self) -> None:
        """Who stops then does not try again, whatever Twisted calls the end of it."""
        self.network.says_of_cancelling = DNSLookupError()
        self.lose(self.started())
        self.next_attempt()
        stopping = Deferred.fromCoroutine(self.link.stop())
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        starting = self.start()
        self.clock.advance(LIMIT_S)
        self.failureResultOf(starting, Unanswered)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_while_away(self) -> None:
        """The end may come between two attempts, or in the middle of one."""
        self.lose(self.started())
        self.stop()
        self.lose(self.started())
        self.next_attempt()
        self.stop()
