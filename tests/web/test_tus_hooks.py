"""What hooks decide about requests, and what becomes of the answers, on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from tests.web.tus_harness import (
    BASE,
    EXPECT,
    HOST,
    UPLOAD_BYTES,
    Response,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.hooks.functions import FunctionHook
from tustwisted.httpanswer import HttpAnswer
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.web.exchange import SMALL_REST_BYTES

SIX = b"Upload-Length: 6"
ORIGIN = b"Origin: https://app.example"
WANTED = b"Access-Control-Request-Method: POST"
NOBODY = HttpAnswer(401, {"WWW-Authenticate": "Bearer"}, "who are you?")


class HookedCase(TusCase):
    """
    Has a hook whose answers the test chooses.

    :ivar answers: what is answered to an event, or makes the answer.
    :ivar asked: the events, in order.
    """

    hears: frozenset[EventType] = frozenset()

    def setUp(self) -> None:
        self.answers: dict[EventType, Answer | Callable[[Event], Any]] = {}
        self.asked: list[Event] = []
        hook = FunctionHook("test", dict.fromkeys(self.hears, self._answer))
        self.server = Server(hooks=[hook])

    def _answer(self, event: Event) -> Any:
        self.asked.append(event)
        answer = self.answers.get(event.type)
        return answer(event) if callable(answer) else answer

    def path_of(self, response: Response) -> bytes:
        """Where the upload is that a response tells of."""
        return (response[b"Location"] or b"").removeprefix(b"http://" + HOST)

    def assert_told(self, response: Response, status: int, answer: HttpAnswer) -> None:
        """It has this status, and what the hook wants to be in it."""
        self.assertEqual(
            (response.status, response.body.decode()), (status, answer.body)
        )
        for name, value in answer.headers.items():
            self.assertEqual(response[name.encode()], value.encode())
        self.assertEqual(response[b"Content-Length"], b"%d" % len(answer.body))
        if answer.body:
            self.assertEqual(response[b"Content-Type"], b"text/plain; charset=utf-8")


class AccessTests(HookedCase):
    """Who may make a request at all."""

    hears = frozenset({EventType.PRE_ACCESS})

    def refuse(self, event: Event) -> Answer:
        """Let nobody in."""
        return Answer(reject=True, response=NOBODY)

    def every(self, path: bytes) -> dict[bytes, bytes]:
        """One request for each method that a mount has."""
        return {
            b"POST": message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abc"),
            b"HEAD": message(b"HEAD", path),
            b"GET": message(b"GET", path),
            b"PATCH": patch(path, 0, body=b"abc"),
            b"DELETE": message(b"DELETE", path),
            b"OPTIONS": message(b"OPTIONS", path),
        }

    def test_every_request(self) -> None:
        """Each is asked about, with the upload that it is about."""
        path = self.server.create(6)
        self.asked.clear()
        for sent in self.every(path).values():
            self.server.ask(sent)
        self.server.ask(message(b"OPTIONS", BASE))
        upload_id = path.removeprefix(BASE).decode()
        expected = [
            ("POST", None),
            ("HEAD", upload_id),
            ("GET", upload_id),
            ("PATCH", upload_id),
            ("DELETE", upload_id),
            ("OPTIONS", upload_id),
            ("OPTIONS", None),
        ]
        asked = [(e.request and e.request.method, e.upload_id) for e in self.asked]
        self.assertEqual(asked, expected)

    def test_refused(self) -> None:
        """Each is told what the hook wants, and nothing is created or changed."""
        path = self.server.create(6)
        self.answers[EventType.PRE_ACCESS] = self.refuse
        for method, sent in self.every(path).items():
            response = self.server.ask(sent)
            self.assertEqual(response.status, 401, method)
            self.assertEqual(response[b"WWW-Authenticate"], b"Bearer")
            if method == b"HEAD":
                self.assertEqual(response.body, b"")
            else:
                self.assert_told(response, 401, NOBODY)
        self.assertEqual(len(self.server.ids), 1)
        self.assertEqual(self.server.content(path), b"")

    def test_default(self) -> None:
        """A hook that only says no is a 403 of ours (T-265)."""
        self.answers[EventType.PRE_ACCESS] = Answer(reject=True)
        response = self.server.ask(message(b"POST", BASE, SIX))
        self.assert_refused(response, 403, "ERR_ACCESS_DENIED")

    def test_page(self) -> None:
        """A page of another origin can read the refusal (T-193)."""
        self.answers[EventType.PRE_ACCESS] = self.refuse
        response = self.server.ask(message(b"POST", BASE, SIX, ORIGIN))
        self.assert_told(response, 401, NOBODY)
        allowed = response[b"Access-Control-Allow-Origin"]
        self.assertEqual(allowed, b"https://app.example")

    def test_preflight(self) -> None:
        """A browser that asks what a page may send brings nothing, and may (T-203)."""
        self.answers[EventType.PRE_ACCESS] = self.refuse
        for path in (BASE, BASE + b"x"):
            sent = message(b"OPTIONS", path, ORIGIN, WANTED, tus=None)
            self.assertEqual(self.server.ask(sent).status, 204)
        self.assertEqual(self.asked, [])
        for lines in ((), (ORIGIN,), (WANTED,)):
            response = self.server.ask(message(b"OPTIONS", BASE, *lines))
            self.assert_told(response, 401, NOBODY)

    def test_order(self) -> None:
        """Version, path and method are judged before, all else after it (T-271)."""
        self.answers[EventType.PRE_ACCESS] = self.refuse
        for sent, status in (
            (message(b"POST", BASE, SIX, tus=b"2"), 412),
            (message(b"HEAD", BASE + b"a//b"), 404),
            (message(b"PUT", BASE + b"x"), 405),
        ):
            self.assertEqual(self.server.ask(sent).status, status)
        self.assertEqual(self.asked, [])
        for sent in (
            message(b"PATCH", BASE + b"x", body=b""),
            message(b"POST", BASE, b"Upload-Length: x"),
            message(b"POST", BASE, SIX, b"Upload-Concat: x"),
            message(b"DELETE", BASE + b"x"),
        ):
            self.assert_told(self.server.ask(sent), 401, NOBODY)

    def test_failed(self) -> None:
        """A hook that fails is a logged 500 (T-266)."""

        def fail(event: Event) -> None:
            raise RuntimeError("/srv/secret")

        self.answers[EventType.PRE_ACCESS] = fail
        response = self.server.ask(message(b"POST", BASE, SIX))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class LateAccessTests(HookedCase):
    """Hooks that take their time, and bodies meanwhile."""

    hears = frozenset({EventType.PRE_ACCESS})

    def setUp(self) -> None:
        super().setUp()
        self.path = self.server.create(6)
        self.given_up: list[object] = []
        self.decided: Deferred[Answer | None] = Deferred(self.given_up.append)
        self.answers[EventType.PRE_ACCESS] = lambda event: self.decided

    def refuse(self) -> None:
        """Decide."""
        self.decided.callback(Answer(reject=True, response=NOBODY))

    def test_body_waits(self) -> None:
        """Until it is decided no byte is stored; then it streams."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, body=b"abcdef")[:-3])
        self.assertEqual(self.server.content(self.path), b"")
        self.decided.callback(None)
        self.assertEqual(self.server.content(self.path), b"abc")
        client.send(b"def")
        self.assertEqual([r.status for r in client.responses()], [204])

    def test_small_rest(self) -> None:
        """After a refusal a small rest is dropped, and the connection goes on."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, body=b"abcdef")[:-3])
        self.refuse()
        client.send(b"def")
        self.answers.clear()
        client.begin(message(b"HEAD", self.path))
        self.assertEqual([r.status for r in client.responses()], [401, 200])
        self.assertEqual(client.responses()[1][b"Upload-Offset"], b"0")

    def test_large_rest(self) -> None:
        """Before a large rest the connection ends, the answer first."""
        client = self.server.connect()
        sent = patch(self.path, 0, body=bytes(SMALL_REST_BYTES + 2))
        client.begin(sent[: -SMALL_REST_BYTES - 1])
        self.refuse()
        (response,) = client.responses()
        self.assert_told(response, 401, NOBODY)
        self.assertEqual(response[b"Connection"], b"close")
        self.assertTrue(client.closed)

    def test_expectation(self) -> None:
        """A client that waits for 100 is sent it when it is let in, and not before."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, EXPECT, body=b"abcdef")[:-6])
        self.assertEqual(client.responses(), [])
        self.decided.callback(None)
        self.assertEqual([r.status for r in client.responses()], [100])
        client.send(b"abcdef")
        self.assertEqual([r.status for r in client.responses()], [100, 204])

    def test_refused_expectation(self) -> None:
        """One that is refused never gets the 100."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, EXPECT, body=b"abcdef")[:-6])
        self.refuse()
        (response,) = client.responses()
        self.assert_told(response, 401, NOBODY)
        self.assertTrue(client.closed)

    def test_client_leaves(self) -> None:
        """Nobody is asked any longer for a client that has left."""
        client = self.server.connect()
        client.begin(patch(self.path, 0, body=b"abcdef")[:-3])
        client.lose()
        self.assertEqual(self.given_up, [self.decided])
        self.assertEqual(self.server.content(self.path), b"")


class OwnerTests(HookedCase):
    """Uploads that belong to who has created them."""

    hears = frozenset({EventType.PRE_ACCESS})

    def setUp(self) -> None:
        super().setUp()
        self.answers[EventType.PRE_ACCESS] = self.know

    def know(self, event: Event) -> Answer:
        """Take a header for the owner."""
        assert event.request is not None
        return Answer(owner=event.request.header("X-Owner"))

    def create(self, owner: bytes, *lines: bytes) -> bytes:
        """Create an upload of six bytes."""
        sent = message(b"POST", BASE, SIX, b"X-Owner: " + owner, *lines)
        response = self.server.ask(sent)
        self.assertEqual(response.status, 201)
        return self.path_of(response)

    def test_his(self) -> None:
        """He may do all of it."""
        path, ann = self.create(b"ann"), b"X-Owner: ann"
        self.assertEqual(self.server.ask(patch(path, 0, ann, body=b"abc")).status, 204)
        head = self.server.ask(message(b"HEAD", path, ann))
        self.assertEqual((head.status, head[b"Upload-Offset"]), (200, b"3"))
        self.assertEqual(self.server.ask(patch(path, 3, ann, body=b"def")).status, 204)
        get = self.server.ask(message(b"GET", path, ann))
        self.assertEqual((get.status, get.body), (200, b"abcdef"))
        self.assertEqual(self.server.ask(message(b"DELETE", path, ann)).status, 204)

    def test_somebody_elses(self) -> None:
        """For others, and for nobody, it is not there (T-029)."""
        path = self.create(b"ann")
        self.server.ask(patch(path, 0, b"X-Owner: ann", body=b"abcdef"))
        for lines in ((b"X-Owner: bob",), ()):
            for sent in (
                message(b"GET", path, *lines),
                patch(path, 6, *lines, body=b""),
                patch(path, 0, *lines, body=b"x"),
                message(b"DELETE", path, *lines),
            ):
                response = self.server.ask(sent)
                self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")
            head = self.server.ask(message(b"HEAD", path, *lines))
            self.assertEqual(head.status, 404)
            self.assertIsNone(head[b"Upload-Offset"])
        self.assertEqual(self.server.content(path), b"abcdef")

    def test_running(self) -> None:
        """Somebody else does not stop who is writing to it (T-271)."""
        path = self.create(b"ann")
        running = self.server.connect()
        running.begin(patch(path, 0, b"X-Owner: ann", body=b"abcdef")[:-3])
        for sent in (
            patch(path, 3, b"X-Owner: bob", body=b"xyz"),
            message(b"DELETE", path, b"X-Owner: bob"),
        ):
            self.assertEqual(self.server.ask(sent).status, 404)
        running.send(b"def")
        self.assertEqual([r.status for r in running.responses()], [204])

    def test_parts(self) -> None:
        """Nobody puts together what is somebody else's (T-178)."""
        partial = b"Upload-Concat: partial"
        path = self.create(b"ann", partial)
        self.server.ask(patch(path, 0, b"X-Owner: ann", body=b"abcdef"))
        final = b"Upload-Concat: final;" + path
        for owner, status in ((b"bob", 404), (b"ann", 201)):
            sent = message(b"POST", BASE, final, b"X-Owner: " + owner)
            self.assertEqual(self.server.ask(sent).status, status)

    def test_nobodys(self) -> None:
        """An upload that nobody owns is everybody's."""
        path = self.server.create(6)
        for owner, offset in ((b"ann", 0), (b"bob", 3)):
            sent = patch(path, offset, b"X-Owner: " + owner, body=b"abc")
            self.assertEqual(self.server.ask(sent).status, 204)


