"""What we use of txredisapi and should not, and one connection without a network."""

from __future__ import annotations

import subprocess
import sys

import txredisapi
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.lock.redis.leases import (
    Freed,
    Message,
    Refused,
    Unanswered,
    Unreachable,
    Wanted,
)
from tustwisted.lock.redis.scripts import as_bytes, read_message
from tustwisted.lock.redis.wire import Commands, Ears, Wire

PURE = [
    "tustwisted.lock.redis.url",
    "tustwisted.lock.redis.leases",
    "tustwisted.lock.redis.scripts",
    "tustwisted.lock.redis.locks",
]


class PinTests(SynchronousTestCase):
    """Names that txredisapi does not promise; a failure here means to read it anew."""

    def test_names(self) -> None:
        """All that wire.py leans on is there."""
        for name in ("connectionMade", "connectionLost", "dataReceived", "callLater"):
            self.assertTrue(hasattr(txredisapi.BaseRedisProtocol, name), name)
        protocol = txredisapi.BaseRedisProtocol(
            charset=None, convertNumbers=False, replyTimeout=1.0
        )
        self.assertEqual(protocol.replyTimeout, 1.0)
        self.assertEqual(protocol.script_hashes, set())
        self.assertTrue(callable(protocol.callLater))

    def test_subscriber(self) -> None:
        """Its subscriber is one of its protocols, and is called with three things."""
        messages = txredisapi.SubscriberProtocol.messageReceived
        self.assertEqual(messages.__code__.co_argcount, 4)
        self.assertTrue(
            issubclass(txredisapi.SubscriberProtocol, txredisapi.BaseRedisProtocol)
        )

    def test_no_reactor_before_its_time(self) -> None:
        """Neither the address nor the logic imports a reactor, or txredisapi."""
        program = (
            "import sys, importlib\n"
            f"for name in {PURE!r}: importlib.import_module(name)\n"
            "assert 'twisted.internet.reactor' not in sys.modules\n"
            "assert 'txredisapi' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


class Transport(StringTransport):
    """One that can be aborted, as a real one."""

    def abortConnection(self) -> None:
        """Lose the connection a little later."""
        self.aborted = True
        self.disconnecting = True


class WireTests(SynchronousTestCase):
    """Commands and replies, byte by byte."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.wire = Commands(self.clock, 1.0)
        self.transport = connect(self.wire)

    def ask(self, *command: object) -> Deferred[object]:
        """Send a command."""
        return Deferred.fromCoroutine(self.wire.ask(*command))

    def test_says_nothing_first(self) -> None:
        """A new connection is not used before it is asked to."""
        self.assertEqual(self.transport.value(), b"")

    def test_answers_in_order(self) -> None:
        """Several commands may be on their way; replies are bytes, as they came."""
        answers = [self.ask("GET", b"a"), self.ask("GET", b"b"), self.ask("PTTL", b"c")]
        self.wire.dataReceived(b"$3\r\n123\r\n$-1\r\n:7\r\n")
        self.clock.pump([0, 0, 0])
        self.assertEqual([*map(self.successResultOf, answers)], [b"123", None, 7])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_error(self) -> None:
        """An error is one, and the connection goes on."""
        answer = self.ask("GET", b"a")
        self.wire.dataReceived(b"-WRONGTYPE no\r\n")
        error = self.failureResultOf(answer, Refused).value
        self.assertEqual(str(error), "WRONGTYPE no")
        self.assertTrue(self.wire.is_usable)

    def test_timeout(self) -> None:
        """Without a reply in time all that waits fails, and the connection goes."""
        answers = [self.ask("GET", b"a"), self.ask("GET", b"b")]
        self.clock.advance(1.0)
        for answer in answers:
            self.failureResultOf(answer, Unanswered)
        self.assertTrue(self.transport.aborted)
        self.failureResultOf(self.ask("GET", b"c"), Unreachable)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """The reply to a cancelled command is not taken for that of the next one."""
        first, second = self.ask("GET", b"a"), self.ask("GET", b"b")
        first.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
        first.cancel()
        self.wire.dataReceived(b":1\r\n:2\r\n")
        self.assertEqual(self.successResultOf(second), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost(self) -> None:
        """What waits fails when the connection ends, and nothing is sent after."""
        answer = self.ask("GET", b"a")
        self.wire.connectionLost(Failure(ConnectionLost()))
        self.failureResultOf(answer, Unanswered)
        self.failureResultOf(self.ask("GET", b"b"), Unreachable)
        self.successResultOf(self.wire.closed.wait())

    def test_not_redis(self) -> None:
        """A peer that sends something else loses the connection, without a word."""
        self.wire.dataReceived(b"\xff\xfe\r\n")
        self.assertTrue(self.transport.aborted)

    def test_nothing_known(self) -> None:
        """INFO without a run id is no run id."""
        run_id = Deferred.fromCoroutine(self.wire.run_id())
        self.wire.dataReceived(b"$9\r\n# Server\n\r\n")
        self.assertEqual(self.successResultOf(run_id), b"")


class EarsTests(SynchronousTestCase):
    """Messages, byte by byte."""

    def test_messages(self) -> None:
        """Ours are heard, whatever they are cut into; others are not."""
        clock, heard = Clock(), list[Message]()
        wire = Ears(clock, 1.0, heard.append)
        connect(wire)
        listening = Deferred.fromCoroutine(wire.listen(b"c"))
        wire.dataReceived(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
        clock.pump([0] * 9)
        self.successResultOf(listening)
        token = b"a" * 32
        for message in (b"free x", b"hello", b"want " + token + b"y"):
            parts = (b"message", b"c", message)
            wire.dataReceived(b"*3\r\n")
            for part in parts:
                wire.dataReceived(b"$%d\r\n%b\r\n" % (len(part), part))
            clock.pump([0] * 9)
        self.assertEqual(heard, [Freed("x"), Wanted(token, "y")])

    def test_pong(self) -> None:
        """A subscribed connection can be tried too."""
        clock = Clock()
        wire = Ears(clock, 1.0, list[Message]().append)
        connect(wire)
        ping = Deferred.fromCoroutine(wire.ping())
        wire.dataReceived(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
        clock.pump([0] * 9)
        self.successResultOf(ping)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_reading(self) -> None:
        """Messages of other programs, or torn ones, are left alone."""
        for text in (b"", b"free", b"want", b"want " + b"a" * 31, b"free \xff", b"x y"):
            message = read_message(text)
            self.assertIn(message, (None, Freed("")), text)
        self.assertEqual(read_message(b"free " + as_bytes("\udcff")), Freed("\udcff"))


def connect(wire: Wire) -> Transport:
    """Connect to nobody."""
    transport = Transport()
    wire.makeConnection(transport)
    return transport
