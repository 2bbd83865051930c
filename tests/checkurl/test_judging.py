"""What is said of answers that the proxies of the other tests do not give."""

from __future__ import annotations

from collections.abc import Sequence

from OpenSSL import SSL
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived

from tustwisted.checkurl.answers import Answer
from tustwisted.checkurl.cors import judge_exposed, judge_preflight
from tustwisted.checkurl.endpoint import judge_creation, judge_pace, judge_refusal
from tustwisted.checkurl.findings import Finding, Verdict, problem
from tustwisted.checkurl.location import Tried, candidates, judge_location
from tustwisted.checkurl.transfer import (
    Streamed,
    judge_conflict,
    judge_download,
    judge_expect,
    judge_head,
    judge_large,
    judge_patch,
    judge_removal,
    judge_streamed,
)
from tustwisted.checkurl.trouble import explain
from tustwisted.checkurl.urls import parse_url

URL = "https://files.example/files/"
ORIGIN = "https://app.example"


def answer(method: str, status: int, *bodies: bytes, **headers: str) -> Answer:
    """Make an answer; ``_`` in names of headers is ``-``."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Answer(method, URL, status, pairs, b"".join(bodies))


class JudgingCase(SynchronousTestCase):
    """Knows how to look at findings."""

    def assert_found(self, found: Finding, verdict: str, *words: str) -> None:
        """It is as bad as that, and says these words."""
        self.assertEqual(found.verdict.value, verdict, found)
        self.assertEqual(bool(found.fix), found.verdict is not Verdict.OK)
        for word in words:
            self.assertIn(word, f"{found.seen} {found.fix}")


class EndpointTests(JudgingCase):
    """Answers to OPTIONS and POST."""

    def test_refusals(self) -> None:
        """Credentials that were given are not asked for again."""
        found = judge_refusal(answer("POST", 403, b"no\n"), True)
        assert found is not None
        self.assert_found(found, "problem", "403 Forbidden (no)", "has against")
        for moved in ({}, {"Location": "http://[/"}, {"Location": "x:y"}):
            found = judge_refusal(answer("POST", 301, **moved), False)
            assert found is not None
            self.assert_found(found, "problem", "301 Moved Permanently, to ")
        busy = answer("POST", 503, Tus_Resumable="1.0.0")
        self.assertIsNone(judge_refusal(busy, False), "the server's own")

    def test_creations(self) -> None:
        """Whose answer it is shows in its headers."""
        hook = answer("POST", 400, b"no PDF\nat all", Tus_Resumable="1.0.0")
        self.assert_found(judge_creation(hook), "problem", "(no PDF)", "a hook")
        page = answer("POST", 405, b"<html>no</html>", Server="x\x1b[31m")
        self.assert_found(judge_creation(page), "problem", "Server: x?[31m", "pass")
        self.assertNotIn("html", judge_creation(page).seen)
        page = answer("POST", 400, b"<html>\n<TITLE>no TLS</TITLE></html>")
        self.assert_found(judge_creation(page), "problem", "(no TLS)")
        bare = answer("POST", 201, Location="/files/1")
        self.assert_found(judge_creation(bare), "problem", "without Tus-Resumable")

    def test_pace(self) -> None:
        """Half of the requests may be slow."""
        for times, verdict in (((0.1, 0.2, 9.0), "ok"), ((0.1, 2.0, 3.0), "warning")):
            answers = [Answer("HEAD", URL, 200, took_s=took_s) for took_s in times]
            found = judge_pace([*answers, Answer("POST", URL, 201, took_s=60.0)])
            self.assert_found(found, verdict, "3 small requests", "slowest (HEAD)")


class TroubleTests(SynchronousTestCase):
    """Why there is no answer at all."""

    def test_sentences(self) -> None:
        """What is wrong is told, also from within the errors of Twisted's client."""
        closed = Failure(ConnectionDone())
        for error, sentence in (
            (DNSLookupError(), "the name files.example is not known to the DNS"),
            (NoRouteError(), "no route leads to files.example"),
            (TimeoutError(), "port 443 of files.example cannot be reached"),
            (ConnectError(), "port 443 of files.example cannot be connected to"),
            (ResponseNeverReceived([closed]), "the connection was closed before"),
            (ResponseNeverReceived([]), "what answers on port 443 of files.example"),
            (ValueError(), "the request failed (ValueError)"),
            (SSL.Error([("", "", "odd")]), "TLS with files.example failed: odd"),
            (SSL.Error(), "TLS with files.example failed: no reason is given"),
        ):
            told = explain(URL, Failure(error))
            self.assertTrue(told.startswith(sentence), told)


