"""A worker ends with its supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

from twisted.internet.error import ConnectionDone, ReactorNotRunning
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.integration.raw import LIMIT_S
from tustwisted.workers.life import Life


class Reactor(Clock):
    """Counts its stops, and is stopped once."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[object] = set()
        self.stops = 0

    def removeReader(self, reader: object) -> None:
        """Remove one."""
        self.readers.discard(reader)

    def stop(self) -> None:
        """Count."""
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning


class LifeTests(SynchronousTestCase):
    """The end of the pipe is the end of the worker."""

    def test_stops(self) -> None:
        """The reactor stops in its next turn, and a second end is harmless."""
        reactor = Reactor()
        life = Life(reactor, 0)
        self.assertTrue(verifyObject(IReadDescriptor, life))
        reactor.readers.add(life)
        before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        life.doRead()
        self.assertEqual((reactor.readers, reactor.stops), (set(), 0))
        reactor.advance(0)
        self.assertEqual(reactor.stops, 1)
        life.connectionLost(Failure(ConnectionDone()))
        reactor.advance(0)
        self.assertEqual(reactor.stops, 2)


HANGS = textwrap.dedent(
    """
    import sys
    from tustwisted.workers.life import end_hard_with_supervisor

    end_hard_with_supervisor(0, float(sys.argv[1]))
    print("hangs", flush=True)
    while sys.argv[2] == "hangs":
        pass
    """
)
"""A worker of which one thread, the reactor's, does not care for anything."""


class HardEndTests(SynchronousTestCase):
    """A worker that hangs has an end as well."""

    def hang(self, limit_s: float, how: str) -> subprocess.Popen[bytes]:
        """Start a process that hangs, or does not."""
        process = subprocess.Popen(
            (sys.executable, "-c", HANGS, str(limit_s), how),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(process.wait, LIMIT_S)
        self.addCleanup(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline(), b"hangs\n")
        return process

    def test_hangs(self) -> None:
        """It lives while its supervisor does, and ends hard a while after."""
        process = self.hang(0.1, "hangs")
        self.assertIsNone(process.poll())
        assert process.stdin is not None
        process.stdin.close()
        self.assertEqual(process.wait(LIMIT_S), 1)

    def test_ends_by_itself(self) -> None:
        """A worker that ends before is not held up, and keeps its status."""
        process = self.hang(1000, "ends")
        self.assertEqual(process.wait(LIMIT_S), 0)
