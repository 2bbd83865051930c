"""The services, on the real reactor with real files and sockets."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence

from attrs import define, field
from treq.client import HTTPClient
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError, ConnectionRefusedError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from twisted.web.client import Agent, HTTPConnectionPool
from zope.interface import implementer

from tests.test_systemd import Listening
from tustwisted.adminport import AdminPort, AdminResource
from tustwisted.daemon import DaemonService, is_beyond_loopback
from tustwisted.disk import Disk
from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.lock.memory import MemoryLocker
from tustwisted.metrics.counting import Counting
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.filenames import FileNameTemplate, Placing
from tustwisted.protocol.metadata import Metadata
from tustwisted.service import UploadsService
from tustwisted.starting import StartFailed
from tustwisted.store.file import FileStore
from tustwisted.store.memory import MemoryStore
from tustwisted.systemd import Systemd
from tustwisted.testing import ImmediateDisk
from tustwisted.vitals import Vitals
from tustwisted.web.drain import DrainingSite
from tustwisted.web.resource import TusResource, below
from tustwisted.web.wants import under


class Leasing(MemoryLocker):
    """Says that its locks are leases."""

    is_leasing = True


def in_memory(test: SynchronousTestCase) -> str:
    """Make a directory on a tmpfs."""
    if not os.path.isdir("/dev/shm"):
        raise SkipTest("there is no /dev/shm, as on every Linux")
    directory = tempfile.mkdtemp(dir="/dev/shm")
    test.addCleanup(shutil.rmtree, directory)
    return directory


def doubted(events: Sequence[LogEvent]) -> list[str]:
    """Find what was said of where uploads are kept; not of how full it is here."""
    doubts = [str(event.get("doubt", "")) for event in events]
    return [doubt for doubt in doubts if " lies " in doubt]


class UploadsServiceTests(TestCase):
    """Uploads that an application starts and stops."""

    timeout = 30

    def make(self, directory: str) -> UploadsService:
        """Make a service that is stopped at the end."""
        service = UploadsService.in_directory(reactor, directory)
        self.addCleanup(lambda: service.stopService() if service.running else None)
        return service

    def test_placing(self) -> None:
        """Where finished files go is told with how they are named; files it takes."""
        placing = Placing(FileNameTemplate("{id}"))
        directory = self.mktemp()
        for wrong in ({"placing": placing}, {"finished_directory": "done"}):
            with self.assertRaises(ValueError):
                UploadsService.in_directory(reactor, directory, **wrong)
        disk = Disk(reactor)  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            UploadsService.with_store(
                reactor, MemoryStore(), disk, None, placing=placing
            )

    async def test_started_uploads_work(self) -> None:
        """Between start and stop uploads are created in the directory."""
        directory = self.mktemp()
        service = self.make(directory)
        service.startService()
        upload = await service.uploads.create(3, Metadata())
        self.assertIn(upload.upload_id, os.listdir(directory))

    async def test_doubtful_place(self) -> None:
        """That a directory lies in memory is said once; uploads work all the same."""
        directory = in_memory(self)
        service = self.make(directory)
        with capturedLogs() as events:
            service.startService()
        self.assertEqual(len(doubted(events)), 1)
        self.assertIn(f"{directory} lies in memory (tmpfs)", doubted(events)[0])
        await service.uploads.create(3, Metadata())

    async def test_can_be_started_again(self) -> None:
        """A service that was stopped starts anew."""
        service = self.make(self.mktemp())
        for _ in range(2):
            service.startService()
            await service.uploads.create(3, Metadata())
            await service.stopService()

    def test_second_service_on_a_directory_is_refused(self) -> None:
        """Two services never share a directory (T-240)."""
        directory = self.mktemp()
        self.make(directory).startService()
        second = UploadsService.in_directory(reactor, directory)
        error = self.assertRaises(StartFailed, second.startService)
        self.assertIn(directory, str(error))

    async def test_store_of_ones_own(self) -> None:
        """A service has any store, and its directory is held all the same (T-240)."""
        directory = self.mktemp()
        services = []
        for _ in range(2):
            disk = Disk(reactor)  # type: ignore[arg-type] # as all reactors
            services.append(
                UploadsService.with_store(reactor, MemoryStore(), disk, directory)
            )
        service, second = services
        self.addCleanup(service.stopService)
        service.startService()
        upload = await service.uploads.create(3, Metadata())
        self.assertEqual((await service.uploads.status(upload.upload_id)).length, 3)
        self.assertEqual(os.listdir(directory), [".tustwisted.lock"])
        self.assertIn(
            directory, str(self.assertRaises(StartFailed, second.startService))
        )

    async def test_store_that_cannot_fence(self) -> None:
        """Beside locks that are leases such a store is warned of, and no other."""
        for store, locker, expected in (
            (MemoryStore(), Leasing(reactor), 1),
            (MemoryStore(), MemoryLocker(reactor), 0),
            (FileStore(self.mktemp(), ImmediateDisk()), Leasing(reactor), 0),
        ):
            disk = Disk(reactor)  # type: ignore[arg-type] # as all reactors
            service = UploadsService.with_store(
                reactor, store, disk, None, locker=locker
            )
            with capturedLogs() as events:
                await service.start()
            await service.stop()
            warnings = [e for e in events if "frozen" in e["log_format"]]
            self.assertEqual(len(warnings), expected)

    async def test_store_that_has_no_directory(self) -> None:
        """Without a directory nothing is held."""
        disk = Disk(reactor)  # type: ignore[arg-type] # as all reactors
        service = UploadsService.with_store(reactor, MemoryStore(), disk, None)
        service.startService()
        await service.uploads.create(3, Metadata())
        await service.stopService()

    def test_directory_that_cannot_be_made_is_named(self) -> None:
        """A store that cannot work ends the start with a sentence."""
        path = self.mktemp()
        with open(path, "w"):
            pass
        service = UploadsService.in_directory(reactor, os.path.join(path, "uploads"))
        error = self.assertRaises(StartFailed, service.startService)
        self.assertIn("is not a directory", str(error))

    async def test_start_while_it_stops_is_refused(self) -> None:
        """A service that is not done with stopping is not started half."""
        finishing: Deferred[None] = Deferred()

        async def finish(event: Event) -> None:
            await finishing

        service = UploadsService.in_directory(
            reactor,
            self.mktemp(),
            hooks=[FunctionHook("finish", {EventType.PRE_FINISH: finish})],
        )
        service.startService()
        creating = service.uploads.create(0, Metadata())
        stopping = service.stopService()
        self.assertRaises(StartFailed, service.startService)
        self.assertFalse(service.running)
        finishing.callback(None)
        await creating
        await stopping
        service.startService()
        await service.stopService()


@implementer(IStreamServerEndpoint)
@define(eq=False)
class SlowEndpoint:
    """An endpoint that listens when it is told to."""

    listening: Deferred[IListeningPort] = field(factory=Deferred)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Wait."""
        return self.listening