class LocationTests(JudgingCase):
    """Where an upload is said to be, and where it is."""

    def test_candidates(self) -> None:
        """It is looked for where it is said to be, and at two more places."""
        self.assertEqual(
            candidates(f"{URL}?a=b", "http://inner:1080/up/x?key=1"),
            [
                "http://inner:1080/up/x?key=1",
                "https://files.example/up/x?key=1",
                "https://files.example/files/x?key=1",
            ],
        )
        self.assertEqual(candidates(URL, f"{URL}x"), [f"{URL}x"])

    def test_judgements(self) -> None:
        """What is wrong with a Location, and how bad that is."""
        there = answer("HEAD", 200, Upload_Offset="0")
        for url, location, answers, verdict, words in (
            (URL, f"{URL}x", [there], "ok", ("is at",)),
            (URL, "https://files.example/x", [there], "warning", ("not below",)),
            (URL, f"{URL}x", [answer("HEAD", 404)], "problem", ("same uploads",)),
            (URL, f"{URL}x", [answer("HEAD", 401)], "problem", ("same credentials",)),
            (URL, f"{URL}x", [answer("HEAD", 200)], "problem", ("Upload-Offset",)),
            (URL, f"{URL}x", [answer("HEAD", 500)], "problem", ("pass HEAD on",)),
            (URL, f"{URL}x", [None], "problem", ("no answer", "pass HEAD on")),
            (URL, "https://cdn.example/x", [there], "warning", ("another host",)),
            (
                *(URL, "https://cdn.example/x", [answer("HEAD", 401)], "warning"),
                ("can be reached",),
            ),
            (
                *("http://h.example/files/", "https://h.example/files/x"),
                *([None], "problem", ("another scheme", "$scheme")),
            ),
            (
                *("https://h.example:8443/files/", "https://h.example/files/x"),
                *([None], "problem", ("another port", "$http_host")),
            ),
        ):
            tried = [Tried(location, given, "no answer") for given in answers]
            self.assert_found(judge_location(url, location, tried), verdict, *words)


