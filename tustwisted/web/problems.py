"""
How errors are told over HTTP: the only place that knows status codes.

An error is one line of text, ``ERR_CODE: message``, with no path, no traceback and no
text from below (T-265, T-266, T-272).
"""

from __future__ import annotations

from attrs import frozen
from twisted.web.iweb import IRequest

from tustwisted import errors
from tustwisted.errors import TusError
from tustwisted.protocol.headers import OFFSET_OCTET_STREAM
from tustwisted.protocol.versions import TUS_VERSION


@frozen
class Problem:
    """What one type of error looks like on the wire."""

    status: int
    code: str
    closes: bool = False
    """The connection ends with the answer, whatever is left of the body."""


INTERNAL = Problem(500, "ERR_INTERNAL_SERVER_ERROR", closes=True)

PROBLEMS: dict[type[TusError], Problem] = {
    # tus 1.0.0, Tus-Resumable (T-002, T-003)
    errors.UnsupportedVersion: Problem(412, "ERR_UNSUPPORTED_VERSION"),
    # RFC 9110 section 15.5.6 (T-063, T-064, T-270)
    errors.MethodNotAllowed: Problem(405, "ERR_METHOD_NOT_ALLOWED"),
    # tus 1.0.0, PATCH (T-022)
    errors.InvalidContentType: Problem(415, "ERR_INVALID_CONTENT_TYPE"),
    # RFC 9112 section 3.2 (T-255)
    errors.InvalidHost: Problem(400, "ERR_INVALID_HOST", closes=True),
    # RFC 9112 section 6.1 (T-259)
    errors.UnknownTransferCoding: Problem(501, "ERR_NOT_IMPLEMENTED", closes=True),
    # RFC 9110 section 10.1.1 (T-095)
    errors.UnmetExpectation: Problem(417, "ERR_EXPECTATION_FAILED"),
    # tus 1.0.0, Upload-Offset (T-024, T-025)
    errors.InvalidOffset: Problem(400, "ERR_INVALID_OFFSET"),
    # tus 1.0.0, Upload-Length (T-055, T-057)
    errors.InvalidUploadLength: Problem(400, "ERR_INVALID_UPLOAD_LENGTH"),
    # tus 1.0.0, Upload-Metadata (T-072 to T-077)
    errors.InvalidMetadata: Problem(400, "ERR_INVALID_METADATA"),
    # tus 1.0.0, Creation (T-097)
    errors.InvalidDeferLength: Problem(400, "ERR_INVALID_UPLOAD_LENGTH_DEFER"),
    # tus 1.0.0, Concatenation (T-173, T-175)
    errors.InvalidConcat: Problem(400, "ERR_INVALID_CONCAT"),
    # tus 1.0.0, Checksum (T-128, T-129)
    errors.InvalidChecksum: Problem(400, "ERR_INVALID_CHECKSUM"),
    errors.UnsupportedChecksum: Problem(400, "ERR_UNSUPPORTED_CHECKSUM"),
    # Fetch standard, CORS protocol (T-196)
    errors.OriginNotAllowed: Problem(403, "ERR_ORIGIN_NOT_ALLOWED"),
    # tus 1.0.0, Creation (T-056)
    errors.AmbiguousUploadLength: Problem(400, "ERR_AMBIGUOUS_UPLOAD_LENGTH"),
    # tus 1.0.0, Creation and Concatenation (T-098, T-190)
    errors.ExtensionDisabled: Problem(501, "ERR_NOT_IMPLEMENTED"),
    # RFC 9110 section 15.5.17 (T-217)
    errors.UnsatisfiableRange: Problem(416, "ERR_RANGE_NOT_SATISFIABLE"),
    # RFC 9110 section 15.5.13: downloads only, ERR_UNSUPPORTED_VERSION is the other 412
    errors.PreconditionFailed: Problem(412, "ERR_PRECONDITION_FAILED"),
    # tus 1.0.0, PATCH and HEAD (T-015, T-029)
    errors.UploadNotFound: Problem(404, "ERR_UPLOAD_NOT_FOUND"),
    # tus 1.0.0, Expiration (T-155)
    errors.UploadExpired: Problem(410, "ERR_UPLOAD_EXPIRED"),
    # tus 1.0.0, Concatenation (T-179)
    errors.UploadNotFinished: Problem(400, "ERR_UPLOAD_NOT_FINISHED"),
    # tus 1.0.0, Checksum (T-127)
    errors.ChecksumMismatch: Problem(460, "ERR_CHECKSUM_MISMATCH"),
    # only an application that names its uploads can meet this one
    errors.UploadExists: Problem(409, "ERR_UPLOAD_EXISTS"),
    # tus 1.0.0, Concatenation (T-186)
    errors.ModifyFinal: Problem(403, "ERR_MODIFY_FINAL"),
    # tus 1.0.0, PATCH (T-028)
    errors.OffsetConflict: Problem(409, "ERR_MISMATCHED_OFFSET"),
    # tus 1.0.0, Creation (T-058)
    errors.UploadTooLarge: Problem(413, "ERR_MAX_SIZE_EXCEEDED"),
    # RFC 9110 section 15.5.14 (T-030, T-032, T-036)
    errors.UploadSizeExceeded: Problem(413, "ERR_UPLOAD_SIZE_EXCEEDED", closes=True),
    # RFC 4918 section 11.3 (T-233)
    errors.UploadLocked: Problem(423, "ERR_UPLOAD_LOCKED"),
    # T-231: clients do not try again after a 400, so two of them cannot fight for ever
    errors.UploadInterrupted: Problem(400, "ERR_UPLOAD_INTERRUPTED", closes=True),
    # T-043, T-045, T-241: clients try again after a 5xx
    errors.ReadTimeout: Problem(500, "ERR_READ_TIMEOUT", closes=True),
    errors.NoSpace: Problem(507, "ERR_NO_SPACE", closes=True),
    errors.ServerShutdown: Problem(503, "ERR_SERVER_SHUTDOWN", closes=True),
    # clients try again after a 5xx, here after a moment
    errors.LocksUnavailable: Problem(503, "ERR_LOCKS_UNAVAILABLE"),
    # what hooks do not allow; the status is theirs if they have one (T-066, T-124)
    errors.AccessDenied: Problem(403, "ERR_ACCESS_DENIED"),
    errors.UploadRejected: Problem(400, "ERR_UPLOAD_REJECTED"),
    errors.TerminationRejected: Problem(400, "ERR_UPLOAD_TERMINATION_REJECTED"),
    errors.UploadStopped: Problem(400, "ERR_UPLOAD_STOPPED", closes=True),
    errors.FinishRejected: Problem(400, "ERR_UPLOAD_FINISH_REJECTED"),
    # clients try again after a 5xx
    errors.EventsWaiting: Problem(503, "ERR_EVENTS_WAITING"),
    errors.HookFailed: INTERNAL,
    errors.StorageFailed: INTERNAL,
    errors.FinishFailed: INTERNAL,
    errors.LockLost: INTERNAL,
}

