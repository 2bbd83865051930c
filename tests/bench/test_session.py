"""The benchmark runs, with very little, and survives a server that fails."""

from __future__ import annotations

import sys
from pathlib import Path

from attrs import field, frozen
from twisted.trial.unittest import SynchronousTestCase

from bench import machine, report
from bench.__main__ import SCENARIOS
from bench.content import Content
from bench.scenarios import Scale, Trial, large
from bench.servers import CannotServe, Tustwisted, serving
from bench.session import Row, Session
from bench.wire import WrongAnswer

TINY = Scale(
    large_mib=2,
    peak_mib=3,
    each_mib=1,
    at_once=3,
    chunked_mib=2,
    chunk_mib=1,
    small_count=8,
    idle_count=4,
    still_s=0.05,
)

_REFUSES = """
import http.server, sys
class Refuses(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Refuses).serve_forever()
"""


@frozen
class Refusing:
    """A server that refuses all uploads."""

    name: str = "refusing"
    version: str = "1"
    lacks: dict[str, str] = field(factory=dict)

    def install(self) -> None:
        """It is there."""

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`bench.servers.Server.command`."""
        return [sys.executable, "-c", _REFUSES, str(port)]


@frozen
class Missing(Refusing):
    """A server that cannot be had."""

    name: str = "missing"

    def install(self) -> None:
        """It is not there."""
        raise CannotServe("there is no go on this machine")


class ScenarioTests(SynchronousTestCase):
    """All that is measured, at one daemon."""

    def test_scenarios(self) -> None:
        """Every scenario gives figures of our daemon."""
        place = Path(self.mktemp())
        place.mkdir()
        content = Content.make(TINY.large_mib)
        with serving(Tustwisted(), place.resolve()) as running:
            for scenario in SCENARIOS:
                sample = scenario.run(Trial(running, content, TINY, is_first=True))
                self.assertGreater(sample.amount, 0, scenario.key)
                self.assertGreater(sample.cost.wall_s, 0, scenario.key)
                for other, _ in scenario.others:
                    self.assertIn(other, sample.others)


class SessionTests(SynchronousTestCase):
    """Servers in turns."""

    def session(self, *rows: Row) -> Session:
        """One that sends a little."""
        place = Path(self.mktemp())
        place.mkdir()
        patch = [s for s in large.SCENARIOS if s.key == "patch"]
        told: list[str] = []
        return Session(
            *("Servers", rows, patch, TINY, place.resolve(), "tustwisted"),
            tell=told.append,
            settle=lambda: True,
        )

    def test_others_may_fail(self) -> None:
        """A server that is missing or fails gets a sentence; others are measured."""
        ours = Row(Tustwisted(), is_ours=True)
        session = self.session(ours, Row(Refusing()), Row(Missing()))
        session.install()
        session.run(1)
        self.assertEqual(
            session.notes,
            [
                "missing is left out: there is no go on this machine.",
                "refusing, patch: POST /files/ HTTP/1.1 was answered with 503,"
                " not 201.",
            ],
        )
        facts = machine.describe(session.place)
        report.write([session], facts, session.place / "out")
        page = (session.place / "out" / "performance-table.rst").read_text()
        self.assertIn("   * - refusing\n     -\n", page)
        self.assertRegex(page, r"   \* - tustwisted\n     - \d")

    def test_ours_must_not_fail(self) -> None:
        """A wrong answer of our own daemon ends the session."""
        session = self.session(Row(Refusing(), is_ours=True))
        self.assertRaises(WrongAnswer, session.run, 1)
