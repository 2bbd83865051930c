"""Tests for :mod:`tustwisted.web.problems`."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import RESPONSES
from twisted.web.test.requesthelper import DummyRequest

from tests.test_errors import EXAMPLES
from tustwisted import errors
from tustwisted.errors import HookRefusal, InvalidHeader, NoSpace, TusError
from tustwisted.web.problems import (
    INTERNAL,
    PROBLEMS,
    REASONS,
    respond_internal,
    respond_with,
)

CODES = {
    "ERR_UNSUPPORTED_VERSION": 412,
    "ERR_MAX_SIZE_EXCEEDED": 413,
    "ERR_INVALID_CONTENT_TYPE": 415,
    "ERR_INVALID_UPLOAD_LENGTH": 400,
    "ERR_INVALID_OFFSET": 400,
    "ERR_UPLOAD_NOT_FOUND": 404,
    "ERR_UPLOAD_EXPIRED": 410,
    "ERR_UPLOAD_LOCKED": 423,
    "ERR_MISMATCHED_OFFSET": 409,
    "ERR_UPLOAD_SIZE_EXCEEDED": 413,
    "ERR_NOT_IMPLEMENTED": 501,
    "ERR_UPLOAD_NOT_FINISHED": 400,
    "ERR_INVALID_CONCAT": 400,
    "ERR_MODIFY_FINAL": 403,
    "ERR_AMBIGUOUS_UPLOAD_LENGTH": 400,
    "ERR_INVALID_UPLOAD_LENGTH_DEFER": 400,
    "ERR_INVALID_METADATA": 400,
    "ERR_INVALID_CHECKSUM": 400,
    "ERR_UNSUPPORTED_CHECKSUM": 400,
    "ERR_CHECKSUM_MISMATCH": 460,
    "ERR_UPLOAD_INTERRUPTED": 400,
    "ERR_SERVER_SHUTDOWN": 503,
    "ERR_ORIGIN_NOT_ALLOWED": 403,
    "ERR_READ_TIMEOUT": 500,
    "ERR_NO_SPACE": 507,
}
"""The codes of T-272, each with its status."""

OWN_CODES = {
    "ERR_INTERNAL_SERVER_ERROR": 500,  # T-266
    "ERR_METHOD_NOT_ALLOWED": 405,  # T-063
    "ERR_INVALID_HOST": 400,  # T-255
    "ERR_EXPECTATION_FAILED": 417,  # T-095
    "ERR_RANGE_NOT_SATISFIABLE": 416,  # T-217
    "ERR_PRECONDITION_FAILED": 412,  # RFC 9110
    "ERR_UPLOAD_EXISTS": 409,  # an application's own ids
    "ERR_LOCKS_UNAVAILABLE": 503,  # Redis cannot be asked
    "ERR_ACCESS_DENIED": 403,  # a hook's pre-access
    "ERR_UPLOAD_REJECTED": 400,  # T-066
    "ERR_UPLOAD_TERMINATION_REJECTED": 400,  # T-124
    "ERR_UPLOAD_STOPPED": 400,  # a hook's post-receive, as tusd
    "ERR_UPLOAD_FINISH_REJECTED": 400,  # a hook's pre-finish
    "ERR_EVENTS_WAITING": 503,  # the outbox is full
}
"""What T-272 does not name, because no row or another one asks for it."""

KINDS = sorted(
    {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, TusError)
    }
    - {TusError, InvalidHeader, HookRefusal},  # never raised themselves
    key=lambda kind: kind.__name__,
)


class QuotaExceeded(NoSpace):
    """An error of an application's own store."""


