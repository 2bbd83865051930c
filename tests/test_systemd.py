"""systemd is told how it goes: real datagrams, and a clock that is none."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.systemd import STATUS_S, Systemd


class Listening:
    """The socket of a systemd; an abstract one without a path."""

    def __init__(self, path: str | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path or "")  # the kernel chooses an abstract name
        self._socket.settimeout(0)
        self.address = path or "@" + self._socket.getsockname()[1:].decode()

    def told(self) -> list[list[str]]:
        """Take the datagrams that have come, as lines."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


class ToldTests(SynchronousTestCase):
    """What is told, and when."""

    def setUp(self) -> None:
        """Make who listens."""
        self.clock = Clock()
        self.listening = Listening()
        self.addCleanup(self.listening.close)
        self.status = "serves"

    def make(self, watchdog_s: float | None = None) -> Systemd:
        """Make who tells."""
        return Systemd(self.clock, self.listening.address, watchdog_s)

    def test_serves(self) -> None:
        """Readiness and the status come in one datagram."""
        self.make().serves(lambda: "serves \nhere")
        self.assertEqual(self.listening.told(), [["READY=1", "STATUS=serves here"]])

    def test_watchdog(self) -> None:
        """A sign of life comes twice in the time after which it would be missed."""
        self.make(20.0).serves(lambda: self.status)
        self.listening.told()
        self.clock.advance(9.9)
        self.assertEqual(self.listening.told(), [])
        self.clock.pump([0.1] + [0.1] * 100)
        self.assertEqual(self.listening.told(), [["WATCHDOG=1"]] * 2)

    def test_status(self) -> None:
        """A status is told when it has changed, with or without a watchdog."""
        self.make().serves(lambda: self.status)
        self.listening.told()
        self.clock.advance(STATUS_S)
        self.assertEqual(self.listening.told(), [])
        self.status = "serves two"
        self.clock.advance(STATUS_S)
        self.assertEqual(self.listening.told(), [["STATUS=serves two"]])
        self.make(20.0).serves(lambda: self.status)
        self.status = "serves three"
        self.listening.told()
        self.clock.advance(10)
        self.assertIn(["WATCHDOG=1", "STATUS=serves three"], self.listening.told())

    def test_each_time(self) -> None:
        """Before each sign of life something is called, which may change the status."""

        def change() -> None:
            self.status = "serves less"

        self.make(2.0).serves(lambda: self.status, change)
        self.clock.advance(1)
        self.assertEqual(
            self.listening.told(),
            [["READY=1", "STATUS=serves"], ["WATCHDOG=1", "STATUS=serves less"]],
        )

    def test_reload(self) -> None:
        """A reload is told with its time by the machine's clock, and so is its end."""
        systemd = self.make()
        systemd.reloads()
        systemd.reloaded()
        begun, ended = self.listening.told()
        self.assertEqual(begun[0], "RELOADING=1")
        self.assertRegex(begun[1], r"^MONOTONIC_USEC=[1-9]\d{6,}$")
        self.assertEqual(ended, ["READY=1"])

    def test_stop(self) -> None:
        """A stop is told once it begins, and ends the signs of life."""
        systemd = self.make(20.0)
        systemd.serves(lambda: self.status)
        self.listening.told()
        systemd.stops(10.0)
        ((*stopping, status),) = self.listening.told()
        self.assertEqual(stopping, ["STOPPING=1", "EXTEND_TIMEOUT_USEC=15000000"])
        self.assertTrue(status.startswith("STATUS=stops"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_before_it_serves(self) -> None:
        """A start may be ended before it has come to its end."""
        self.make().stops(10.0)
        self.assertEqual(self.listening.told()[0][0], "STOPPING=1")

    def test_path(self) -> None:
        """The socket may have a path, and may be made anew there."""
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "notify")
            systemd = Systemd(self.clock, path)
            for _ in range(2):
                listening = Listening(path)
                systemd.reloaded()
                self.assertEqual(listening.told(), [["READY=1"]])
                listening.close()
                Path(path).unlink()

    def test_nobody_listens(self) -> None:
        """One line of the log says why systemd cannot be told, once for each reason."""
        for address in ("/nowhere/notify", "@tustwisted.nobody", "x" * 200):
            systemd = Systemd(self.clock, address)
            with capturedLogs() as events:
                systemd.reloaded()
                systemd.stops(10.0)
            (event,) = events
            self.assertEqual(event["address"], address)
            self.assertNotIn("{", event["log_format"].format(**event))

    def test_no_systemd(self) -> None:
        """Without systemd nothing is told, and nothing is due."""
        systemd = Systemd(self.clock)
        with capturedLogs() as events:
            systemd.serves(lambda: self.status)
            systemd.reloads()
            systemd.reloaded()
            systemd.stops(10.0)
        self.assertEqual(events, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TakeTests(SynchronousTestCase):
    """What is found in the environment."""

    def take(self, **variables: str) -> Systemd:
        """Take it out of an environment, of which only what is others' stays."""
        environ = {"HOME": "/", **variables}
        systemd = Systemd.take(Clock(), environ)
        self.assertEqual(environ, {"HOME": "/"})
        return systemd

    def test_all(self) -> None:
        """The socket and the watchdog's time are taken, and nobody else sees them."""
        listening = Listening()
        self.addCleanup(listening.close)
        systemd = self.take(
            NOTIFY_SOCKET=listening.address,
            WATCHDOG_USEC="30000000",
            WATCHDOG_PID=str(os.getpid()),
        )
        self.assertEqual(systemd.watchdog_s, 30.0)
        systemd.reloaded()
        self.assertEqual(listening.told(), [["READY=1"]])

    def test_no_watchdog(self) -> None:
        """What is no time, or is meant for another process, is no watchdog."""
        for variables in (
            {},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": "-1"},
            {"WATCHDOG_USEC": "9" * 5000},
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getppid())},
        ):
            systemd = self.take(NOTIFY_SOCKET="/run/systemd/notify", **variables)
            self.assertIsNone(systemd.watchdog_s, variables)
        self.assertIsNone(self.take(WATCHDOG_USEC="30000000").watchdog_s)
        self.assertEqual(
            self.take(NOTIFY_SOCKET="/x", WATCHDOG_USEC="500000").watchdog_s, 0.5
        )
