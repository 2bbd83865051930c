"""Whether the bytes of an upload get to the server as they are sent."""

from __future__ import annotations

from attrs import frozen

from tustwisted.checkurl.answers import Answer, printable
from tustwisted.checkurl.findings import Finding, ok, problem, warning

LOG_FIX = "see what the log of the server says of this"
STREAM_FIX = "nginx: proxy_request_buffering off; proxy_http_version 1.1;"


def judge_head(answer: Answer, length: int, metadata: str) -> list[Finding]:
    """
    Say what is missing in the answer to HEAD.

    :param length: of the upload.
    :param metadata: as it was sent.
    """
    findings = []
    lost = [
        name
        for name in ("Tus-Resumable", "Upload-Offset", "Upload-Length")
        if answer.value(name) is None
    ]
    if lost:
        findings.append(
            problem(
                "headers",
                f"{answer.told} without {', '.join(lost)}",
                "let the proxy pass the server's headers on",
            )
        )
    elif answer.value("Upload-Length") != str(length):
        findings.append(
            problem(
                "headers",
                f"Upload-Length is {printable(answer.value('Upload-Length') or '')}, "
                f"though the upload was created with {length}",
                "see which program changes headers",
            )
        )
    elif answer.value("Upload-Metadata") != metadata:
        findings.append(
            warning(
                "headers",
                "Upload-Metadata does not come back as it was sent",
                "let the proxy pass Upload-Metadata on, both ways",
            )
        )
    else:
        findings.append(ok("headers", "what HEAD tells is complete"))
    return [*findings, _judge_caching(answer)]


def _judge_caching(answer: Answer) -> Finding:
    age = answer.value("Age")
    if age is not None:
        return problem(
            "caching",
            f"the answer to HEAD is out of a cache, {printable(age)} s old",
            "let no cache keep anything below the creation URL",
        )
    if "no-store" in answer.words("Cache-Control"):
        return ok("caching", "HEAD says Cache-Control: no-store")
    return warning(
        "caching",
        "HEAD does not say Cache-Control: no-store, so a cache may tell old offsets",
        "let the proxy pass the server's Cache-Control on, or set it",
    )


def judge_patch(answer: Answer, expected: int, about: str = "PATCH") -> Finding:
    """
    Say whether a PATCH got through.

    :param expected: the offset after it.
    """
    if answer.is_good and answer.offset == expected:
        return ok(about, f"{answer.told}, and Upload-Offset is {expected}")
    if answer.is_good:
        offset = answer.value("Upload-Offset")
        return problem(
            about,
            f"{answer.told}, but Upload-Offset is "
            f"{'missing' if offset is None else printable(offset)}, not {expected}",
            "let the proxy pass bodies and headers on unchanged",
        )
    fixes = {
        411: "let the proxy pass Content-Length on",
        412: "let the proxy pass the client's Tus-Resumable on",
        413: "nginx: client_max_body_size 0;",
        415: "let the proxy pass the client's Content-Type on",
    }
    said = f" ({answer.said})" if answer.said else ""
    others = LOG_FIX if answer.is_from_tus else "let the proxy pass PATCH on"
    fix = fixes.get(answer.status, others)
    return problem(about, f"{answer.told}{said}", fix)


def is_blocked(answer: Answer) -> bool:
    """Whether somebody does not let PATCH through, who is no tus server."""
    return answer.status in (400, 403, 404, 405, 501) and not answer.is_from_tus


def judge_blocked(patch: Answer, override: Answer | None, expected: int) -> Finding:
    """
    Say that PATCH is blocked, and whether there is a way round.

    :param override: what a POST was answered that says that it is a PATCH.
    """
    fix = "let the proxy, or the firewall, pass PATCH, HEAD and DELETE on"
    if override is not None and override.is_good and override.offset == expected:
        seen = f"{patch.told}; a POST with X-HTTP-Method-Override: PATCH gets through"
        return problem(
            "PATCH", seen, f"{fix}; until then: tus-js-client: overridePatchMethod"
        )
    answered = "nothing" if override is None else str(override.status)
    seen = f"{patch.told}, and a POST with X-HTTP-Method-Override by {answered}"
    return problem("PATCH", seen, fix)


@frozen
class Streamed:
    """
    What became of a body of which only the begin was sent before it was cut.

    All are counted in bytes of that body.
    """

    sent: int
    noticed_s: float | None
    """When it was clear, before the cut, that the server has some of it; seconds."""

    kept: int | None
    """What was there after the cut; ``None``: HEAD did not tell any more."""

    waited_s: float
    """How long it took to find that out."""