class TableTests(SynchronousTestCase):
    """The table of what is told for which error."""

    def test_every_error_has_a_row(self) -> None:
        """No error is without a status (T-272)."""
        self.assertEqual(sorted(PROBLEMS, key=lambda kind: kind.__name__), KINDS)

    def test_codes(self) -> None:
        """Every code is known, and has its status (T-272)."""
        known = CODES | OWN_CODES
        for kind, problem in PROBLEMS.items():
            self.assertEqual(known.get(problem.code), problem.status, kind)

    def test_every_status_has_a_reason_phrase(self) -> None:
        """Twisted knows a status by name, or the table says how it is called."""
        for problem in PROBLEMS.values():
            self.assertIn(problem.status, RESPONSES | REASONS)

    def test_no_code_has_two_meanings(self) -> None:
        """Errors share a code where no client can do anything about it (T-272)."""
        shared: dict[str, list[str]] = {}
        for kind, problem in PROBLEMS.items():
            shared.setdefault(problem.code, []).append(kind.__name__)
        several = {code for code, kinds in shared.items() if len(kinds) > 1}
        self.assertEqual(several, {INTERNAL.code, "ERR_NOT_IMPLEMENTED"})


class ResponseTests(SynchronousTestCase):
    """What is set on a request."""

    def respond(self, error: TusError, method: bytes = b"PATCH") -> Any:
        """Answer with an error."""
        request: Any = DummyRequest([b""])
        request.method = method
        body = respond_with(request, error)
        request.write(body)
        return request

    def test_line(self) -> None:
        """Every error is a line of text of the length that is told (T-265)."""
        for kind in KINDS:
            error = kind(**EXAMPLES[kind])
            request = self.respond(error)
            body = b"".join(request.written)
            expected = f"{PROBLEMS[kind].code}: {error}\n".encode()
            self.assertEqual(body, expected)
            headers = request.responseHeaders
            lengths = headers.getRawHeaders(b"Content-Length")
            self.assertEqual(lengths, [b"%d" % len(body)])
            types = headers.getRawHeaders(b"Content-Type")
            self.assertEqual(types, [b"text/plain; charset=utf-8"])
            self.assertEqual(request.responseCode, PROBLEMS[kind].status)

    def test_head(self) -> None:
        """In answer to HEAD there are the headers of the error, and no line (T-265)."""
        request = self.respond(errors.OffsetConflict(3, 4), b"HEAD")
        self.assertEqual(request.written, [b""])
        self.assertEqual(request.responseCode, 409)
        offsets = request.responseHeaders.getRawHeaders(b"Upload-Offset")
        self.assertEqual(offsets, [b"3"])
        self.assertFalse(request.responseHeaders.hasHeader(b"Content-Length"))

    def test_when_to_try_again(self) -> None:
        """What may be over in a moment says when."""
        for error, seconds in (
            (errors.UploadLocked(20.0), b"1"),
            (errors.LocksUnavailable(), b"1"),
            (errors.EventsWaiting(), b"5"),
        ):
            headers = self.respond(error).responseHeaders
            self.assertEqual(headers.getRawHeaders(b"Retry-After"), [seconds])

    def test_error_of_an_application(self) -> None:
        """A kind that an application derives is told as the one it derives (T-272)."""
        request = self.respond(QuotaExceeded())
        self.assertEqual(request.responseCode, 507)

    def test_reason_phrase(self) -> None:
        """A status that Twisted has no name for is named all the same."""
        request = self.respond(errors.UploadLocked(20.0))
        self.assertEqual(request.responseMessage, b"Locked")

    def test_unknown_error(self) -> None:
        """One that derives from nothing in the table tells nothing (T-266)."""

        class Odd(TusError):
            def __str__(self) -> str:
                return "/srv/secret"

        request = self.respond(Odd())
        self.assertEqual(request.responseCode, 500)
        self.assertNotIn(b"secret", b"".join(request.written))

    def test_internal(self) -> None:
        """A fault of ours is one fixed line (T-266)."""
        request: Any = DummyRequest([b""])
        body = respond_internal(request).decode()
        self.assertIsNotNone(
            re.fullmatch(r"ERR_INTERNAL_SERVER_ERROR: [a-z ]+\n", body)
        )
        self.assertEqual(request.responseCode, 500)
