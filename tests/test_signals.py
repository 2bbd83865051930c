"""Signals, really sent to this process, and a reactor that is none."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.signals import Signals


@define(eq=False)
class Reactor:
    """Keeps what it is to do in its next turn, and is stopped once."""

    calls: list[Callable[[], object]] = field(factory=list)
    triggers: list[tuple[str, Callable[[], object]]] = field(factory=list)
    stops: int = 0

    def addSystemEventTrigger(self, phase: str, event: str, call: Any) -> None:
        """See ``IReactorCore``."""
        assert event == "shutdown"
        self.triggers.append((phase, call))

    def callFromThread(self, call: Callable[[], object]) -> None:
        """See ``IReactorFromThreads``."""
        self.calls.append(call)

    def stop(self) -> None:
        """See ``IReactorCore``."""
        if self.stops:
            raise ReactorNotRunning
        self.stops += 1
        self.reach("before")

    def reach(self, reached: str) -> None:
        """Come to a phase of the shutdown."""
        for phase, call in self.triggers:
            if phase == reached:
                call()

    def turn(self) -> None:
        """Do what is to be done."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class SignalsTests(SynchronousTestCase):
    """A process that takes its signals."""

    def setUp(self) -> None:
        """Take them, and give them back at the end; Ctrl-C is counted."""
        self.interrupts = 0
        self.reloads = 0
        self.reactor = Reactor()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        signal.signal(signal.SIGINT, self.interrupt)
        self.signals = Signals(self.reactor, self.reload)
        self.signals.take()

    def interrupt(self, number: int, frame: object) -> None:
        """Stop by Ctrl-C, as the reactor does."""
        self.interrupts += 1
        self.reactor.callFromThread(self.reactor.stop)

    def reload(self) -> None:
        """Count."""
        self.reloads += 1

    def send(self, *numbers: signal.Signals) -> None:
        """Send signals to this process; then the reactor has its turn."""
        for number in numbers:
            signal.raise_signal(number)
        self.reactor.turn()

    def test_stops_once(self) -> None:
        """However many come, and whichever: the first one stops, and counts alone."""
        self.send(signal.SIGTERM)
        self.assertEqual(self.reactor.stops, 1)
        self.send(signal.SIGTERM, signal.SIGINT)
        self.assertEqual((self.reactor.stops, self.interrupts), (1, 0))

    def test_interrupted(self) -> None:
        """Ctrl-C is the reactor's, the first time."""
        self.send(signal.SIGINT, signal.SIGINT, signal.SIGTERM)
        self.assertEqual((self.reactor.stops, self.interrupts), (1, 1))

    def test_stops_by_itself(self) -> None:
        """When something else has stopped the reactor no signal is heeded any more."""
        self.reactor.stop()
        self.send(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self.assertEqual((self.interrupts, self.reloads), (0, 0))

    def test_stopped_meanwhile(self) -> None:
        """Nor does one harm that came just before."""
        signal.raise_signal(signal.SIGTERM)
        self.reactor.stop()
        self.reactor.turn()
        self.assertEqual(self.reactor.stops, 1)

    def test_hung_up(self) -> None:
        """Each SIGHUP reloads, in the reactor's turn; none when it stops."""
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.reloads, 0)
        self.send(signal.SIGHUP)
        self.assertEqual(self.reloads, 2)
        self.send(signal.SIGHUP, signal.SIGTERM)
        self.assertEqual(self.reloads, 2)

    def test_has_stopped(self) -> None:
        """In the end they are ignored: Python would take away what it calls."""
        self.send(signal.SIGTERM)
        for phase, is_ignored in (("before", False), ("after", True)):
            self.reactor.reach(phase)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                found = signal.getsignal(number) == signal.SIG_IGN
                self.assertIs(found, is_ignored, number)

    def test_hung_up_during_the_start(self) -> None:
        """A SIGHUP that comes before the reactor runs reloads when it does."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        Signals(self.reactor, self.reload).keep_reload()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.reloads, 0)
        self.reactor.turn()
        self.assertEqual(self.reloads, 1)

    def test_in_the_background(self) -> None:
        """Where Ctrl-C is ignored it stays so."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Signals(self.reactor, self.reload).take()
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
