"""What an observer is told of requests, and of the uploads that they are about."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from zope.interface.verify import verifyObject

from tests.web.tus_harness import BASE, Server, TusCase, message, patch
from tustwisted.hooks.functions import FunctionHook
from tustwisted.observing import UNOBSERVED, Asked, IObserver, Unobserved
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.limits import LOCK_TIMEOUT_S
from tustwisted.uploads.ongoing import Arriving


class Noting(Unobserved):
    """
    Notes what it is told.

    :ivar told: the names of what was told, each with what there was to it but times.
    """

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def happened(self, kind: EventType, upload: UploadInfo) -> None:
        self.told.append((kind.value, upload.length))

    def received(self, size_bytes: int) -> None:
        self.told.append(("received", size_bytes))

    def answered(
        self, method: str, status: int | None, code: str, took_s: float
    ) -> None:
        self.told.append((method, status, code, took_s))

    def waited(self, is_granted: bool, took_s: float) -> None:
        self.told.append(("waited", is_granted, took_s))

    def taken_over(self) -> None:
        self.told.append(("taken over",))

    def asked(self, hook: str, kind: EventType, how: Asked, took_s: float) -> None:
        if hook != "harness":
            self.told.append((hook, kind.value, how, took_s))


class ObservedTests(TusCase):
    """One fact for each thing that is over."""

    def setUp(self) -> None:
        self.observer = Noting()
        self.server = Server(observer=self.observer)

    def told(self) -> list[tuple[Any, ...]]:
        """What was told since the last time."""
        told, self.observer.told = self.observer.told, []
        return told

    def test_observers_provide_the_interface(self) -> None:
        """Nobody, and whoever derives from nobody, can be told everything."""
        verifyObject(IObserver, UNOBSERVED)
        verifyObject(IObserver, self.observer)

    def test_life_of_an_upload(self) -> None:
        """Creation, each body, finish and end are told once, and then the answer."""
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"ab"))
        self.server.ask(patch(path, 2, body=b"cde"))
        self.server.ask(message(b"DELETE", path))
        self.assertEqual(
            self.told(),
            [
                ("post-create", 5),
                ("POST", 201, "", 0),
                ("received", 2),
                ("PATCH", 204, "", 0),
                ("post-finish", 5),
                ("received", 3),
                ("PATCH", 204, "", 0),
                ("post-terminate", 5),
                ("DELETE", 204, "", 0),
            ],
        )

    def test_refusal_has_its_code(self) -> None:
        """What is refused is told with its code, also where nothing is served."""
        self.server.ask(message(b"HEAD", BASE + b"0" * 32))
        self.server.ask(message(b"PUT", BASE))
        self.server.ask(message(b"GET", b"/elsewhere/at/all"))
        self.assertEqual(
            self.told(),
            [
                ("HEAD", 404, "ERR_UPLOAD_NOT_FOUND", 0),
                ("PUT", 405, "ERR_METHOD_NOT_ALLOWED", 0),
                ("GET", 404, "ERR_UPLOAD_NOT_FOUND", 0),
            ],
        )

    def test_what_arrives_can_be_seen(self) -> None:
        """In the middle of a body it can be asked how much has come of it."""
        path = self.server.create(5)
        client = self.server.connect()
        client.begin(patch(path, 0, b"Content-Length: 5"), b"abc")
        self.assertEqual(self.server.uploads.arriving, Arriving(1, 3))
        client.send(b"de")
        self.assertEqual(self.server.uploads.arriving, Arriving(0, 0))

    def test_cut_connection(self) -> None:
        """A request whose connection ends has no status; what came of it is told."""
        path = self.server.create(5)
        client = self.server.connect()
        client.begin(patch(path, 0, b"Content-Length: 5"), b"abc")
        self.told()
        self.server.clock.advance(3)
        client.lose(ConnectionLost())
        self.assertEqual(self.told(), [("received", 3), ("PATCH", None, "", 3)])

    def test_take_over(self) -> None:
        """Whoever loses an upload to another request is told of."""
        path = self.server.create(5)
        client = self.server.connect()
        client.begin(patch(path, 0, b"Content-Length: 5"), b"abc")
        self.told()
        self.server.ask(patch(path, 3, body=b"de"))
        told = self.told()
        self.assertEqual(told[0], ("taken over",))
        self.assertIn(("PATCH", 400, "ERR_UPLOAD_INTERRUPTED", 0), told)

    def test_wait(self) -> None:
        """A lock that does not come at once is told of, and whether it came at last."""
        path = self.server.create(1)
        finishing: Deferred[None] = Deferred()
        self.server.on_finish = lambda: finishing
        client, others = self.server.connect(), [self.server.connect() for _ in "ab"]
        client.begin(patch(path, 0, body=b"a"))
        self.told()
        for other, pause_s in zip(others, (LOCK_TIMEOUT_S, 2), strict=True):
            other.begin(message(b"DELETE", path))
            self.server.clock.advance(pause_s)
        self.assertEqual(
            self.told(),
            [
                ("waited", False, LOCK_TIMEOUT_S),
                ("DELETE", 423, "ERR_UPLOAD_LOCKED", LOCK_TIMEOUT_S),
            ],
        )
        finishing.callback(None)
        self.assertIn(("waited", True, 2), self.told())

    def test_hooks(self) -> None:
        """A hook that says yes, no, nothing at all, or breaks, is told of as that."""

        async def decide(event: Event) -> Answer | None:
            length = event.upload.length
            if length == 3:
                raise LookupError
            self.server.clock.advance(2)
            return None if length == 1 else Answer(reject=length == 2)

        hook = FunctionHook("mine", {EventType.PRE_CREATE: decide})
        self.server = Server(observer=self.observer, hooks=[hook])
        for length in range(4):
            self.server.ask(message(b"POST", BASE, b"Upload-Length: %d" % length))
        self.flushLoggedErrors(LookupError)
        calls = [fact for fact in self.told() if fact[0] == "mine"]
        self.assertEqual(
            calls,
            [
                ("mine", "pre-create", Asked.OK, 2),
                ("mine", "pre-create", Asked.OK, 2),
                ("mine", "pre-create", Asked.REFUSED, 2),
                ("mine", "pre-create", Asked.FAILED, 0),
            ],
        )
