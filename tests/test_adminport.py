"""What operators ask a server, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import EADDRINUSE
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.metrics.test_exposing import read
from tests.web.harness import Peer
from tests.web.tus_harness import BASE, Response, Server, message, parse, patch
from tustwisted.adminport import AdminPort, AdminResource
from tustwisted.errors import NoSpace
from tustwisted.hooks.functions import FunctionHook
from tustwisted.hooks.interfaces import Kept
from tustwisted.hooks.outbox.memory import MemoryOutbox
from tustwisted.metrics.counting import Counting
from tustwisted.metrics.counts import Counts
from tustwisted.probes import IHasRoom
from tustwisted.protocol.events import EventType
from tustwisted.readiness import PATIENCE_S
from tustwisted.store.memory import MemoryStore
from tustwisted.vitals import IVitals, Vitals


@implementer(IHasRoom)
@define(eq=False)
class Roomy(MemoryStore):
    """A store that is asked for room."""

    answer: Callable[[], Deferred[int]] = lambda: succeed(4096)

    async def room(self) -> int:
        return await self.answer()


@define(eq=False)
class Outbox(MemoryOutbox):
    """An outbox that cannot be counted when the test says so."""

    hangs: bool = False

    async def kept(self) -> Mapping[str, Kept]:
        if self.hangs:
            await Deferred()
        return await super().kept()


@implementer(IVitals)
@define(eq=False)
class Told:
    """Vitals that the test makes up."""

    said: Deferred[list[str]] = field(factory=Deferred)

    async def problems(self) -> list[str]:
        return await self.said

    async def counts(self) -> Counts:
        raise ZeroDivisionError


@define
class Unlistenable:
    """An endpoint that cannot listen."""

    _why: Exception

    def listen(self, _: object) -> Deferred[None]:
        """Fail."""
        return fail(self._why)


class AdminCase(SynchronousTestCase):
    """Asks an admin port."""

    def connect(self, vitals: IVitals) -> Peer:
        """Connect to the port of a server."""
        clock: Any = Clock()
        endpoint: Any = None  # nothing listens
        return Peer(AdminPort("http", endpoint, AdminResource(vitals), clock).site)

    def ask(self, vitals: IVitals, path: bytes, method: bytes = b"GET") -> Response:
        """Ask once."""
        client = self.connect(vitals)
        client.send(message(method, path, tus=None))
        (response,) = parse(client.wire.value(), [method], False)
        return response


class PagesTests(AdminCase):
    """The pages."""

    def setUp(self) -> None:
        self.vitals = Told()

    def test_health(self) -> None:
        """A process that answers is alive, whatever becomes of its uploads."""
        for path in (b"/healthz", b"/healthz?verbose"):
            response = self.ask(self.vitals, path)
            self.assertEqual((response.status, response.body), (200, b"ok\n"))
            self.assertEqual(response[b"Cache-Control"], b"no-store")

    def test_ready(self) -> None:
        """Without a problem it is ready."""
        self.vitals.said.callback([])
        response = self.ask(self.vitals, b"/readyz")
        self.assertEqual((response.status, response.body), (200, b"ok\n"))

    def test_not_ready(self) -> None:
        """Each problem is a line of a 503."""
        self.vitals.said.callback(["store: full", "locks: does not answer"])
        response = self.ask(self.vitals, b"/readyz")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.body, b"store: full\nlocks: does not answer\n")

    def test_head(self) -> None:
        """HEAD is told the same without the text."""
        self.vitals.said.callback(["store: full"])
        response = self.ask(self.vitals, b"/readyz", b"HEAD")
        self.assertEqual((response.status, response.body), (503, b""))
        self.assertEqual(response[b"Content-Length"], b"12")

    def test_nothing_else(self) -> None:
        """There is nothing to be changed, and nothing beside these pages."""
        self.assertEqual(self.ask(self.vitals, b"/healthz", b"POST").status, 405)
        for path in (b"/", b"/metrics2", b"/files/"):
            self.assertEqual(self.ask(self.vitals, path).status, 404)

    def test_client_leaves(self) -> None:
        """Who leaves is not waited for, and is no failure."""
        client = self.connect(self.vitals)
        client.send(message(b"GET", b"/readyz", tus=None))
        client.lose(ConnectionLost())
        self.assertTrue(self.vitals.said.called)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_client_leaves_who_is_answered(self) -> None:
        """Nor is it one if whoever was asked answers although nobody waits."""
        self.vitals.said = Deferred(lambda said: said.callback(["does not answer"]))
        client = self.connect(self.vitals)
        client.send(message(b"GET", b"/readyz", tus=None))
        client.lose(ConnectionLost())
        self.assertTrue(self.vitals.said.called)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_failure(self) -> None:
        """A fault of ours is logged, and not told."""
        response = self.ask(self.vitals, b"/metrics")
        self.assertEqual((response.status, response.body), (500, b""))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_cannot_listen(self) -> None:
        """The sentence of a start that fails names the option of this port."""
        taken = CannotListenError("127.0.0.1", 1081, OSError(EADDRINUSE, "in use"))
        endpoint: Any = Unlistenable(taken)
        clock: Any = Clock()
        port = AdminPort("http", endpoint, AdminResource(self.vitals), clock)
        failure = self.failureResultOf(Deferred.fromCoroutine(port.start()))
        self.assertEqual(
            str(failure.value),
            "cannot listen on 127.0.0.1:1081: in use; choose another --admin-port",
        )

    def test_no_log(self) -> None:
        """What machines ask each few seconds is not logged."""
        with capturedLogs() as events:
            self.ask(self.vitals, b"/healthz")
        self.assertEqual(events, [])


class VitalsTests(AdminCase):
    """The uploads of a process, from their site to the pages."""

    def setUp(self) -> None:
        self.counting = Counting()
        self.store = Roomy()
        self.outbox = Outbox()
        self.told: Deferred[None] = Deferred()
        hook = FunctionHook("mine", {EventType.POST_FINISH: lambda _: self.told})
        self.server = Server(
            store=self.store,
            observer=self.counting,
            hooks=[hook],
            outbox=self.outbox,
        )
        self.vitals = Vitals(self.server.uploads, self.counting, lambda: 3)
        verifyObject(IVitals, self.vitals)

    def metrics(self) -> Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]:
        """Ask for the metrics."""
        response = self.ask(self.vitals, b"/metrics")
        self.assertEqual(response.status, 200)
        content_type = response[b"Content-Type"]
        self.assertEqual(content_type, b"text/plain; version=0.0.4; charset=utf-8")
        return read(response.body)

    def test_uploads(self) -> None:
        """What was done, what comes, and how things are."""
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"hello"))
        other = self.server.create(9)
        self.server.connect().begin(patch(other, 0, b"Content-Length: 9"), b"abc")
        found = self.metrics()
        for name, value in {
            "uploads_created_total": 2,
            "uploads_finished_total": 1,
            "uploads_expired_total": 0,
            "received_bytes_total": 8,
            "uploads_receiving": 1,
            "connections": 3,
            "free_bytes": 4096,
        }.items():
            self.assertEqual(found[f"tustwisted_{name}"], {(): value}, name)
        self.assertEqual(
            found["tustwisted_requests_total"],
            {
                (("method", "PATCH"), ("status", "2xx")): 1,
                (("method", "POST"), ("status", "2xx")): 2,
            },
        )
        self.assertEqual(
            found["tustwisted_outbox_events"],
            {
                (("hook", "mine"), ("state", "dead")): 0,
                (("hook", "mine"), ("state", "due")): 1,
            },
        )

    def test_not_ready(self) -> None:
        """A full store is no store for uploads; it is all the same counted on."""
        self.assertEqual(self.ask(self.vitals, b"/readyz").status, 200)
        self.server.clock.advance(1)
        self.store.answer = lambda: fail(NoSpace())
        response = self.ask(self.vitals, b"/readyz")
        self.assertEqual((response.status, response.body), (503, b"store: full\n"))
        self.assertNotIn("tustwisted_free_bytes", self.metrics())

    def test_store_that_breaks_its_contract(self) -> None:
        """What it raises keeps nobody from the other numbers."""
        self.store.answer = lambda: fail(ZeroDivisionError())
        self.assertIn("tustwisted_connections", self.metrics())

    def test_disk_that_hangs(self) -> None:
        """What it does not tell within a second is left out, and all else is told."""
        self.store.answer = Deferred
        self.outbox.hangs = True
        client = self.connect(self.vitals)
        client.send(message(b"GET", b"/metrics", tus=None))
        self.assertEqual(client.wire.value(), b"")
        self.server.clock.advance(PATIENCE_S)
        (response,) = parse(client.wire.value(), [b"GET"], False)
        self.assertIn(b"tustwisted_connections 3.0\n", response.body)
        self.assertNotIn(b"free_bytes", response.body)
        self.assertNotIn(b"outbox_events", response.body)

    def test_client_leaves(self) -> None:
        """Who does not wait for a disk that hangs leaves no word in the log."""
        self.store.answer = Deferred
        for path in (b"/readyz", b"/metrics"):
            client = self.connect(self.vitals)
            client.send(message(b"GET", path, tus=None))
            with capturedLogs() as events:
                client.lose(ConnectionLost())
            self.assertEqual(events, [])

    def test_stopped(self) -> None:
        """Uploads that have stopped are asked nothing."""
        self.server.ask(message(b"HEAD", BASE + b"0" * 32))
        stopping = Deferred.fromCoroutine(self.server.uploads.stop())
        self.successResultOf(stopping)
        response = self.ask(self.vitals, b"/readyz")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.body, b"uploads: not started yet, or stopping\n")
        found = self.metrics()
        self.assertNotIn("tustwisted_free_bytes", found)
        self.assertIn("tustwisted_errors_total", found)