TEXT = b"text/plain; charset=utf-8"
"""The type of what is told in words."""

REASONS = {423: b"Locked", 460: b"Checksum Mismatch"}
"""Reason phrases of the statuses that Twisted has no name for."""


def respond_with(request: IRequest, error: TusError) -> bytes:
    """
    Set the status and headers of an error.

    :param error: of a kind in the table, or of one that an application derives from it.
    :returns: the body to send; empty in answer to HEAD.
    """
    kinds = [kind for kind in type(error).__mro__ if kind in PROBLEMS]
    if not kinds:
        return respond_internal(request)
    problem = PROBLEMS[kinds[0]]
    _set_own_headers(request, error)
    return _respond(request, problem, str(error))


def respond_internal(request: IRequest) -> bytes:
    """Set the status and headers of a fault of ours, telling nothing of it (T-266)."""
    return _respond(request, INTERNAL, "something went wrong in the server")


def code_of(request: IRequest) -> str:
    """Tell with which ``ERR_CODE`` a request was refused; empty: it was not."""
    code: str = getattr(request, "problem_code", "")
    return code


def _respond(request: IRequest, problem: Problem, message: str) -> bytes:
    request.problem_code = problem.code  # type: ignore[attr-defined]
    request.setResponseCode(problem.status, REASONS.get(problem.status))
    if problem.closes:
        request.setHeader(b"Connection", b"close")
    if request.method == b"HEAD":
        return b""
    body = f"{problem.code}: {message}\n".encode()
    request.setHeader(b"Content-Type", TEXT)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def _set_own_headers(request: IRequest, error: TusError) -> None:
    match error:
        case errors.UnsupportedVersion():
            request.setHeader(b"Tus-Version", TUS_VERSION.encode())
        case errors.MethodNotAllowed(allowed):
            request.setHeader(b"Allow", ", ".join(allowed).encode())
        case errors.InvalidContentType():
            request.setHeader(b"Accept-Patch", OFFSET_OCTET_STREAM)
        case errors.OffsetConflict(stored):
            request.setHeader(b"Upload-Offset", b"%d" % stored)
        case errors.UnsatisfiableRange(length):
            request.setHeader(b"Content-Range", b"bytes */%d" % length)
        case errors.UploadLocked() | errors.LocksUnavailable():
            request.setHeader(b"Retry-After", b"1")
        case errors.EventsWaiting():
            request.setHeader(b"Retry-After", b"5")