class AddressTests(SynchronousTestCase):
    """Which addresses the daemon warns of."""

    def test_beyond_loopback(self) -> None:
        """Addresses of this machine alone, and UNIX sockets, need no warning."""
        for address, is_beyond in (
            (IPv4Address("TCP", "127.0.0.1", 1), False),
            (IPv4Address("TCP", "0.0.0.0", 1), True),
            (IPv4Address("TCP", "192.0.2.1", 1), True),
            (IPv6Address("TCP", "::1", 1), False),
            (IPv6Address("TCP", "::", 1), True),
            (UNIXAddress("tus.sock"), False),
        ):
            self.assertIs(is_beyond_loopback(address), is_beyond, address)


class DaemonServiceTests(TestCase):
    """The daemon's start and stop."""

    timeout = 30

    def make(
        self,
        *ports: int,
        directory: str | None = None,
        systemd: Systemd | None = None,
        warns_of_place: bool = True,
        has_admin_port: bool = False,
        hooks: Sequence[IHook] = (),
    ) -> DaemonService:
        """Make a daemon on these ports."""
        directory = directory or self.mktemp()
        uploads = UploadsService.in_directory(reactor, directory, hooks=hooks)
        admin = None
        if has_admin_port:
            vitals = Vitals(uploads.uploads, Counting())
            endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
            admin = AdminPort("http", endpoint, AdminResource(vitals), reactor)
        site = DrainingSite(
            below("/files/", TusResource(uploads.uploads)),
            wants=under("/files/"),
            reactor=reactor,
        )
        return DaemonService(
            clock=reactor,
            uploads=uploads,
            site=site,
            endpoints=[
                ("http", TCP4ServerEndpoint(reactor, port, interface="127.0.0.1"))
                for port in ports
            ],
            base_path="/files/",
            directory="uploads",
            end_hard_in_time=lambda: lambda: None,
            failed=lambda: None,
            systemd=systemd,
            warns_of_place=warns_of_place,
            admin=admin,
        )

    def start(self, service: DaemonService) -> list[str]:
        """Start a daemon, giving the URLs that its log names."""
        with capturedLogs() as events:
            service.startService()
        return [event["url"] for event in events if "url" in event]

    async def test_doubtful_place(self) -> None:
        """That a directory lies in memory is said, by one of several processes."""
        for warns, count in ((True, 1), (False, 0)):
            service = self.make(0, directory=in_memory(self), warns_of_place=warns)
            with capturedLogs() as events:
                service.startService()
            await service.stopService()
            self.assertEqual(len(doubted(events)), count)

    async def test_serves_where_it_says(self) -> None:
        """Each port is listened on and named in the log."""
        service = self.make(0, 0)
        urls = self.start(service)
        pool = HTTPConnectionPool(reactor, persistent=True)
        client = HTTPClient(Agent(reactor, pool=pool))
        self.assertEqual(len(set(urls)), 2)
        for url in urls:
            response = await client.request("OPTIONS", url)
            self.assertEqual(response.code, 204)
        # The pool keeps idle connections: stopping closes them.
        await service.stopService()
        await pool.closeCachedConnections()

    async def test_admin_port(self) -> None:
        """Operators are told when it serves, and when it has begun to stop."""
        until: Deferred[None] = Deferred()
        slow = FunctionHook("slow", {EventType.PRE_FINISH: lambda _: until})
        service = self.make(0, has_admin_port=True, hooks=[slow])
        admin, _ = self.start(service)
        pool = HTTPConnectionPool(reactor, persistent=False)
        client = HTTPClient(Agent(reactor, pool=pool))
        self.assertEqual((await client.request("GET", f"{admin}readyz")).code, 200)
        uploads = service._uploads.uploads
        uploads.create(0, Metadata())  # type: ignore[unused-awaitable] # until then
        stopped = service.stopService()
        for page, status in (("readyz", 503), ("healthz", 200)):
            response = await client.request("GET", f"{admin}{page}")
            self.assertEqual(response.code, status)
        until.callback(None)
        await stopped
        await self.assertFailure(
            client.request("GET", f"{admin}healthz"), ConnectionRefusedError
        )

    async def test_admin_port_of_a_failed_start(self) -> None:
        """It is given back when another port cannot be had."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service = self.make(taken.getsockname()[1], has_admin_port=True)
            with capturedLogs() as events:
                self.assertRaises(StartFailed, service.startService)
        (url,) = (event["url"] for event in events if "url" in event)
        port = int(url.rpartition(":")[2].rstrip("/"))
        await service.stopService()
        await deferLater(reactor, 0)  # it takes a turn of the reactor
        socket.create_server(("127.0.0.1", port)).close()

    async def test_systemd(self) -> None:
        """systemd is told where it serves when it does, and of a stop as it begins."""
        listening = Listening()
        self.addCleanup(listening.close)
        service = self.make(0, 0, systemd=Systemd(reactor, listening.address))
        urls = self.start(service)
        self.assertEqual(
            listening.told(),
            [["READY=1", f"STATUS=serves {urls[0]} and {urls[1]}; connections: 0"]],
        )
        stopped = service.stopService()
        self.assertEqual(listening.told()[0][0], "STOPPING=1")
        await stopped

    async def test_start_that_fails_is_no_readiness(self) -> None:
        """systemd is not told that a daemon serves that could not listen."""
        listening = Listening()
        self.addCleanup(listening.close)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            service = self.make(port, systemd=Systemd(reactor, listening.address))
            self.assertRaises(StartFailed, service.startService)
        self.assertEqual(listening.told(), [])
        await service.stopService()

    async def test_idle_connection_is_closed_at_once(self) -> None:
        """A connection without a request does not delay the stop (D12)."""
        service = self.make(0)
        (url,) = self.start(service)
        port = int(url.split(":")[2].partition("/")[0])
        client = socket.create_connection(("127.0.0.1", port), 5)
        self.addCleanup(client.close)
        client.setblocking(False)
        # A request of another connection shows that this one was accepted before.
        pool = HTTPConnectionPool(reactor, persistent=False)
        await HTTPClient(Agent(reactor, pool=pool)).request("OPTIONS", url)
        await service.stopService()
        self.assertEqual(client.recv(1), b"")  # an abort would be a reset

    def test_port_in_use_is_named(self) -> None:
        """A port that is taken ends the start with a sentence."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        error = self.assertRaises(StartFailed, self.make(port).startService)
        self.assertIn(f"127.0.0.1:{port}", str(error))
        self.assertIn("in use", str(error))

    def test_failed_start_leaves_nothing_open(self) -> None:
        """When the second port cannot be had, the first one is closed again."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        service = self.make(0, taken.getsockname()[1])
        self.assertRaises(StartFailed, service.startService)
        self.assertFalse(service.running)
        self.assertEqual(service._ports, [])

    async def test_late_failure_is_told(self) -> None:
        """An endpoint that fails later ends the daemon with its sentence."""
        service = self.make()
        endpoint = SlowEndpoint()
        service._endpoints = [("http", endpoint)]
        failed: list[bool] = []
        service._failed = lambda: failed.append(True)
        service.startService()
        with capturedLogs() as events:
            endpoint.listening.errback(CannotListenError("h", 1, "taken"))
        self.assertEqual(failed, [True])
        self.assertIn("cannot listen on h:1", events[-1]["problem"])
        self.assertIn("cannot listen on h:1", service.problem or "")
        await service.stopService()

    async def test_failure_in_a_stop(self) -> None:
        """What fails because it is stopped asks for no further end."""
        service = self.make()
        listening: Deferred[IListeningPort] = Deferred(
            lambda it: it.errback(CannotListenError("h", 1, "cut off"))
        )
        endpoint = SlowEndpoint()
        endpoint.listening = listening
        service._endpoints = [("http", endpoint)]
        failed: list[bool] = []
        service._failed = lambda: failed.append(True)
        service.startService()
        await service.stopService()
        self.assertEqual(failed, [])

    async def test_reload_while_it_starts(self) -> None:
        """A reload waits until it serves, and does not come when it never does."""
        for serves in (True, False):
            service, endpoint, reloads = self.make(), SlowEndpoint(), [0]
            service._endpoints = [("http", endpoint)]

            def reload(reloads: list[int] = reloads) -> None:
                reloads[0] += 1

            service._reload = reload
            service.reload()
            service.startService()
            service.reload()
            self.assertEqual(reloads, [0])
            if serves:
                port = reactor.listenTCP(0, ServerFactory(), interface="127.0.0.1")
                endpoint.listening.callback(port)
                self.assertEqual(reloads, [1])
                service.reload()
            await service.stopService()
            service.reload()
            self.assertEqual(reloads, [2 if serves else 0])

    async def test_port_of_root(self) -> None:
        """Who may not open a low port is told how it is opened."""
        for port, is_told in ((443, True), (1023, True), (1024, False)):
            service = self.make()
            endpoint = SlowEndpoint()
            service._endpoints = [("http", endpoint)]
            service.startService()
            denied = PermissionError(errno.EACCES, "Permission denied")
            with capturedLogs() as events:
                endpoint.listening.errback(CannotListenError("", port, denied))
            problem = events[-1]["problem"]
            self.assertIn(f"cannot listen on any:{port}: Permission denied", problem)
            self.assertIs("--port systemd:" in problem, is_told, problem)
            await service.stopService()

    async def test_whoever_wants_to_know_that_it_serves(self) -> None:
        """A worker of several tells its supervisor, and the log nothing."""
        served: list[bool] = []
        service = self.make(0)
        service._serves = lambda: served.append(bool(service._ports))
        self.assertEqual(self.start(service), [])
        self.assertEqual(served, [True])
        await service.stopService()

    async def test_stop_while_it_starts(self) -> None:
        """A stop that comes before the ports are open leaves none open."""
        service = self.make()
        endpoint = SlowEndpoint()
        service._endpoints = [("http", endpoint)]
        service.startService()
        await service.stopService()
        self.assertTrue(endpoint.listening.called)  # it was cancelled
        self.assertEqual(service._ports, [])

    async def test_unix_socket_is_named(self) -> None:
        """A UNIX socket has no URL; the log names the socket."""
        service = self.make()
        path = f"{self.mktemp()}.sock"[-90:]
        service._endpoints = [("http", serverFromString(reactor, f"unix:{path}"))]
        (url,) = self.start(service)
        self.assertIn(path, url)
        await service.stopService()
