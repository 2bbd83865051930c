"""One worker is kept alive."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.workers.fakes import FakeProcess, FakeSpawner
from tustwisted.workers.backoff import Backoff
from tustwisted.workers.interfaces import ISpawns, IWatches, IWorkerProcess
from tustwisted.workers.keeper import Keeper, WorkerFailed
from tustwisted.workers.role import WorkerRole
from tustwisted.workers.spawning import Spawner, WorkerProcess


class FakeTransport:
    """Of a process that is none."""

    pid = 7


class KeeperTests(SynchronousTestCase):
    """Starts, ends, and starts again."""

    def setUp(self) -> None:
        """Make a keeper."""
        self.clock = Clock()
        self.spawner = FakeSpawner()
        self.keeper = Keeper(3, self.clock, self.spawner, Backoff(lambda: 0.5))

    @property
    def last(self) -> FakeProcess:
        """The process that was started last."""
        return self.spawner.processes[-1]

    def serve(self) -> FakeProcess:
        """Start a worker that serves."""
        self.keeper.start()
        self.last.watcher.ready()
        self.successResultOf(self.keeper.first)
        return self.last

    def test_interfaces(self) -> None:
        """The fakes and what they stand for have the same interfaces."""
        spawner = Spawner(None, [], "/", 1, list, 12.0)
        process = WorkerProcess(None, 1, self.keeper, lambda: None)
        process.transport = FakeTransport()  # type: ignore[assignment]
        for fake, real, interface in (
            (self.spawner, spawner, ISpawns),
            (FakeProcess(WorkerRole(1), self.keeper, 7), process, IWorkerProcess),
        ):
            self.assertTrue(verifyObject(interface, fake))
            self.assertTrue(verifyObject(interface, real))
        self.assertTrue(verifyObject(IWatches, self.keeper))

    def test_first_start(self) -> None:
        """Ready is when the worker says so, and it knows that it is the first."""
        self.keeper.start()
        self.assertNoResult(self.keeper.first)
        self.assertEqual(self.last.role, WorkerRole(3, is_restart=False))
        self.last.watcher.ready()
        self.successResultOf(self.keeper.first)

    def test_starts_again(self) -> None:
        """Another worker takes the place of one that ended, after a while."""
        self.serve().watcher.ended("was ended by SIGKILL")
        self.clock.advance(0.09)
        self.assertEqual(len(self.spawner.processes), 1)
        self.clock.advance(0.02)
        self.assertEqual(len(self.spawner.processes), 2)
        self.assertEqual(self.last.role, WorkerRole(3, is_restart=True))

    def test_waits_longer_each_time(self) -> None:
        """A worker that ends at once again and again is started less often."""
        self.serve()
        waited = []
        for _ in range(5):
            self.last.watcher.ended("ended with status 1")
            (call,) = self.clock.getDelayedCalls()
            waited.append(round(call.getTime() - self.clock.seconds(), 3))
            self.clock.advance(waited[-1])
        self.assertEqual(waited, [0.1, 0.2, 0.4, 0.8, 1.6])
        self.clock.advance(10)
        self.last.watcher.ended("ended")
        (call,) = self.clock.getDelayedCalls()
        self.assertAlmostEqual(call.getTime() - self.clock.seconds(), 0.1)

    def test_log_says_how_it_went(self) -> None:
        """What ended, how, after how long, and when the next one starts."""
        process = self.serve()
        self.clock.advance(3.21)
        with capturedLogs() as events:
            process.watcher.failed("no room")
            process.watcher.ended("ended with status 1")
        (event,) = events
        self.assertEqual(
            event["log_format"].format(**event),
            "worker 3 ended with status 1 (no room) after 3.2 s: another one starts in "
            "0.1 s",
        )

    def test_failed_first_start_has_the_workers_sentence(self) -> None:
        """A worker that cannot serve is not started again: all has failed."""
        self.keeper.start()
        self.last.watcher.failed("cannot store uploads")
        self.assertNoResult(self.keeper.first)  # it may have more to say
        self.last.watcher.ended("ended with status 1")
        failure = self.failureResultOf(self.keeper.first, WorkerFailed)
        self.assertEqual(str(failure.value), "cannot store uploads")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_died_at_its_first_start(self) -> None:
        """One that said nothing is named."""
        self.keeper.start()
        self.last.watcher.ended("was ended by SIGSEGV")
        failure = self.failureResultOf(self.keeper.first, WorkerFailed)
        self.assertIn("worker 3 was ended by SIGSEGV", str(failure.value))

    def test_reload(self) -> None:
        """The process that there is reads its configuration again."""
        self.keeper.reload()
        process = self.serve()
        self.keeper.reload()
        self.assertEqual(process.reloads, 1)
        process.watcher.ended("ended")
        self.keeper.reload()
        self.clock.advance(0.1)
        self.assertEqual(self.last.reloads, 0)

    def test_later_start_may_fail(self) -> None:
        """A worker that cannot serve when others do is tried again."""
        self.serve().watcher.ended("ended")
        self.clock.advance(0.1)
        self.last.watcher.failed("the disk is away")
        self.last.watcher.ended("ended with status 1")
        self.clock.advance(0.2)
        self.assertEqual(len(self.spawner.processes), 3)

    def test_process_that_cannot_be_made(self) -> None:
        """A machine that has no room for a process may have it later."""
        self.serve()
        self.spawner.problem = OSError(11, "Resource temporarily unavailable")
        self.last.watcher.ended("ended")
        self.clock.advance(0.1)
        self.spawner.problem = None
        self.clock.advance(0.2)
        self.assertEqual(len(self.spawner.processes), 2)

    def test_python_that_may_not_be_run(self) -> None:
        """Who has given up the right to run Python is told so."""
        self.spawner.problem = PermissionError(13, "Permission denied", "/root/python")
        self.keeper.start()
        failure = self.failureResultOf(self.keeper.first, WorkerFailed)
        self.assertIn("--uid, may not run /root/python", str(failure.value))

    def test_stop(self) -> None:
        """A worker that is stopped drains, and none takes its place."""
        process = self.serve()
        process.is_obedient = False
        stopped = self.keeper.stop()
        self.assertEqual(process.drains, 1)
        self.assertNoResult(stopped)
        process.watcher.ended("ended")
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_while_it_waits(self) -> None:
        """A worker that would have been started again is not."""
        self.serve().watcher.ended("ended")
        self.successResultOf(self.keeper.stop())
        self.clock.advance(100)
        self.assertEqual(len(self.spawner.processes), 1)

    def test_stop_twice(self) -> None:
        """Both who stop it hear of its end."""
        process = self.serve()
        process.is_obedient = False
        stops = [self.keeper.stop(), self.keeper.stop()]
        process.watcher.ended("ended")
        for stopped in stops:
            self.successResultOf(stopped)

    def test_kill(self) -> None:
        """One that does not end is ended."""
        process = self.serve()
        process.is_obedient = False
        stopped = self.keeper.stop()
        self.keeper.kill()
        self.assertTrue(process.is_killed)
        self.successResultOf(stopped)
        self.keeper.kill()  # harmless

    def test_stuck(self) -> None:
        """A worker without a sign of life for two looks is killed at the third."""
        process = self.serve()
        for _ in range(2):
            self.keeper.look()
        self.assertFalse(process.is_killed)
        with capturedLogs() as events:
            self.keeper.look()
        self.assertTrue(process.is_killed)
        self.assertFalse(self.keeper.serves)
        self.assertEqual(
            events[0]["log_format"].format(**events[0]),
            "worker 3 gives no sign of life and is killed",
        )
        self.clock.advance(0.2)
        self.assertEqual(len(self.spawner.processes), 2)

    def test_alive(self) -> None:
        """One that gives signs of life, however late, is left alone."""
        process = self.serve()
        for _ in range(10):
            self.keeper.look()
            self.keeper.look()
            process.watcher.alive()
        self.assertFalse(process.is_killed)
        self.assertTrue(self.keeper.serves)

    def test_looks_at_those_that_serve(self) -> None:
        """One that starts, or stops, has ends of its own, and may take its time."""
        self.keeper.start()
        self.look_often()
        self.last.watcher.ready()
        self.last.watcher.ended("ended")
        self.look_often()
        self.clock.advance(0.2)
        self.look_often()
        self.last.watcher.ready()
        self.last.is_obedient = False
        stopped = self.keeper.stop()
        self.look_often()
        self.assertFalse(any(p.is_killed for p in self.spawner.processes))
        self.last.watcher.ended("ended")
        self.successResultOf(stopped)

    def look_often(self) -> None:
        """Look more often than a worker that serves would survive."""
        for _ in range(5):
            self.keeper.look()

    def test_never_started(self) -> None:
        """A worker that was never started is stopped."""
        self.successResultOf(self.keeper.stop())
