"""The supervisor starts and stops all that it keeps, in order."""

from __future__ import annotations

import socket
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.test_systemd import Listening
from tests.workers.fakes import FakeCompanion, FakeSpawner
from tustwisted.errors import CannotListen
from tustwisted.starting import StartFailed
from tustwisted.stopping import StopTimes
from tustwisted.systemd import Systemd
from tustwisted.workers.inheriting import HoldingReactor
from tustwisted.workers.keeper import Keeper
from tustwisted.workers.supervisor import Supervisor


@implementer(IStreamServerEndpoint)
@define(eq=False)
class Adopting:
    """An endpoint whose socket exists already, so that no reactor has to run."""

    holding: HoldingReactor
    listening: socket.socket

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """Hold it."""
        family = self.listening.family
        return succeed(
            self.holding.adoptStreamPort(
                self.listening.fileno(), family, protocolFactory
            )
        )


@implementer(IStreamServerEndpoint)
class Taken:
    """An endpoint that cannot be had."""

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """Fail."""
        return fail(CannotListenError("127.0.0.1", 80, OSError(98, "in use")))


@define(eq=False)
class Parts:
    """A supervisor and what it was made of."""

    clock: Clock = field(factory=Clock)
    spawner: FakeSpawner = field(factory=FakeSpawner)
    told: list[tuple[str, IAddress]] = field(factory=list)
    hard_ends: list[str] = field(factory=list)
    failures: list[bool] = field(factory=list)
    holding: HoldingReactor = field(factory=lambda: HoldingReactor(object()))
    systemd: Systemd | None = None
    admin: FakeCompanion | None = None

    def make(self, *endpoints: IStreamServerEndpoint, settle: Any = None) -> Supervisor:
        """Make the supervisor of two workers."""
        return Supervisor(
            clock=self.clock,
            holding=self.holding,
            endpoints=[("http", endpoint) for endpoint in endpoints],
            keepers=[Keeper(n, self.clock, self.spawner) for n in (1, 2)],
            tell=self.tell,
            settle=settle or (lambda is_settled, limit_s: None),
            end_hard_in_time=self.end_hard,
            failed=lambda: self.failures.append(True),
            systemd=self.systemd,
            admin=self.admin,
        )

    def tell(self, scheme: str, address: IAddress) -> str:
        """Take note, and name a URL."""
        self.told.append((scheme, address))
        return f"{scheme}://here"

    def end_hard(self) -> Any:
        """Take note of the begin of a stop, and of its end."""
        self.hard_ends.append("armed")
        return lambda: self.hard_ends.append("disarmed")


