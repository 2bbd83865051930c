"""Tests for :mod:`tustwisted.web.choosing`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs
from twisted.web.resource import IResource

from tests.web.sockets import Client, SocketCase, reactor
from tests.web.tus_harness import (
    BASE,
    EXPECT,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.errors import AccessDenied, UploadNotFound
from tustwisted.httpanswer import HttpAnswer
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.service import UploadsService
from tustwisted.web.choosing import ChoosingResource
from tustwisted.web.drain import DrainingSite
from tustwisted.web.resource import TusResource, below
from tustwisted.web.wants import everything

A = b"X-Tenant: a"
B = b"X-Tenant: b"


class ChoosingCase(TusCase):
    """
    Two tenants with a store each, behind one mount.

    :ivar seen: the requests that were decided on.
    """

    def setUp(self) -> None:
        super().setUp()
        self.seen: list[RequestInfo] = []
        self.tenants = {"a": self.server, "b": Server()}
        self.resources = {
            name: TusResource(server.uploads) for name, server in self.tenants.items()
        }
        self.choose: Callable[[RequestInfo], Any] = self.by_header
        self.server.site = DrainingSite(
            below(BASE.decode(), ChoosingResource(self._choose)),
            wants=everything,
            reactor=self.server.clock,
        )

    def _choose(self, request: RequestInfo) -> Awaitable[IResource] | IResource:
        self.seen.append(request)
        chosen: Awaitable[IResource] | IResource = self.choose(request)
        return chosen

    def by_header(self, request: RequestInfo) -> IResource:
        """Look at one header."""
        tenant = request.header("X-Tenant")
        if tenant not in self.resources:
            raise UploadNotFound
        return self.resources[tenant]

    def ask(self, sent: bytes) -> Response:
        """Ask on a connection of its own."""
        return self.server.ask(sent)


class ChoiceTests(ChoosingCase):
    """Which store a request reaches."""

    def test_by_tenant(self) -> None:
        """An upload is made, and found, in the store that is chosen."""
        path = self.server.create(6, B)
        self.assertEqual([len(self.tenants[name].ids) for name in "ab"], [0, 1])
        self.assertEqual(self.ask(patch(path, 0, B, body=b"abcdef")).status, 204)
        self.assertEqual(self.ask(message(b"GET", path, B)).body, b"abcdef")
        for method in (b"HEAD", b"GET", b"DELETE"):
            self.assertEqual(self.ask(message(method, path, A)).status, 404)
        self.assertEqual(self.ask(patch(path, 6, A, body=b"")).status, 404)
        self.assertEqual(self.ask(message(b"DELETE", path, B)).status, 204)

    def test_what_is_decided_on(self) -> None:
        """It is the request with the method that counts."""
        override = b"X-HTTP-Method-Override: patch"
        self.ask(message(b"POST", BASE + b"x?y", A, override, body=b""))
        (request,) = self.seen
        self.assertEqual((request.method, request.uri), ("PATCH", "/files/x?y"))

    def test_preflight(self) -> None:
        """Browsers ask without a tenant, and may: no upload is looked at (T-203)."""
        self.choose = lambda request: self.resources["a"]
        lines = (b"Origin: https://a.example", b"Access-Control-Request-Method: POST")
        response = self.ask(message(b"OPTIONS", BASE, *lines, tus=None))
        self.assertEqual(response.status, 204)

    def test_refused(self) -> None:
        """It may raise what becomes an answer of its own."""
        response = self.ask(message(b"POST", BASE, b"Upload-Length: 1"))
        self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
        answer = HttpAnswer(401, {"WWW-Authenticate": "Basic"}, "who?")

        def refuse(_: RequestInfo) -> IResource:
            raise AccessDenied(answer)

        self.choose = refuse
        response = self.ask(message(b"POST", BASE, b"Upload-Length: 1"))
        self.assertEqual((response.status, response.body), (401, b"who?"))
        self.assertEqual(response[b"WWW-Authenticate"], b"Basic")

    def test_failed(self) -> None:
        """Any other exception, and what is no resource, is a logged 500."""

        def fail(_: RequestInfo) -> IResource:
            raise RuntimeError("/srv/secret")

        for choose in (fail, lambda _: None, lambda _: "a"):
            self.choose = choose
            with capturedLogs() as events:
                response = self.ask(message(b"POST", BASE, b"Upload-Length: 1"))
            self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
            self.assertNotIn(b"secret", response.body)
            self.assertEqual(len(self.flushLoggedErrors()), 1)
            self.assertEqual(len(events), 1)


class LateChoiceTests(ChoosingCase):
    """Choices that take their time."""

    def setUp(self) -> None:
        super().setUp()
        self.given_up: list[object] = []
        self.chosen: Deferred[IResource] = Deferred(self.given_up.append)
        self.choose = lambda _: self.chosen

    def create(self, length: int) -> bytes:
        """Create an upload without a request; return its path."""
        upload = self.successResultOf(self.server.uploads.create(length, Metadata()))
        return BASE + upload.upload_id.encode()

    def test_streams(self) -> None:
        """Until it is chosen a body waits; then it reaches the store as it comes."""
        path = self.create(6)
        client = self.server.connect()
        client.begin(patch(path, 0, body=b"abcdef")[:-3])
        self.assertEqual(client.responses(), [])
        self.assertEqual(self.server.content(path), b"")
        self.chosen.callback(self.resources["a"])
        self.assertEqual(self.server.content(path), b"abc")
        client.send(b"def")
        self.assertEqual([r.status for r in client.responses()], [204])

    def test_no_continue_before(self) -> None:
        """A client that waits for 100 gets it from the resource that is chosen."""
        path = self.create(3)
        client = self.server.connect()
        client.begin(patch(path, 0, EXPECT, body=b"abc")[:-3])
        self.assertEqual(client.responses(), [])
        self.chosen.callback(self.resources["a"])
        self.assertEqual([r.status for r in client.responses()], [100])
        client.send(b"abc")
        self.assertEqual([r.status for r in client.responses()], [100, 204])

    def test_failed_late(self) -> None:
        """A failure is answered, and the connection closed."""
        client = self.server.connect()
        client.begin(message(b"POST", BASE, b"Upload-Length: 1"))
        self.chosen.errback(RuntimeError())
        (response,) = client.responses()
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertTrue(client.closed)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_client_leaves(self) -> None:
        """The choice is cancelled when there is nobody to make it for."""
        client = self.server.connect()
        client.begin(message(b"POST", BASE, b"Upload-Length: 1"))
        client.lose()
        self.assertEqual(self.given_up, [self.chosen])
        self.assertEqual(self.server.ids, [])

    def test_client_leaves_a_stubborn_choice(self) -> None:
        """One that is made all the same serves nobody."""
        chosen = self.chosen

        async def choose(_: RequestInfo) -> IResource:
            try:
                return await chosen
            except CancelledError:
                return self.resources["a"]

        self.choose = choose
        client = self.server.connect()
        client.begin(message(b"POST", BASE, b"Upload-Length: 1"))
        client.lose()
        self.assertEqual(self.server.ids, [])


class SocketTests(SocketCase):
    """Two directories behind one real port."""

    async def test_two_stores(self) -> None:
        """A body that is chunked streams into the directory of its tenant."""
        resources, places = {}, {}
        for tenant in ("a", "b"):
            places[tenant] = self.mktemp()
            service = UploadsService.in_directory(reactor, places[tenant])
            service.startService()
            self.addCleanup(service.stopService)
            resources[tenant] = TusResource(service.uploads)

        async def choose(request: RequestInfo) -> IResource:
            waited: Deferred[None] = Deferred()
            reactor.callLater(0, waited.callback, None)
            await waited
            return resources[request.header("X-Tenant") or ""]

        port = self.serve(ChoosingResource(choose))

        def upload(tenant: str) -> tuple[int, bytes]:
            client, letter = Client(port), tenant.encode()
            with_bytes = b"Content-Type: application/offset+octet-stream"
            lines = (b"X-Tenant: " + letter, b"Upload-Length: 400000", with_bytes)
            body = [letter * 200_000] * 2
            client.send(message(b"POST", b"/", *lines, chunks=body))
            response = client.response()
            client.fin()
            return response

        for tenant in ("a", "b"):
            status, _ = await self.in_thread(partial(upload, tenant))
            self.assertEqual(status, 201)
            (name,) = (n for n in os.listdir(places[tenant]) if n.endswith(".info"))
            path = os.path.join(places[tenant], name.removesuffix(".info"))
            with open(path, "rb") as stored:
                self.assertEqual(stored.read(), tenant.encode() * 400_000)