def judge_streamed(streamed: Streamed) -> list[Finding]:
    """Say whether bodies stream, and what a cut connection leaves."""
    sent, kept = streamed.sent, streamed.kept
    if streamed.noticed_s is None and not kept:
        return [
            problem(
                "streaming",
                f"{sent} bytes of a PATCH were sent, and the server knew of none "
                f"{streamed.waited_s:.1f} s later: the proxy keeps bodies back until "
                "they are complete",
                STREAM_FIX,
            ),
            problem(
                "cut",
                f"nothing is left of {sent} bytes after the connection was cut: "
                "uploads begin anew instead of going on",
                STREAM_FIX,
            ),
        ]
    how = "the server tells of them after the connection was cut"
    if streamed.noticed_s is not None:
        how = f"the server has them {streamed.noticed_s:.1f} s later"
    findings = [ok("streaming", f"{sent} bytes of a PATCH were sent, and {how}")]
    if kept is None:
        fix = "see in the server's log what it did then"
        seen = "HEAD told no offset any more after the connection was cut"
        return [*findings, problem("cut", seen, fix)]
    if kept == 0:
        seen = f"nothing is left of {sent} bytes after the connection was cut"
        fix = "see in the server's log why it does not keep what came"
        return [*findings, problem("cut", seen, fix)]
    seen = f"{kept} of {sent} bytes are kept when the connection is cut"
    return [*findings, ok("cut", seen)]


def judge_large(answer: Answer | None, size: int, trouble: str = "") -> Finding:
    """
    Say whether a large chunk gets through.

    :param answer: ``None`` if there was none.
    :param size: of the chunk, bytes.
    :param trouble: why there was none.
    """
    if answer is None:
        fix = "see whether the proxy has a limit: nginx: client_max_body_size 0;"
        return problem("large chunk", f"a PATCH of {size} bytes fails: {trouble}", fix)
    if answer.is_good:
        return ok("large chunk", f"a PATCH of {size} bytes gets through")
    seen = f"a PATCH of {size} bytes: {answer.told}"
    fix = "see what is said of this in the log of the server or the proxy"
    if answer.status == 413 and not answer.is_from_tus:
        fix = "nginx: client_max_body_size 0; Apache: LimitRequestBody 0"
    return problem("large chunk", seen, fix)


def judge_expect(answer: Answer | None, trouble: str = "") -> Finding:
    """Say whether ``Expect: 100-continue`` does harm, as curl sends it."""
    if answer is not None and answer.is_good:
        return ok("Expect", "a PATCH with Expect: 100-continue gets through")
    seen = answer.told if answer is not None else trouble
    return warning(
        "Expect",
        f"with Expect: 100-continue, as curl sends it, {seen}",
        "let the proxy pass Expect on, or answer it by 100 itself",
    )


def judge_conflict(answer: Answer) -> Finding:
    """Say whether an error of the server comes as it is."""
    if answer.status == 409:
        return ok("errors", "a PATCH at a wrong offset is answered by 409")
    return warning(
        "errors",
        f"a PATCH at a wrong offset should be answered by 409, and {answer.told}",
        "let the proxy pass errors on as they are (nginx: proxy_intercept_errors off)",
    )


def judge_download(answer: Answer, content: bytes) -> Finding:
    """
    Say whether a finished upload comes back as it was sent.

    :param answer: to GET with ``Accept-Encoding: gzip``.
    """
    if answer.status in (403, 404, 405, 501):
        return ok("download", f"{answer.told}: there are no downloads")
    coding = answer.value("Content-Encoding")
    if answer.is_good and coding is not None:
        return warning(
            "download",
            f"what was uploaded comes back with Content-Encoding: {printable(coding)}: "
            "without its length, and it cannot be resumed",
            "nginx: gzip off; for this path",
        )
    if answer.is_good and answer.body == content:
        return ok("download", f"GET gives the {len(content)} bytes that were sent")
    if answer.is_good:
        return problem(
            "download",
            f"GET gives other bytes than were sent ({len(answer.body)}, not "
            f"{len(content)})",
            "see which program changes bodies",
        )
    return problem("download", answer.told, "see the server's log")


def judge_removal(answer: Answer | None, url: str, is_offered: bool) -> Finding:
    """
    Say whether the upload is gone, or what is left.

    :param answer: to DELETE; ``None``: there was none, or it was not asked for.
    :param is_offered: termination is.
    """
    left = f"the upload {printable(url)} is left behind"
    if answer is not None and answer.is_good:
        return ok("removal", "the upload is removed again")
    if not is_offered:
        fix = "remove it on the server, or let it expire"
        return warning("removal", f"no termination is offered: {left}", fix)
    told = "DELETE has no answer" if answer is None else answer.told
    is_own = answer is not None and answer.is_from_tus
    fix = LOG_FIX if is_own else "let the proxy pass DELETE on"
    return problem("removal", f"{told}: {left}", fix)
