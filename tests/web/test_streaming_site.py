"""Sites that stream, requests that do not, and the private names of Twisted."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import http
from twisted.web.http_headers import Headers
from twisted.web.iweb import INonQueuedRequestFactory
from twisted.web.server import Request, Site
from zope.interface import alsoProvides

from tests.web.harness import Memory, Peer, Recorder, Route, answer, head, sized
from tustwisted.web.private import PRIVATE_NAMES, missing_names
from tustwisted.web.request import Streaming, StreamingMixin
from tustwisted.web.streaming import (
    StreamingRequest,
    StreamingSite,
    enable_streaming,
    install,
    speaks_tus,
    under,
)

FORM = b"POST /form HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n" + (
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\na=b"
)
PLAIN = [
    b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n",
    b"HEAD /x HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /x HTTP/1.0\r\n\r\n",
    FORM,
    b"POST /big HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000,
    b"PUT /x HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nz",
    b"GARBAGE\r\n\r\n",
    b"GET /x HTTP/1.1\r\nno colon\r\n\r\n",
    b"PATCH /u HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"PATCH /u HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PATCH /u HTTP/1.1\r\n" + b"A: b\r\n" * 501 + b"\r\n",
]


def mirror(request: Any) -> None:
    """Answer with what the route sees of a request."""
    seen = [request.method, request.path, request.content.read(), request.args]
    answer(request, body=repr(seen).encode())


class Own(Request):
    """A request class of an application."""

    mark = "own"

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self.seen = command
        super().requestReceived(command, path, version)


class OtherRequestsTests(SynchronousTestCase):
    """Requests that the predicate does not want."""

    def test_as_in_twisted(self) -> None:
        """They are answered byte for byte as by a plain Site."""
        for data in PLAIN:
            plain = Site(Route(mirror), reactor=Clock())
            expected = Peer(plain)
            expected.send(data)
            site = Site(Route(mirror), reactor=Clock())
            enable_streaming(site, under("/u"))
            peer = Peer(site)
            peer.send(data)
            self.assertEqual(peer.received(), expected.received())
            self.assertEqual(peer.wire.disconnecting, expected.wire.disconnecting)

    def test_form(self) -> None:
        """An application's own Site goes on parsing forms."""
        route = Route()
        site = Site(route, reactor=Clock())
        enable_streaming(site)
        Peer(site).send(FORM)
        self.assertEqual(route.requests[0].args, {b"a": [b"b"]})
        self.assertIsNone(route.requests[0].body)

    def test_form_with_a_header_of_tus(self) -> None:
        """Outside the path that streams, it is a form like any other."""
        sent = FORM.replace(b"\r\n", b"\r\nTus-Resumable: 1.0.0\r\n", 1)
        route = Route()
        site = Site(route, reactor=Clock())
        enable_streaming(site, under("/files/tus"))
        Peer(site).send(sent)
        self.assertEqual(route.requests[0].args, {b"a": [b"b"]})

    def test_documented_with_a_path(self) -> None:
        """What users copy names the path, so that their other routes are safe."""
        docs = Path(__file__).parents[2] / "docs" / "examples"
        for name in ("klein_app.py", "plain_site.py", "../../README.rst"):
            shown = (docs / name).read_text()
            self.assertIn('enable_streaming(site, under("/files/tus"))', shown)

    def test_expectation_is_seen(self) -> None:
        """Twisted sends the 100 by itself; the expectation is there all the same."""
        route = Route()
        peer = Memory(route, wants=under("/elsewhere")).peer
        peer.send(head(b"PUT", b"Expect: 100-continue", b"Content-Length: 1"))
        self.assertEqual(peer.statuses(), [100])
        peer.send(b"x")
        self.assertEqual(route.requests[0].expectation, b"100-continue")

    def test_mixed_on_one_connection(self) -> None:
        """Streamed and other requests take turns on a connection."""

        def respond(request: Any) -> None:
            if request.body is None:
                mirror(request)
                return
            recorder = Recorder()
            recorder.at_end = lambda: answer(request, 204)
            request.body.deliver_to(recorder)

        peer = Memory(Route(respond), wants=under("/u")).peer
        peer.send(FORM + sized(b"abc") + FORM + sized(b"de"))
        self.assertEqual(peer.statuses(), [200, 204, 200, 204])


