"""Tests for :mod:`tustwisted.web.merging`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel

from tustwisted.errors import AccessDenied, NoSpace, TusError, UploadRejected
from tustwisted.httpanswer import HttpAnswer
from tustwisted.uploads.caller import Caller
from tustwisted.web.merging import merge_error, merge_success
from tustwisted.web.problems import respond_with

TEXT = b"text/plain; charset=utf-8"


class MergingCase(SynchronousTestCase):
    """
    Answers a request.

    :ivar request: the one that is answered.
    :ivar caller: who makes it.
    """

    def setUp(self) -> None:
        self.request: Any = Request(DummyChannel())
        self.request.method = b"POST"
        self.caller = Caller()

    def header(self, name: bytes) -> bytes | None:
        """The only value of a header of the answer."""
        values = self.request.responseHeaders.getRawHeaders(name, [None])
        self.assertEqual(len(values), 1)
        value: bytes | None = values[0]
        return value


class SuccessTests(MergingCase):
    """Answers to what was done."""

    def succeed(self, status: int, *answers: HttpAnswer) -> bytes:
        """Answer with this status and what these hooks make of it."""
        self.request.setResponseCode(status)
        for answer in answers:
            self.caller.hear(answer)
        return merge_success(self.request, self.caller)

    def test_nothing(self) -> None:
        """Without hooks, and where they say nothing, nothing is changed."""
        for answers in ((), (HttpAnswer(),)):
            self.assertEqual(self.succeed(204, *answers), b"")
            self.assertEqual(self.request.code, 204)
            self.assertEqual(list(self.request.responseHeaders.getAllRawHeaders()), [])

    def test_vary(self) -> None:
        """What an answer depends on is what it did, and what the hook says (T-194)."""
        self.request.responseHeaders.addRawHeader(b"Vary", b"Origin")
        self.succeed(201, HttpAnswer(headers={"vary": "Authorization"}))
        lines = self.request.responseHeaders.getRawHeaders(b"Vary")
        self.assertEqual(lines, [b"Origin", b"Authorization"])

    def test_everything(self) -> None:
        """Status, headers and body are the hook's; the length is that of the bytes."""
        answer = HttpAnswer(202, {"location": "/x", "X-A": "\xe9"}, "h\xe9")
        self.request.setHeader(b"Location", b"/y")
        self.assertEqual(self.succeed(201, answer), b"h\xc3\xa9")
        self.assertEqual(self.request.code, 202)
        self.assertEqual(self.header(b"Location"), b"/x")
        self.assertEqual(self.header(b"X-A"), b"\xe9")
        self.assertEqual(self.header(b"Content-Length"), b"3")
        self.assertEqual(self.header(b"Content-Type"), TEXT)

    def test_own_type(self) -> None:
        """A hook may say of what type its body is."""
        answer = HttpAnswer(None, {"content-type": "application/json"}, "{}")
        self.assertEqual(self.succeed(201, answer), b"{}")
        self.assertEqual(self.header(b"Content-Type"), b"application/json")

    def test_body_of_what_has_none(self) -> None:
        """A 204 or 205 that is to have a body is a 200 (RFC 9110)."""
        for status in (204, 205):
            self.assertEqual(self.succeed(status, HttpAnswer(body="done")), b"done")
            self.assertEqual(self.request.code, 200)
            self.assertEqual(self.header(b"Content-Length"), b"4")

    def test_none(self) -> None:
        """What becomes a 204 has no length any more; what was one has one."""
        self.request.setHeader(b"Content-Length", b"0")
        self.assertEqual(self.succeed(201, HttpAnswer(204)), b"")
        self.assertIsNone(self.header(b"Content-Length"))
        self.assertEqual(self.succeed(204, HttpAnswer(200)), b"")
        self.assertEqual(self.header(b"Content-Length"), b"0")

    def test_several(self) -> None:
        """The last hook that says something has the last word."""
        answers = HttpAnswer(202, {"X-A": "1"}, "one"), HttpAnswer(None, {"X-A": "2"})
        self.assertEqual(self.succeed(201, *answers), b"one")
        self.assertEqual((self.request.code, self.header(b"X-A")), (202, b"2"))


