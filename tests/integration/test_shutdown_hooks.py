"""SIGTERM and hooks: what is due is told, or kept, and the end comes in time."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own
import signal
import socket
import subprocess
import sys
import threading
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from tests.hooks.receiver import LIMIT_S, Call, hang, reply
from tests.integration.daemon import (
    GRACE_S,
    Daemon,
    free_port,
    place_of,
    script,
    until,
)
from tests.integration.hooked import HookedCase

ONLY_FINISH = ("--hooks-enabled-events", "post-finish")


class DueTests(HookedCase):
    """Events that wait for their delivery when SIGTERM comes."""

    def setUp(self) -> None:
        """Have a receiver that answers when the gate is opened."""
        super().setUp()
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)

    def behind_gate(self, connection: socket.socket, call: Call) -> bool:
        """Wait, then take note."""
        self.gate.wait(LIMIT_S)
        return reply({})(connection, call)

    def finish(self, daemon: Daemon, count: int) -> None:
        """Upload so many times nothing at all."""
        client = daemon.client()
        for _ in range(count):
            client.create("/files/", 0)

    def told(self) -> list[str]:
        """Tell of which uploads the receiver has heard, sorted."""
        calls = self.calls_of("post-finish")
        return sorted(call.event["Event"]["UploadID"] for call in calls)

    def assert_told_before_the_end(self, daemon: Daemon, count: int) -> None:
        """When the daemon stops, all that is due is told before it has ended."""
        self.receiver.answer = lambda _: self.behind_gate
        self.finish(daemon, count)
        until(lambda: len(self.told()) > 0, "the first ones are being told")
        self.assertLess(len(self.told()), count)
        daemon.terminate()
        until(lambda: not self._listens(daemon), "the stop has begun")
        daemon.terminate()
        daemon.process.send_signal(signal.SIGINT)
        self.gate.set()
        stopped = daemon.ended()
        self.assertEqual(stopped.code, 0, daemon.log)
        self.assertLess(stopped.took_s, GRACE_S)
        stored = sorted(name.removesuffix(".info") for name in self.stored(daemon))
        self.assertEqual(len(stored), count)
        self.assertEqual(self.told(), stored)
        self.assertNotIn("Traceback", daemon.log)

    def _listens(self, daemon: Daemon) -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", daemon.port)).close()
            return True
        return False

    def test_all_are_told(self) -> None:
        """200 finished uploads are told of before exit 0; a hanging hook is not."""
        daemon = self.serve(*ONLY_FINISH)
        self.assert_told_before_the_end(daemon, 200)
        daemon.command = (*daemon.command, "--shutdown-timeout", "3s")
        daemon.start()
        self.receiver.calls.clear()
        self.receiver.answer = lambda _: hang
        self.finish(daemon, 2)
        self.wait_for("post-finish", 2)
        stopped = daemon.stop()
        self.assertEqual(stopped.code, 0, daemon.log)
        self.assertGreater(stopped.took_s, 1.7)
        self.assertIn("the stop came before events of 2 uploads", daemon.log)
        before = self.told()
        self.receiver.answer = lambda _: reply({})
        self.receiver.calls.clear()
        daemon.start()
        self.wait_for("post-finish", 2)
        self.assertEqual(self.told(), before)
        self.assertNotIn("Traceback", daemon.log)

    def test_workers(self) -> None:
        """With several processes it is the same, whoever has caused the events."""
        daemon = self.serve(*ONLY_FINISH, "--workers", "2")
        self.assert_told_before_the_end(daemon, 40)


STUBBORN = dedent(
    """
    from twisted.internet.defer import CancelledError, Deferred
    from tustwisted.hooks.functions import FunctionHook
    from tustwisted.protocol.events import EventType

    async def never(event):
        open("asked", "w").close()
        while True:
            try:
                await Deferred()
            except CancelledError:
                pass

    def make_hook(reactor):
        return FunctionHook("stubborn", {EventType.PRE_FINISH: never})
    """
)
"""A module with a hook that heeds no cancellation."""


class NoEndTests(SynchronousTestCase):
    """Something does not come to its end."""

    def gives_up(self, hook: str) -> Daemon:
        """Stop a daemon whose hook was asked: that ends in time, and is no success."""
        place, port = place_of(self), free_port()
        place.joinpath("hook_of_ours.py").write_text(hook)
        words = (script("twistd"), "-n", "--pidfile=", "tus", "--port", str(port))
        more = ("--hooks-python", "hook_of_ours:make_hook", "--shutdown-timeout", "1s")
        daemon = Daemon(self, (*words, *more), port, place, place / "uploads")
        daemon.variables = {"PYTHONPATH": str(place)}
        daemon.start()
        daemon.client().begin("POST", "/files/", "Upload-Length: 0")
        until(place.joinpath("asked").exists, "the hook is asked")
        stopped = daemon.stop()
        self.assertEqual(stopped.code, 1, daemon.log)
        self.assertLess(stopped.took_s, GRACE_S / 2)
        return daemon

    def test_hook_that_heeds_nothing(self) -> None:
        """The end comes in time, says what is busy, and is no success (T-241)."""
        daemon = self.gives_up(STUBBORN)
        self.assertIn("uploads are still busy after 0.9 s", daemon.log)

    def test_hard_end(self) -> None:
        """A process that hangs is ended with status 1, and so is one that gives up."""
        for does, limit_s, code in (
            ("hangs", 0.1, 1),
            ("gives up", 100, 1),
            ("ends", 100, 0),
            ("has ended but for a thread", 0.1, 1),
            ("goes on", 0.1, 0),
        ):
            process = subprocess.run(
                (sys.executable, "-c", HARD_END, str(limit_s), does),
                timeout=LIMIT_S,
                check=False,
            )
            self.assertEqual(process.returncode, code, does)

    def test_thread_of_a_hook(self) -> None:
        """A thread of the reactor in which a hook hangs does not outlast the time."""
        self.gives_up(BLOCKING)


HARD_END = dedent(
    """
    import sys, threading, time
    from tustwisted.process import end_hard_after

    limit_s, does = float(sys.argv[1]), sys.argv[2]
    has_ended = end_hard_after(limit_s, goes_on=does == "goes on")
    if does == "hangs":
        threading.Event().wait()
    elif does != "gives up":
        has_ended()
    if does == "has ended but for a thread":
        threading.Thread(target=time.sleep, args=[60]).start()
    elif does == "goes on":
        time.sleep(3 * limit_s)
    """
)

BLOCKING = dedent(
    """
    import time
    from twisted.internet.threads import deferToThreadPool
    from tustwisted.hooks.functions import FunctionHook
    from tustwisted.protocol.events import EventType

    def make_hook(reactor):
        def blocks():
            open("asked", "w").close()
            time.sleep(60)

        async def never(event):
            await deferToThreadPool(reactor, reactor.getThreadPool(), blocks)

        return FunctionHook("blocking", {EventType.PRE_FINISH: never})
    """
)
"""A module with a hook whose thread knows of no cancellation."""
