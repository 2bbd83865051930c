"""
What hooks change of an answer.

A hook that allows something decides how its success is told; one that does not, how
the refusal is.  Where neither is the case, such as a full disk after a hook said yes,
the error is ours to tell, and only the headers are theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.web.http import NO_BODY_CODES
from twisted.web.iweb import IRequest
from twisted.web.server import Request

from tustwisted.errors import HookRefusal
from tustwisted.httpanswer import NO_CHANGE, HttpAnswer
from tustwisted.uploads.caller import Caller
from tustwisted.web.access import caller_of
from tustwisted.web.problems import REASONS, TEXT

_WITHOUT_CONTENT = (204, 205)
"""Statuses that say that there is no body (RFC 9110, sections 15.3.5 and 15.3.6)."""


def merge_success(request: Request, caller: Caller) -> bytes:
    """
    Finish an answer that has no body unless a hook gives it one.

    :returns: the body to send.
    """
    answer = caller.response
    if answer is NO_CHANGE or answer == NO_CHANGE:
        return b""
    if answer.status is not None:
        _set_status(request, answer.status)
    _set_headers(request, answer)
    return _set_body(request, answer, b"")


def merge_error(request: IRequest, error: BaseException | None, line: bytes) -> bytes:
    """
    Finish the answer to what has failed.

    :param error: what it failed with.
    :param line: what we tell of it; status and headers are set.
    :returns: the body to send.
    """
    caller = caller_of(request)
    if caller is not None:
        has_location = request.responseHeaders.hasHeader(b"Location")
        _set_headers(request, caller.response, () if has_location else ("location",))
    if not isinstance(error, HookRefusal):
        return line
    answer = error.response
    if answer.status is not None:
        _set_status(request, answer.status)
    _set_headers(request, answer)
    return _set_body(request, answer, line)


def _set_status(request: IRequest, status: int) -> None:
    request.setResponseCode(status, REASONS.get(status))


def _set_headers(
    request: IRequest, answer: HttpAnswer, without: Collection[str] = ()
) -> None:
    """
    Set the headers of a hook in place of ours; ``Vary`` has both (T-194).

    :param without: names in lower case, those that are left out.
    """
    for name, value in answer.headers.items():
        if name.lower() in without:
            continue
        header, line = name.encode("ascii"), value.encode("latin-1")
        if name.lower() == "vary":
            request.responseHeaders.addRawHeader(header, line)
        else:
            request.setHeader(header, line)


def _set_body(request: Any, answer: HttpAnswer, ours: bytes) -> bytes:
    """
    Frame the body that is sent, by the status and the method that count in the end.

    :param ours: sent when the hook gives none.
    """
    if request.method == b"HEAD":
        return b""
    has_type = any(name.lower() == "content-type" for name in answer.headers)
    if answer.body:
        body = answer.body.encode()
        if not has_type:
            request.setHeader(b"Content-Type", TEXT)
        if request.code in _WITHOUT_CONTENT:
            _set_status(request, 200)
    else:
        is_empty = request.code in (*_WITHOUT_CONTENT, *NO_BODY_CODES)
        body = b"" if is_empty else ours
        if not (body or has_type):
            request.responseHeaders.removeHeader(b"Content-Type")
    if request.code in NO_BODY_CODES:
        request.responseHeaders.removeHeader(b"Content-Length")
        return b""
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body
