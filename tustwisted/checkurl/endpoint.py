"""Whether a tus server answers at all, and whether it lets one in."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tustwisted.checkurl.answers import Answer, printable
from tustwisted.checkurl.findings import Finding, ok, problem, warning
from tustwisted.checkurl.urls import origin_of, resolved

SLOW_S = 1.0
"""A small request that takes longer is slow."""

PASS_ON = "let the proxy pass this path on to the tus server"


def judge_refusal(answer: Answer, has_secrets: bool) -> Finding | None:
    """
    Say why a request did not get to the server, if that is plain to see.

    :param has_secrets: credentials were sent.
    """
    about = "creation" if answer.method == "POST" else "endpoint"
    if answer.is_redirect:
        return _judge_redirect(about, answer)
    if answer.status in (401, 403, 407):
        fix = "give credentials: --header 'Authorization: Bearer ...'"
        if has_secrets:
            fix = "see what the server or the proxy has against the --header given"
        return problem(about, _with_words(answer), fix)
    if answer.status in (502, 503, 504) and not answer.is_from_tus:
        fix = "see that the tus server runs, at the address that the proxy has for it"
        return problem(about, f"{answer.told}: the proxy does not reach it", fix)
    return None


def judge_options(answer: Answer, created: Answer | None) -> Finding:
    """
    Say what the server offers.

    :param created: the answer to the creation of an upload; ``None``: there is none.
    """
    versions = answer.value("Tus-Version")
    if answer.is_good and versions is not None:
        offers = ", ".join(sorted(answer.words("Tus-Extension"))) or "no extension"
        size = answer.value("Tus-Max-Size")
        limit = f"uploads of {printable(size)} bytes" if size else "uploads of any size"
        return ok("endpoint", f"tus {printable(versions)}; {offers}; {limit}")
    if created is not None and created.status == 201 and created.is_from_tus:
        return warning(
            "endpoint",
            f"{answer.told} without Tus-Version, but uploads can be created: "
            "something before the tus server answers OPTIONS itself",
            "let OPTIONS pass, or clients do not learn of extensions and of "
            "Tus-Max-Size",
        )
    return problem(
        "endpoint",
        f"{_with_words(answer)} without Tus-Version: no tus server is here",
        f"give the creation URL, such as https://files.example/files/, or {PASS_ON}",
    )


def judge_creation(answer: Answer) -> Finding:
    """Say whether an upload was created."""
    location = answer.value("Location")
    if answer.status == 201 and location:
        if answer.is_from_tus:
            return ok("creation", f"{answer.told}, after {_ms(answer.took_s)}")
        return problem(
            "creation",
            f"{answer.told} without Tus-Resumable",
            "let the proxy pass the server's headers on (nginx: proxy_hide_header, "
            "more_clear_headers)",
        )
    if answer.status == 201:
        return problem(
            "creation",
            f"{answer.told} without Location, which tells where the upload is",
            "let the proxy pass the server's Location on",
        )
    fix = PASS_ON
    if answer.status == 412:
        fix = "let the proxy pass the client's Tus-Resumable on"
    elif answer.is_from_tus:
        fix = "see what the server, or a hook of it, has against this upload"
    return problem("creation", _with_words(answer), fix)


def judge_pace(answers: Sequence[Answer]) -> Finding:
    """Say how quick the small requests were."""
    small = [a for a in answers if a.method in ("OPTIONS", "HEAD", "DELETE")]
    times = [answer.took_s for answer in small]
    slowest = max(small, key=lambda answer: answer.took_s)
    seen = (
        f"{len(small)} small requests took {_ms(median(times))} in the middle, the "
        f"slowest ({slowest.method}) {_ms(slowest.took_s)}"
    )
    if median(times) < SLOW_S:
        return ok("pace", seen)
    return warning(
        "pace", seen, "look at the load of the server, its disk and its hooks"
    )


def judge_version(answers: Sequence[Answer]) -> Finding:
    """Say what HTTP the answers are in."""
    versions = sorted({answer.version for answer in answers})
    if versions == ["1.1"]:
        return ok("HTTP", "all answers are HTTP/1.1")
    return warning(
        "HTTP",
        f"answers are HTTP/{' and '.join(versions)}: each needs a connection of its "
        "own, and none can be without a length",
        "let the proxy speak HTTP/1.1 (nginx: proxy_http_version 1.1)",
    )


def _judge_redirect(about: str, answer: Answer) -> Finding:
    location = answer.value("Location") or ""
    target = resolved(answer.url, location)
    seen = f"{answer.told}, to {printable(target or location) or 'nowhere'}"
    if target is None:
        return problem(about, seen, PASS_ON)
    what = "that URL"
    if origin_of(target)[0] != origin_of(answer.url)[0]:
        what = "https:// in the URL"
    elif target.rstrip("/") == answer.url.rstrip("/"):
        what = "the slash at the end of the URL as it is there"
    return problem(
        about,
        f"{seen}: browsers follow no redirect of a preflight, and many clients make "
        "a GET of a POST",
        f"let clients use {what}, and check that one",
    )


def _with_words(answer: Answer) -> str:
    return f"{answer.told} ({answer.said})" if answer.said else answer.told


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
