"""Routes of a Klein application: which one is taken, and what becomes of it."""

from __future__ import annotations

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from tests.web.harness import Memory, Route, head
from tustwisted.web.dispatch import Dispatch


class Routes:
    """
    Some that wait.

    :ivar waits: what the route waits for.
    :ivar cancelled: how often it was cancelled.
    :ivar late: what it raises then.
    """

    app = Klein()

    def __init__(self) -> None:
        self.waits = Deferred[bytes]()
        self.cancelled = 0
        self.late: Exception | None = None

    @app.route("/", methods=["PATCH", "GET"])
    async def wait(self, request: Request) -> bytes:
        """Answer with what comes."""
        try:
            return await self.waits
        except CancelledError:
            self.cancelled += 1
            if self.late is not None:
                raise self.late from None
            raise

    @app.route("/", methods=["DELETE"])
    async def lose(self, request: Request) -> bytes:
        """Have the connection end before anything is waited for."""
        request.channel.connectionLost(Failure(ConnectionDone()))
        return await self.wait(request)

    @app.route("/<path:upload_id>", methods=["PATCH"])
    async def tell(self, request: Request, upload_id: str) -> bytes:
        """Answer with the id."""
        return upload_id.encode()

    @app.route("/<path:upload_id>", methods=["HEAD"])
    async def status(self, request: Request, upload_id: str) -> bytes:
        """Have a method that Klein adds to GET, too."""
        request.setHeader(b"X-Route", b"status")
        return b""

    @app.route("/<path:upload_id>", methods=["GET"])
    async def read(self, request: Request, upload_id: str) -> bytes:
        """Have a method that brings HEAD with it."""
        return b"read"

    def failed(self, request: Request, error: Exception) -> bytes:
        """Answer with the kind of an error."""
        request.setResponseCode(500)
        return type(error).__name__.encode()


class DispatchTests(SynchronousTestCase):
    """One client asks; the path of all requests is ``/u``."""

    def setUp(self) -> None:
        self.routes = Routes()

    def begin(self, upload_id: str = "", method: bytes = b"PATCH") -> Memory:
        """Send a request."""
        dispatch = Dispatch(self.routes)
        site = Memory(Route(lambda request: dispatch(request, upload_id)))
        site.peer.send(head(method, b"Content-Length: 0"))
        return site

    def test_upload(self) -> None:
        """The id is given to the route of uploads."""
        self.assertIn(b"a/b", self.begin("a/b").peer.received())

    def test_declared_first(self) -> None:
        """Of two routes that take a method the one counts that Klein finds."""
        received = self.begin("id", b"HEAD").peer.received()
        self.assertIn(b"X-Route: status", received)

    def test_error(self) -> None:
        """What a route raises is answered."""
        site = self.begin()
        self.routes.waits.errback(LookupError())
        self.assertEqual(site.peer.statuses(), [500])
        self.assertIn(b"LookupError", site.peer.received())

    def test_client_leaves_at_once(self) -> None:
        """A route is cancelled, too, whose client has left when it begins to wait."""
        self.begin(method=b"DELETE")
        self.assertEqual(self.routes.cancelled, 1)

    def test_client_leaves(self) -> None:
        """The route is cancelled; nothing is answered, and nothing is wrong."""
        site = self.begin()
        site.peer.lose()
        self.assertEqual(self.routes.cancelled, 1)
        self.assertEqual(site.peer.statuses(), [])

    def test_error_after_that(self) -> None:
        """What goes wrong then is logged, since nobody else would hear of it."""
        self.routes.late = LookupError()
        self.begin().peer.lose()
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_error_of_the_answer(self) -> None:
        """An answer that cannot be written is logged."""
        site = self.begin()
        site.peer.wire.writeSequence = None
        self.routes.waits.callback(b"")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