class ErrorTests(MergingCase):
    """Answers to what failed."""

    def fail_with(self, error: TusError) -> bytes:
        """Answer with an error."""
        self.request.hook_caller = self.caller
        return merge_error(self.request, error, respond_with(self.request, error))

    def test_refusal(self) -> None:
        """It is told as the hook wants it."""
        answer = HttpAnswer(401, {"WWW-Authenticate": "Bearer"}, "who are you?")
        self.assertEqual(self.fail_with(AccessDenied(answer)), b"who are you?")
        self.assertEqual(self.request.code, 401)
        self.assertEqual(self.header(b"WWW-Authenticate"), b"Bearer")
        self.assertEqual(self.header(b"Content-Length"), b"12")
        self.assertEqual(self.header(b"Content-Type"), TEXT)

    def test_default(self) -> None:
        """A hook that says nothing leaves our line (T-265)."""
        line = self.fail_with(UploadRejected(HttpAnswer()))
        self.assertTrue(line.startswith(b"ERR_UPLOAD_REJECTED: "), line)
        self.assertEqual(self.request.code, 400)
        self.assertEqual(self.header(b"Content-Length"), b"%d" % len(line))

    def test_status_without_a_body(self) -> None:
        """Our line is no body for a status that has none."""
        for status, length in ((204, None), (205, b"0"), (304, None)):
            self.assertEqual(self.fail_with(UploadRejected(HttpAnswer(status))), b"")
            self.assertEqual(self.header(b"Content-Length"), length)
            self.assertIsNone(self.header(b"Content-Type"))

    def test_head(self) -> None:
        """In answer to HEAD there are only the headers."""
        self.request.method = b"HEAD"
        answer = HttpAnswer(401, {"WWW-Authenticate": "Bearer"}, "who are you?")
        self.assertEqual(self.fail_with(AccessDenied(answer)), b"")
        self.assertEqual(self.header(b"WWW-Authenticate"), b"Bearer")
        self.assertIsNone(self.header(b"Content-Length"))

    def test_reason_phrase(self) -> None:
        """A status that Twisted has no name for has the one of the table."""
        self.fail_with(UploadRejected(HttpAnswer(423)))
        self.assertEqual(self.request.code_message, b"Locked")

    def test_refused_after_a_yes(self) -> None:
        """What an earlier hook said of a success is not said of the refusal."""
        self.caller.hear(HttpAnswer(200, {"X-A": "1", "Location": "/x"}, "welcome"))
        line = self.fail_with(UploadRejected(HttpAnswer()))
        self.assertTrue(line.startswith(b"ERR_UPLOAD_REJECTED: "), line)
        self.assertEqual(self.request.code, 400)
        self.assertEqual(self.header(b"X-A"), b"1")
        self.assertIsNone(self.header(b"Location"))

    def test_another_error(self) -> None:
        """After a hook said yes an error stays one; the hook's headers are there."""
        self.caller.hear(HttpAnswer(200, {"X-A": "1", "Location": "/x"}, "welcome"))
        line = self.fail_with(NoSpace())
        self.assertTrue(line.startswith(b"ERR_NO_SPACE: "), line)
        self.assertEqual(self.request.code, 507)
        self.assertEqual(self.header(b"X-A"), b"1")
        self.assertIsNone(self.header(b"Location"))

    def test_location(self) -> None:
        """Where something is left after an error, the hook says where."""
        self.caller.hear(HttpAnswer(None, {"Location": "/x"}))
        self.request.setHeader(b"Location", b"/y")
        self.fail_with(NoSpace())
        self.assertEqual(self.header(b"Location"), b"/x")
