"""What every answer must be like, whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tests.fuzz.wire import Answer

DOCUMENTED = frozenset(
    [
        *(100, 200, 201, 204, 206, 304),
        *(400, 403, 404, 405, 409, 410, 412, 413, 415, 416, 417, 423, 460, 501),
    ]
)
"""Every status that a request may get while nothing fails: ``docs/conformance.rst``."""

NOT_FROM_US = frozenset([b"*"])
"""Targets that Twisted answers itself (``OPTIONS *``)."""

_ERROR = re.compile(rb"ERR_[A-Z_]+: [\x20-\x7e]+\n")


def faults(answer: Answer, never: Collection[bytes], silent: bool) -> Iterator[str]:
    """
    Say what is wrong with an answer.

    :param never: what may stand in none.
    :param silent: the client stopped in the middle: it may be told so.
    """
    status = answer.status
    timed_out = silent and answer.body.startswith(b"ERR_READ_TIMEOUT: ")
    if status not in DOCUMENTED and not (status == 500 and timed_out):
        yield f"status {status}"
    for secret in never:
        if secret in answer.body or any(secret in field for _, field in answer.fields):
            yield f"{secret!r} is in the answer"
    if any(name.lower() == b"x-injected" for name, _ in answer.fields):
        yield "a header of the client's making"
    ours = answer.asked is None or answer.asked.target not in NOT_FROM_US
    if status >= 200 and not answer.is_raw and ours:
        yield from _faults_of_ours(answer)


def _faults_of_ours(answer: Answer) -> Iterator[str]:
    if answer[b"tus-resumable"] != b"1.0.0":
        yield "no Tus-Resumable"
    if answer[b"x-content-type-options"] != b"nosniff":
        yield "no nosniff"
    if answer.status == 204 and answer[b"content-length"] is not None:
        yield "a Content-Length in a 204"
    if answer.status == 201 and answer[b"location"] is None:
        yield "no Location in a 201"
    if answer.status == 409 and answer[b"upload-offset"] is None:
        yield "no Upload-Offset in a 409"
    if answer.status >= 400 and answer.body and not _ERROR.fullmatch(answer.body):
        yield "an error that is not one line of text"
    head = answer.asked is not None and answer.asked.method == b"HEAD"
    if answer.status >= 400 and not answer.body and not head:
        yield from _faults_of_empty(answer)


def _faults_of_empty(answer: Answer) -> Iterator[str]:
    # A HEAD by X-HTTP-Method-Override has no body, and says so (T-228).
    if answer[b"content-length"] != b"0":
        yield "an error without a word"