class TransferTests(JudgingCase):
    """Answers to HEAD, PATCH, GET and DELETE."""

    def test_head(self) -> None:
        """Other lengths and caches are noticed."""
        facts = {"Tus_Resumable": "1.0.0", "Upload_Offset": "0"}
        head = answer("HEAD", 200, **facts, Upload_Length="7", Age="12")
        headers, caching = judge_head(head, 8, "")
        self.assert_found(headers, "problem", "Upload-Length is 7", "with 8")
        self.assert_found(caching, "problem", "12 s old")

    def test_patch(self) -> None:
        """A success must tell the right offset."""
        for offset in ({}, {"Upload_Offset": "x"}, {"Upload_Offset": "9"}):
            found = judge_patch(answer("PATCH", 204, **offset), 10)
            self.assert_found(found, "problem", "not 10")
        self.assert_found(judge_patch(answer("PATCH", 411), 1), "problem", "Content-L")
        own = answer("PATCH", 503, b"ERR_LOCKS: gone", Tus_Resumable="1.0.0")
        self.assert_found(judge_patch(own, 1), "problem", "ERR_LOCKS", "the log")

    def test_streamed(self) -> None:
        """A server that tells of bytes late has them all the same."""
        cases: Sequence[tuple[float | None, int | None, Sequence[str]]] = (
            (0.1, 100, ("ok", "ok")),
            (0.1, 1, ("ok", "ok")),
            (None, 1, ("ok", "ok")),
            (None, 0, ("problem", "problem")),
            (None, None, ("problem", "problem")),
            (0.1, 0, ("ok", "problem")),
            (0.1, None, ("ok", "problem")),
        )
        for noticed_s, kept, verdicts in cases:
            found = judge_streamed(Streamed(100, noticed_s, kept, 1.0))
            self.assertEqual([f.about for f in found], ["streaming", "cut"])
            for finding, verdict in zip(found, verdicts, strict=True):
                self.assert_found(finding, verdict)

    def test_large(self) -> None:
        """The server's own limit is not the proxy's."""
        own = answer("PATCH", 413, Tus_Resumable="1.0.0")
        self.assert_found(judge_large(own, 9), "problem", "413", "the log of")
        self.assertNotIn("nginx", judge_large(own, 9).fix)

    def test_comfort(self) -> None:
        """What some clients need is a warning at the most."""
        self.assert_found(judge_expect(answer("PATCH", 417)), "warning", "417")
        self.assert_found(judge_expect(None, "it is cut"), "warning", "it is cut")
        self.assert_found(judge_conflict(answer("PATCH", 200)), "warning", "200 OK")

    def test_download(self) -> None:
        """Downloads may be switched off, but not changed."""
        for got, verdict in (
            (answer("GET", 200, b"content"), "ok"),
            (answer("GET", 404), "ok"),
            (answer("GET", 200, b"c0ntent"), "problem"),
            (answer("GET", 500), "problem"),
        ):
            self.assert_found(judge_download(got, b"content"), verdict)

    def test_removal(self) -> None:
        """What is left behind is named."""
        for given, is_offered, verdict in (
            (answer("DELETE", 204), True, "ok"),
            (answer("DELETE", 204), False, "ok"),
            (answer("DELETE", 405), True, "problem"),
            (None, True, "problem"),
            (answer("DELETE", 405), False, "warning"),
            (None, False, "warning"),
        ):
            found = judge_removal(given, f"{URL}x", is_offered)
            self.assert_found(found, verdict, *([f"{URL}x"] * (verdict != "ok")))
        own = answer("DELETE", 423, Tus_Resumable="1.0.0")
        self.assert_found(judge_removal(own, URL, True), "problem", "the log")


class CorsTests(JudgingCase):
    """What browsers want to know."""

    def test_preflights(self) -> None:
        """A star stands for all names but Authorization."""
        asked = ["tus-resumable", "authorization"]
        origin = {"Access_Control_Allow_Origin": ORIGIN}
        methods = {"Access_Control_Allow_Methods": "GET, PATCH"}
        for status, headers, verdict, word in (
            (308, origin, "problem", "do not follow"),
            (404, origin, "problem", "no success"),
            (204, {"Access_Control_Allow_Origin": "https://b"}, "problem", "https://b"),
            (204, {"Access_Control_Allow_Origin": "*, *"}, "problem", "more than once"),
            (204, methods, "problem", "without Access-Control-Allow-Origin"),
            (204, origin, "problem", "PATCH is not among"),
            (204, origin | methods, "problem", "not have tus-resumable, authorization"),
            (
                *(204, origin | methods | {"Access_Control_Allow_Headers": "*"}),
                *("problem", "not have authorization"),
            ),
            (
                204,
                origin
                | {"Access_Control_Allow_Methods": "*"}
                | {"Access_Control_Allow_Headers": "Tus-Resumable,Authorization"},
                *("ok", "may send it"),
            ),
        ):
            given = answer("OPTIONS", status, **headers)
            found = judge_preflight(given, ORIGIN, "PATCH", asked)
            self.assert_found(found, verdict, word)

    def test_exposed(self) -> None:
        """A star exposes all."""
        star = {"Access_Control_Allow_Origin": "*"}
        all_of_it = {"Access_Control_Expose_Headers": "*"}
        created = answer("POST", 201, **star, **all_of_it)
        self.assert_found(judge_exposed(created, ORIGIN), "ok")


class WrittenTests(SynchronousTestCase):
    """How it is told."""

    def test_lines(self) -> None:
        """A finding is a line, and what to do another one."""
        found = problem("PATCH", "it is blocked", "let it pass")
        self.assertEqual(
            found.written(),
            "problem  PATCH: it is blocked\n         fix: let it pass\n",
        )

    def test_urls(self) -> None:
        """A URL has a path, and no fragment."""
        self.assertEqual(parse_url("http://h.example#x"), "http://h.example/")