class SiteTests(SynchronousTestCase):
    """StreamingSite and enable_streaming."""

    def test_defaults(self) -> None:
        """A StreamingSite makes StreamingRequests, and parses no forms."""
        route = Route()
        site = StreamingSite(route, reactor=Clock())
        Peer(site).send(FORM)
        self.assertIsInstance(route.requests[0], StreamingRequest)
        self.assertEqual(route.requests[0].args, {})
        self.assertEqual(route.requests[0].streaming, Streaming(speaks_tus, 60.0))

    def test_request_factory_alone(self) -> None:
        """StreamingRequest streams tus requests as the factory of a plain Site."""
        route = Route()
        site = Site(route, StreamingRequest, reactor=Clock())
        Peer(site).send(head(b"PATCH", b"Tus-Resumable: 1.0.0", b"Content-Length: 1"))
        self.assertIsNotNone(route.requests[0].body)

    def test_own_request_class(self) -> None:
        """The application's request class is combined, its own methods run."""
        route = Route()
        for site in (
            StreamingSite(route, Own, wants=under("/u"), reactor=Clock()),
            Site(route, Own, reactor=Clock()),
        ):
            enable_streaming(site, under("/u"))
            Peer(site).send(head(b"PATCH", b"Content-Length: 1"))
            request = route.requests[-1]
            self.assertIsInstance(request, Own)
            self.assertIsInstance(request, StreamingMixin)
            self.assertEqual((request.seen, request.mark), (b"PATCH", "own"))
            self.assertEqual(request.body.length, 1)

    def test_interfaces_of_the_class(self) -> None:
        """What the application's class says of itself holds for the combined one."""

        class Unqueued(Request):
            def __init__(self, channel: Any) -> None:
                super().__init__(channel)

        alsoProvides(Unqueued, INonQueuedRequestFactory)
        route = Route()
        site = Site(route, Unqueued, reactor=Clock())
        enable_streaming(site, under("/u"))
        Peer(site).send(head(b"PATCH", b"Content-Length: 1"))
        self.assertEqual(len(route.requests), 1)

    def test_idempotent(self) -> None:
        """A second call changes nothing; other parameters replace the first."""
        site = Site(Route(), reactor=Clock())
        enable_streaming(site)
        factory: Any = site.requestFactory
        enable_streaming(site)
        self.assertIs(site.requestFactory, factory)
        enable_streaming(site, idle_timeout_s=1.0)
        changed: Any = site.requestFactory
        self.assertEqual(changed.streaming.idle_timeout_s, 1.0)
        self.assertEqual(factory.streaming.idle_timeout_s, 60.0)
        self.assertEqual(changed.__mro__.count(StreamingMixin), 1)

    def test_sites_apart(self) -> None:
        """Two sites with one request class keep their own predicates."""
        one = Site(Route(), Own, reactor=Clock())
        two = Site(Route(), Own, reactor=Clock())
        enable_streaming(one, under("/a"))
        enable_streaming(two, under("/b"))
        self.assertIsNot(one.requestFactory, two.requestFactory)
        self.assertFalse(hasattr(Own, "streaming"))

    def test_factory_that_is_no_class(self) -> None:
        """A factory that cannot be combined is refused with one sentence."""
        site = Site(Route(), reactor=Clock())
        for factory in (Route(), object):
            site.requestFactory = factory  # type: ignore[assignment]
            error = self.assertRaises(TypeError, enable_streaming, site)
            self.assertIn("subclass of twisted.web.http.Request", str(error))


class WantsTests(SynchronousTestCase):
    """The predicates."""

    def test_speaks_tus(self) -> None:
        """A body method and a header of tus; overrides count."""
        tus = {b"Tus-Resumable": b"1.0.0"}
        octets = {b"Content-Type": b"Application/Offset+octet-stream; x=y"}
        patch = {b"X-HTTP-Method-Override": b"patch"}
        for method, headers, wanted in (
            (b"PATCH", tus, True),
            (b"POST", tus, True),
            (b"PATCH", octets, True),
            (b"GET", tus, False),
            (b"HEAD", octets, False),
            (b"GET", tus | patch, True),
            (b"GET", patch, False),
            (b"POST", {b"Content-Type": b"text/plain"}, False),
            (b"PATCH", {}, False),
        ):
            raw = Headers({name: [value] for name, value in headers.items()})
            self.assertEqual(speaks_tus(method, b"/", raw), wanted, (method, headers))

    def test_under(self) -> None:
        """Whole segments, decoded, without the query; any method."""
        for path, uri, wanted in (
            ("/files/tus", b"/files/tus", True),
            ("/files/tus", b"/files/tus/", True),
            ("/files/tus/", b"/files/tus", True),
            (b"/files/tus", b"/files/tus/a/b?c", True),
            ("/files/tus", b"/files/tus?a", True),
            ("/files/tus", b"/files/tusk", False),
            ("/files/tus", b"/files", False),
            ("/files/tus", b"/x/files/tus", False),
            ("/files/tus", b"/%66iles/tus/1", True),
            ("/files/tus", b"/files%2Ftus", False),
            ("/", b"/anything", True),
        ):
            wants = under(path)
            for method in (b"GET", b"PATCH"):
                self.assertEqual(wants(method, uri, Headers()), wanted, (path, uri))