class CreationTests(HookedCase):
    """What a hook makes of a new upload's answer."""

    hears = frozenset({EventType.PRE_CREATE})

    def test_rejected(self) -> None:
        """It is told as the hook wants, and nothing is there (T-066)."""
        answer = HttpAnswer(418, {"X-Why": "tea"}, "no coffee")
        self.answers[EventType.PRE_CREATE] = Answer(reject=True, response=answer)
        for sent in (
            message(b"POST", BASE, SIX),
            message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abcdef"),
        ):
            response = self.server.ask(sent)
            self.assert_told(response, 418, answer)
            self.assertIsNone(response[b"Location"])
        self.assertEqual(self.server.ids, [])

    def test_rejected_by_default(self) -> None:
        """A hook that says no more is a 400 (T-066)."""
        self.answers[EventType.PRE_CREATE] = Answer(reject=True)
        response = self.server.ask(message(b"POST", BASE, SIX))
        self.assert_refused(response, 400, "ERR_UPLOAD_REJECTED")
        self.assertIsNone(response[b"Location"])
        self.assertEqual(self.server.ids, [])

    def test_answered(self) -> None:
        """Status, headers, Location among them, and body are the hook's."""
        answer = HttpAnswer(200, {"Location": "/elsewhere", "X-A": "1"}, "welcome")
        self.answers[EventType.PRE_CREATE] = Answer(response=answer)
        response = self.server.ask(message(b"POST", BASE, SIX))
        self.assert_told(response, 200, answer)
        self.assertIsNone(response[b"Upload-Offset"])
        sent = message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abc")
        response = self.server.ask(sent)
        self.assert_told(response, 200, answer)
        self.assertEqual(response[b"Upload-Offset"], b"3")
        self.assertEqual(len(self.server.ids), 2)

    def test_no_bytes_are_read_before(self) -> None:
        """A client that waits for 100 and is refused never gets it (T-094)."""
        self.answers[EventType.PRE_CREATE] = Answer(reject=True)
        client = self.server.connect()
        sent = message(b"POST", BASE, SIX, UPLOAD_BYTES, EXPECT, body=b"abc")
        client.begin(sent[:-3])
        self.assertEqual([r.status for r in client.responses()], [400])
        self.assertTrue(client.closed)

    def test_final(self) -> None:
        """A final upload is created like others."""
        sent = message(b"POST", BASE, SIX, b"Upload-Concat: partial")
        part = self.path_of(self.server.ask(sent))
        self.server.ask(patch(part, 0, body=b"abcdef"))
        answer = HttpAnswer(202, {"X-A": "1"}, "soon")
        self.answers[EventType.PRE_CREATE] = Answer(response=answer)
        sent = message(b"POST", BASE, b"Upload-Concat: final;" + part)
        self.assert_told(self.server.ask(sent), 202, answer)
        self.answers[EventType.PRE_CREATE] = Answer(reject=True)
        self.assert_refused(self.server.ask(sent), 400, "ERR_UPLOAD_REJECTED")


