"""Whether a browser lets pages of another origin use the server."""

from __future__ import annotations

from collections.abc import Sequence

from tustwisted.checkurl.answers import Answer, printable
from tustwisted.checkurl.findings import Finding, ok, problem, warning

NEEDED = ("Location", "Upload-Offset", "Upload-Length")
"""What no page can upload and resume without."""

_SIMPLE = ("GET", "HEAD", "POST")


def judge_preflight(
    answer: Answer, origin: str, method: str, headers: Sequence[str]
) -> Finding:
    """
    Say whether a browser would send what it asked for.

    :param method: which it asked for.
    :param headers: which it asked for.
    """
    about = f"preflight {method}"
    if not answer.is_good:
        return _judge_failed(about, answer, origin)
    trouble = judge_origin(about, answer, origin)
    if trouble is not None:
        return trouble
    allowed = answer.words("Access-Control-Allow-Methods")
    if method not in _SIMPLE and not {method.lower(), "*"} & allowed:
        return problem(
            about,
            f"{method} is not among Access-Control-Allow-Methods",
            "let the tus server answer OPTIONS, or add PATCH, HEAD and DELETE there",
        )
    known = answer.words("Access-Control-Allow-Headers")
    lost = [
        name
        for name in headers
        if name.lower() not in known
        and ("*" not in known or name.lower() == "authorization")
    ]
    if lost:
        return problem(
            about,
            f"Access-Control-Allow-Headers does not have {', '.join(lost)}",
            "let the tus server answer OPTIONS, or add them there; tustwisted: "
            "--cors-allow-header",
        )
    return ok(about, f"pages of {origin} may send it")


def _judge_failed(about: str, answer: Answer, origin: str) -> Finding:
    if answer.is_redirect:
        fix = "let clients use the URL that it leads to"
        return problem(about, f"{answer.told}: browsers do not follow", fix)
    if answer.status in (401, 403):
        return problem(
            about,
            answer.told,
            "let OPTIONS pass without credentials, which browsers do not send then; "
            f"tustwisted: --cors-origin {origin}",
        )
    fix = "let the proxy pass OPTIONS on to the tus server"
    return problem(about, f"{answer.told}, which is no success", fix)


def judge_exposed(answer: Answer, origin: str) -> Finding:
    """Say whether a page may see an answer, and the headers that it needs."""
    about = f"CORS {answer.method}"
    trouble = judge_origin(about, answer, origin)
    if trouble is not None:
        return trouble
    exposed = answer.words("Access-Control-Expose-Headers")
    lost = [name for name in NEEDED if name.lower() not in exposed]
    if lost and "*" not in exposed:
        return problem(
            about,
            f"Access-Control-Expose-Headers does not have {', '.join(lost)}: pages "
            "cannot read them",
            "let the proxy pass the server's header on, or add them there",
        )
    return ok(about, f"pages of {origin} can read it")


def judge_error(answer: Answer, origin: str) -> Finding:
    """Say whether a page may see an error."""
    about = "CORS errors"
    trouble = judge_origin(about, answer, origin)
    if trouble is None:
        return ok(about, f"pages of {origin} can read them")
    return warning(about, trouble.seen, f"{trouble.fix}; nginx: add_header ... always")


def judge_origin(about: str, answer: Answer, origin: str) -> Finding | None:
    """Say what is wrong with ``Access-Control-Allow-Origin``; ``None``: nothing."""
    values = answer.values("Access-Control-Allow-Origin")
    if not values:
        return problem(
            about,
            f"{answer.told} without Access-Control-Allow-Origin",
            f"allow {origin}; tustwisted: --cors-origin {origin}",
        )
    if len(values) > 1 or "," in values[0]:
        both = " and ".join(map(printable, values))
        return problem(
            about,
            f"Access-Control-Allow-Origin is there more than once ({both}): browsers "
            "reject that",
            "let either the proxy or the server add it; tustwisted: --cors-origin "
            "none; nginx: proxy_hide_header Access-Control-Allow-Origin;",
        )
    if values[0] not in (origin, "*"):
        return problem(
            about,
            f"Access-Control-Allow-Origin is {printable(values[0])}, not {origin}",
            f"allow {origin}; tustwisted: --cors-origin {origin}",
        )
    return None