class PrivateNamesTests(SynchronousTestCase):
    """Each private name of Twisted, pinned."""

    def test_all_are_there(self) -> None:
        """This Twisted has all of them."""
        self.assertEqual(missing_names(), [])

    def test_signatures(self) -> None:
        """The methods that are overridden or called have the parameters they had."""
        for owner, name, parameters in (
            (http.HTTPChannel, "_send100Continue", ["self"]),
            (http.HTTPChannel, "_respondToBadRequestAndDisconnect", ["self"]),
            (http.HTTPChannel, "setTimeout", ["self", "period"]),
            (http.HTTPChannel, "isSecure", ["self"]),
            (http.Request, "_cleanup", ["self"]),
            (http.Request, "gotLength", ["self", "length"]),
            (http.Request, "handleContentChunk", ["self", "data"]),
            (http.Request, "requestReceived", ["self", "command", "path", "version"]),
            (http.Request, "connectionLost", ["self", "reason"]),
            (Request, "gotLength", ["self", "length"]),
            (Request, "write", ["self", "data"]),
            (Request, "finish", ["self"]),
        ):
            found = inspect.signature(getattr(owner, name)).parameters
            self.assertEqual(list(found), parameters, name)

    def test_values(self) -> None:
        """While the length of a body is told, each has the value that is relied on."""
        seen: dict[str, Any] = {}

        class Probe(Request):
            def gotLength(self, length: int | None) -> None:
                channel: Any = self.channel
                names = [
                    n for n, (method, _) in PRIVATE_NAMES.items() if hasattr(channel, n)
                ]
                seen.update({name: getattr(channel, name) for name in names})
                super().gotLength(length)

        site = Site(Route(), Probe, reactor=Clock())
        wire = StringTransport()
        Peer(site, wire).send(head(b"PATCH", b"Content-Length: 1"))
        send_continue = seen.pop("_send100Continue")
        self.assertIsNotNone(seen["_transferDecoder"])
        expected = [b"PATCH", b"/u", b"HTTP/1.1", False, None]
        names = [
            "_command",
            "_path",
            "_version",
            "_waitingForTransport",
            "_savedTimeOut",
        ]
        self.assertEqual([seen[name] for name in names], expected)
        self.assertIs(seen["_networkProducer"], wire)
        send_continue()
        self.assertEqual(wire.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_missing(self) -> None:
        """Each name that a channel or a request no longer uses is listed."""

        class OtherChannel(http.HTTPChannel):
            def allHeadersReceived(self) -> None: ...

        class OtherRequest(http.Request):
            def finish(self) -> None: ...

        self.assertEqual(missing_names(OtherChannel), ["_send100Continue"])
        self.assertEqual(missing_names(request=OtherRequest), ["queued", "_cleanup"])
        self.assertEqual(missing_names(decoder=object), ["_trailerHeaders"])
        self.assertEqual(missing_names(object, object, object), list(PRIVATE_NAMES))

    def test_buffered_instead(self) -> None:
        """With a name missing the site buffers, and one warning says why."""
        route = Route(mirror)
        site = Site(route, reactor=Clock())
        with capturedLogs() as events:
            install(site, Streaming(under("/u")), ["_command", "queued"])
        (event,) = events
        self.assertEqual(event["names"], "_command, queued")
        peer = Peer(site)
        peer.send(sized(b"abc"))
        self.assertIsNone(route.requests[0].body)
        self.assertIn(b"b'abc'", peer.received())
