"""Whether the ``Location`` of a new upload leads to it, for clients out here."""

from __future__ import annotations

from attrs import frozen

from tustwisted.checkurl.answers import Answer, printable
from tustwisted.checkurl.findings import Finding, ok, problem, warning
from tustwisted.checkurl.urls import below, is_below, moved_to, origin_of

SCHEME_FIX = (
    "tell the server the scheme: nginx: proxy_set_header X-Forwarded-Proto $scheme; "
    "tustwisted: --behind-proxy, or --public-url {url}"
)
HOST_FIX = (
    "tell the server the host: nginx: proxy_set_header Host $http_host and "
    "X-Forwarded-Host $http_host; tustwisted: --behind-proxy, or --public-url {url}"
)
PATH_FIX = (
    "let the proxy pass the path on as it is (nginx: proxy_pass without a path), or "
    "tell the server its path: tustwisted: --public-url {url}"
)


@frozen
class Tried:
    """
    What HEAD told at a URL.

    :param problem: why no answer came.
    """

    url: str
    answer: Answer | None
    problem: str = ""

    @property
    def is_upload(self) -> bool:
        """Whether the upload is there."""
        return (
            self.answer is not None
            and self.answer.is_good
            and self.answer.offset is not None
        )

    @property
    def is_refused(self) -> bool:
        """Whether somebody wants credentials there, which were not sent."""
        return self.answer is not None and self.answer.status in (401, 403)

    @property
    def told(self) -> str:
        """Tell what came."""
        return self.problem if self.answer is None else self.answer.told


def candidates(url: str, location: str) -> list[str]:
    """
    Find where an upload may be: where it is said to be first.

    :param location: resolved.
    """
    urls = [location, moved_to(url, location), below(url, location)]
    return list(dict.fromkeys(urls))


def judge_location(url: str, location: str, tried: list[Tried]) -> Finding:
    """
    Say what is wrong with a ``Location``.

    :param location: resolved.
    :param tried: the :func:`candidates`, as far as they were tried: to the first that
        is the upload.
    """
    shown = printable(location)
    mine, its = origin_of(url), origin_of(location)
    if mine[0] == "https" and its[0] == "http":
        return problem(
            "location",
            f"the Location is {shown}, though https:// was asked: browsers block it",
            SCHEME_FIX.format(url=url),
        )
    if mine != its:
        return _judge_other_origin(url, location, tried)
    if tried[0].is_upload and is_below(url, location):
        return ok("location", f"the upload is at {shown}")
    if tried[0].is_upload:
        return warning(
            "location",
            f"the upload is at {shown}, which is not below the creation URL",
            "see that the proxy passes that path on for every upload",
        )
    seen = f"the Location is {shown}, where {tried[0].told}"
    if tried[-1].is_upload:
        return problem(
            "location",
            f"{seen}; the upload is at {printable(tried[-1].url)}: the server knows "
            "its path by another name",
            PATH_FIX.format(url=url),
        )
    return problem("location", seen, _fix_for(tried[0]))


def _judge_other_origin(url: str, location: str, tried: list[Tried]) -> Finding:
    mine, its = origin_of(url), origin_of(location)
    what, fix = "host", HOST_FIX
    if mine[1] == its[1]:
        what, fix = ("port", fix) if mine[0] == its[0] else ("scheme", SCHEME_FIX)
    seen = f"the Location is {printable(location)}, of another {what} than was asked"
    fix = fix.format(url=url)
    if tried[0].is_upload or tried[0].is_refused:
        return warning(
            "location", f"{seen}; it can be reached from here, if that is meant", fix
        )
    return problem("location", f"{seen}, and of no use here: {tried[0].told}", fix)


def _fix_for(tried: Tried) -> str:
    if tried.answer is not None and tried.answer.status in (404, 410):
        return (
            "if the server has several processes or machines, let all see the same "
            "uploads; else let the proxy pass every path below the creation URL on"
        )
    if tried.answer is not None and tried.answer.status in (401, 403):
        return "let the same credentials count for uploads as for their creation"
    if tried.answer is not None and tried.answer.is_good:
        return "let the proxy pass the server's Upload-Offset on"
    return "let the proxy pass HEAD on, and every path below the creation URL"