class FinishTests(HookedCase):
    """What a hook makes of the answer to the last bytes."""

    hears = frozenset({EventType.PRE_FINISH})

    def test_answered(self) -> None:
        """A 204 that gets a body is a 200; the offset is told."""
        answer = HttpAnswer(None, {"X-A": "1"}, "thanks")
        self.answers[EventType.PRE_FINISH] = Answer(response=answer)
        path = self.server.create(6)
        self.assertEqual(self.server.ask(patch(path, 0, body=b"abc")).status, 204)
        response = self.server.ask(patch(path, 3, body=b"def"))
        self.assert_told(response, 200, answer)
        self.assertEqual(response[b"Upload-Offset"], b"6")

    def test_status(self) -> None:
        """A hook may also change the status alone, or the headers."""
        path = self.server.create(6)
        self.answers[EventType.PRE_FINISH] = Answer(response=HttpAnswer(202))
        response = self.server.ask(patch(path, 0, body=b"abcdef"))
        self.assert_told(response, 202, HttpAnswer())
        path = self.server.create(6)
        headers = HttpAnswer(headers={"X-A": "1"})
        self.answers[EventType.PRE_FINISH] = Answer(response=headers)
        response = self.server.ask(patch(path, 0, body=b"abcdef"))
        self.assertEqual((response.status, response[b"X-A"]), (204, b"1"))

    def test_rejected(self) -> None:
        """The client sees that all is stored, and may ask again."""
        answer = HttpAnswer(422, {}, "a virus")
        self.answers[EventType.PRE_FINISH] = Answer(reject=True, response=answer)
        path = self.server.create(6)
        response = self.server.ask(patch(path, 0, body=b"abcdef"))
        self.assert_told(response, 422, answer)
        self.assertEqual(response[b"Upload-Offset"], b"6")
        self.assertEqual(self.server.offset(path), 6)
        self.answers.clear()
        self.assertEqual(self.server.ask(patch(path, 6, body=b"")).status, 204)

    def test_rejected_at_once(self) -> None:
        """So it is with bytes that come with the creation, and with none at all."""
        self.answers[EventType.PRE_FINISH] = Answer(reject=True)
        for sent, offset in (
            (message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abcdef"), b"6"),
            (message(b"POST", BASE, b"Upload-Length: 0"), None),
        ):
            response = self.server.ask(sent)
            self.assert_refused(response, 400, "ERR_UPLOAD_FINISH_REJECTED")
            self.assertEqual(response[b"Upload-Offset"], offset)
            self.assertEqual(self.server.head(self.path_of(response)).status, 200)

    def test_failed(self) -> None:
        """A hook that fails is a 500 that tells what is stored, too."""

        def fail(event: Event) -> None:
            raise RuntimeError

        self.answers[EventType.PRE_FINISH] = fail
        path = self.server.create(6)
        response = self.server.ask(patch(path, 0, body=b"abcdef"))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertEqual(response[b"Upload-Offset"], b"6")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class StopTests(HookedCase):
    """Uploads that a hook ends while they are received."""

    hears = frozenset({EventType.POST_RECEIVE})

    def stop(self, sent: bytes) -> Response:
        """Send a part of a request, let the hook see it, and return the answer."""
        client = self.server.connect()
        client.begin(sent)
        self.server.clock.pump([0.5] * 5)
        (response,) = client.responses()
        self.assertTrue(client.closed)
        return response

    def test_stopped(self) -> None:
        """The client is told so, the connection ends, and nothing is there any more."""
        answer = HttpAnswer(413, {"X-A": "1"}, "enough")
        self.answers[EventType.POST_RECEIVE] = Answer(stop=True, response=answer)
        path = self.server.create(6)
        self.assert_told(self.stop(patch(path, 0, body=b"abcdef")[:-3]), 413, answer)
        self.assertEqual(self.server.head(path).status, 404)

    def test_stopped_at_its_creation(self) -> None:
        """One that came with its creation has no URL that could be told."""
        self.answers[EventType.POST_RECEIVE] = Answer(stop=True)
        sent = message(b"POST", BASE, SIX, UPLOAD_BYTES, body=b"abcdef")[:-3]
        response = self.stop(sent)
        self.assert_refused(response, 400, "ERR_UPLOAD_STOPPED")
        self.assertIsNone(response[b"Location"])
        self.assertEqual(self.server.ids, [])


class TerminationTests(HookedCase):
    """What a hook makes of the answer to DELETE."""

    hears = frozenset({EventType.PRE_TERMINATE})

    def test_refused_termination(self) -> None:
        """The status is the hook's, else 400, and the upload is there (T-124)."""
        path = self.server.create(6)
        self.server.ask(patch(path, 0, body=b"abc"))
        self.answers[EventType.PRE_TERMINATE] = Answer(reject=True)
        response = self.server.ask(message(b"DELETE", path))
        self.assert_refused(response, 400, "ERR_UPLOAD_TERMINATION_REJECTED")
        answer = HttpAnswer(409, {"X-A": "1"}, "it is in use")
        self.answers[EventType.PRE_TERMINATE] = Answer(reject=True, response=answer)
        response = self.server.ask(message(b"DELETE", path))
        self.assert_told(response, 409, answer)
        self.assert_stored(path, b"abc")

    def test_answered(self) -> None:
        """The answer may be the hook's."""
        answer = HttpAnswer(None, {"X-A": "1"}, "gone")
        self.answers[EventType.PRE_TERMINATE] = Answer(response=answer)
        path = self.server.create(6)
        response = self.server.ask(message(b"DELETE", path))
        self.assert_told(response, 200, answer)
        self.assertEqual(self.server.head(path).status, 404)