class SupervisorTests(SynchronousTestCase):
    """A supervisor of two workers that are none."""

    def setUp(self) -> None:
        """Make the parts, and a socket that listens."""
        self.parts = Parts()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listening.close)
        self.addCleanup(self.parts.holding.close)
        self.endpoint = Adopting(self.parts.holding, self.listening)

    def start(self) -> Supervisor:
        """Start it, with workers that serve."""
        supervisor = self.parts.make(self.endpoint)
        supervisor.startService()
        for process in self.parts.spawner.processes:
            process.watcher.ready()
        return supervisor

    def test_tells_when_all_serve(self) -> None:
        """Where is served is told when the last worker serves."""
        self.parts.make(self.endpoint).startService()
        first, second = self.parts.spawner.processes
        second.watcher.ready()
        self.assertEqual(self.parts.told, [])
        first.watcher.ready()
        ((scheme, host),) = self.parts.told
        self.assertEqual(scheme, "http")
        self.assertEqual((host.host, host.port), self.listening.getsockname())  # type: ignore[attr-defined]

    def listen(self, watchdog_s: float | None) -> Listening:
        """Be the systemd of the supervisor."""
        listening = Listening()
        self.addCleanup(listening.close)
        self.parts.systemd = Systemd(self.parts.clock, listening.address, watchdog_s)
        return listening

    def count(self) -> int:
        """Count the workers that were not told to end."""
        return sum(not process.drains for process in self.parts.spawner.processes)

    def test_admin_port(self) -> None:
        """Operators can ask before the first worker starts and until the last ends."""
        admin = self.parts.admin = FakeCompanion(self.count)
        supervisor = self.start()
        self.assertEqual(self.count(), 2)
        self.successResultOf(supervisor.stopService())
        self.assertEqual(admin.calls, [("start", 0), ("stop", 0)])

    def test_admin_port_that_cannot_be_had(self) -> None:
        """It is a port as others are; and if others cannot be had it is given back."""
        admin = self.parts.admin = FakeCompanion(lambda: 0)
        self.assertRaises(StartFailed, self.parts.make(Taken()).startService)
        self.assertEqual(admin.calls, [("start", 0), ("stop", 0)])
        admin.problem = CannotListen("127.0.0.1:1081", "address in use")
        error = self.assertRaises(StartFailed, self.parts.make().startService)
        self.assertIn("127.0.0.1:1081", str(error))
        self.assertEqual(self.parts.spawner.processes, [])

    def test_systemd(self) -> None:
        """systemd is told when all serve, who is left, and when a stop begins."""
        listening = self.listen(watchdog_s=None)
        supervisor = self.parts.make(self.endpoint)
        supervisor.startService()
        first, second = self.parts.spawner.processes
        first.watcher.ready()
        self.assertEqual(listening.told(), [])
        second.watcher.ready()
        served = "STATUS=serves http://here; workers: {} of 2"
        self.assertEqual(listening.told(), [["READY=1", served.format(2)]])
        for _ in range(5):  # nobody asks for signs of life
            self.parts.clock.advance(10)
        self.assertEqual(listening.told(), [])
        first.watcher.ended("ended")
        self.parts.clock.advance(10)
        self.assertEqual(listening.told(), [[served.format(1)]])
        supervisor.stopService()  # type: ignore[unused-awaitable]
        self.assertEqual(listening.told()[0][0], "STOPPING=1")

    def test_stuck_worker(self) -> None:
        """With a watchdog, a worker without a sign of life is killed and replaced."""
        listening = self.listen(watchdog_s=10.0)
        self.start()
        alive, stuck = self.parts.spawner.processes
        for _ in range(3):
            alive.watcher.alive()
            self.parts.clock.advance(5)
        self.assertEqual([alive.is_killed, stuck.is_killed], [False, True])
        self.parts.clock.advance(0.2)
        self.assertEqual(len(self.parts.spawner.processes), 3)
        self.assertEqual(
            listening.told()[-1],
            ["WATCHDOG=1", "STATUS=serves http://here; workers: 1 of 2"],
        )

    def test_port_that_cannot_be_had(self) -> None:
        """No worker is started without all ports; those that were opened close."""
        supervisor = self.parts.make(self.endpoint, Taken())
        error = self.assertRaises(StartFailed, supervisor.startService)
        self.assertIn("tustwisted: cannot listen on 127.0.0.1:80: in use", str(error))
        self.assertEqual(self.parts.spawner.processes, [])
        self.assertEqual(self.parts.holding.ports, [])
        self.assertFalse(supervisor.running)

    def test_worker_that_cannot_serve(self) -> None:
        """Its sentence ends the start, when the others have been stopped."""

        def settle(is_settled: Any, limit_s: float) -> None:
            if not is_settled():
                first, second = self.parts.spawner.processes
                first.watcher.ready()
                second.watcher.failed("cannot store uploads")
                second.watcher.ended("ended with status 1")
            self.assertTrue(is_settled())

        supervisor = self.parts.make(self.endpoint, settle=settle)
        error = self.assertRaises(StartFailed, supervisor.startService)
        self.assertEqual(str(error), "tustwisted: cannot store uploads")
        self.assertEqual([p.drains for p in self.parts.spawner.processes], [1, 0])
        self.assertEqual(self.parts.holding.ports, [])
        self.assertEqual(self.parts.clock.getDelayedCalls(), [])

    def test_worker_that_cannot_serve_later(self) -> None:
        """When the reactor runs already, the sentence is logged and all is ended."""
        self.parts.make(self.endpoint).startService()
        first, second = self.parts.spawner.processes
        with capturedLogs() as events:
            second.watcher.failed("cannot store uploads")
            second.watcher.ended("ended with status 1")
        self.assertEqual(events[-1]["problem"], "tustwisted: cannot store uploads")
        self.assertEqual(self.parts.failures, [True])
        self.assertEqual(first.drains, 1)

    def test_stop(self) -> None:
        """All workers drain; the end is when all of them have ended."""
        supervisor = self.start()
        for process in self.parts.spawner.processes:
            process.is_obedient = False
        stopped = supervisor.stopService()
        self.assertEqual([p.drains for p in self.parts.spawner.processes], [1, 1])
        self.assertEqual(self.parts.holding.ports, [])
        self.assertEqual(self.parts.hard_ends, ["armed"])
        for process in self.parts.spawner.processes:
            self.assertNoResult(stopped)
            process.watcher.ended("ended", is_well=True)
        self.successResultOf(stopped)
        self.assertEqual(self.parts.hard_ends, ["armed", "disarmed"])
        self.assertEqual(self.parts.clock.getDelayedCalls(), [])

    def test_stop_has_an_end(self) -> None:
        """Workers that have not ended after their own hard end are killed."""
        supervisor = self.start()
        stubborn = self.parts.spawner.processes[1]
        stubborn.is_obedient = False
        stopped = supervisor.stopService()
        self.parts.clock.advance(StopTimes().kill_s - 0.1)
        self.assertFalse(stubborn.is_killed)
        self.parts.clock.advance(0.1)
        self.assertTrue(stubborn.is_killed)
        self.successResultOf(stopped)
        self.assertEqual(self.parts.hard_ends, ["armed"])  # this is no success

    def test_worker_that_ends_hard(self) -> None:
        """Nor is it one when a worker has not come to the end of its stop."""
        supervisor = self.start()
        worker = self.parts.spawner.processes[0]
        worker.is_obedient = False
        stopped = supervisor.stopService()
        worker.watcher.ended("ended with status 1")
        self.successResultOf(stopped)
        self.assertEqual(self.parts.hard_ends, ["armed"])

    def test_reload_while_it_starts(self) -> None:
        """A reload waits until all workers serve: systemd takes its end for that."""
        reloads: list[bool] = []
        supervisor = self.parts.make(self.endpoint)
        supervisor._reload = lambda: reloads.append(True)
        supervisor.startService()
        supervisor.reload()
        first, second = self.parts.spawner.processes
        first.watcher.ready()
        self.assertEqual(reloads, [])
        second.watcher.ready()
        self.assertEqual(reloads, [True])

    def test_stop_while_it_starts(self) -> None:
        """Workers that do not serve yet are ended as well."""
        supervisor = self.parts.make(self.endpoint)
        supervisor.startService()
        self.successResultOf(supervisor.stopService())
        self.assertEqual(self.parts.told, [])
        self.assertEqual(self.parts.failures, [])
        self.assertEqual(self.parts.clock.getDelayedCalls(), [])

    def test_restarts_are_none_of_its_concern(self) -> None:
        """A worker that ends while others serve is started again."""
        self.start()
        self.parts.spawner.processes[0].watcher.ended("was ended by SIGKILL")
        self.parts.clock.advance(0.2)
        self.assertEqual(len(self.parts.spawner.processes), 3)
        self.assertEqual(self.parts.failures, [])
