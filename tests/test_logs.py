"""The log as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import ILogObserver, Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.logs import MAX_BYTES, JSONLines, as_line


class JSONLinesTests(SynchronousTestCase):
    """What is written of an event."""

    def setUp(self) -> None:
        self.file = io.BytesIO()
        self.observer = JSONLines(self.file)
        self.log = Logger("some.place", observer=LogPublisher(self.observer))

    def lines(self) -> list[dict[str, Any]]:
        """Everything written, each line an object."""
        return [json.loads(line) for line in self.file.getvalue().splitlines()]

    def test_is_an_observer(self) -> None:
        """It provides what ``twistd --logger`` asks for."""
        verifyObject(ILogObserver, self.observer)

    def test_event_is_one_line_with_its_facts(self) -> None:
        """When, how bad, where from, the sentence, and each plain fact by its name."""
        self.log.warn(
            "upload {upload_id} is\nodd: é {list}",
            upload_id="u",
            length=5,
            share=0.5,
            is_new=True,
            owner=None,
            list=[1],
        )
        (line,) = self.lines()
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(
            line,
            {
                "level": "warn",
                "namespace": "some.place",
                "message": "upload u is\nodd: é [1]",
                "upload_id": "u",
                "length": 5,
                "share": 0.5,
                "is_new": True,
                "owner": None,
            },
        )
        self.assertEqual(self.file.getvalue().count(b"\n"), 1)

    def test_failure_is_text(self) -> None:
        """A failure is told as its traceback."""
        try:
            raise LookupError("nothing there")
        except LookupError:
            self.log.failure("it {what}", what="broke")
        (line,) = self.lines()
        self.assertEqual(line["message"], "it broke")
        self.assertEqual(line["level"], "critical")
        self.assertIn("builtins.LookupError: nothing there", line["failure"])

    def test_old_events_have_no_odd_facts(self) -> None:
        """What Twisted keeps in events for its old log is left out."""
        event = {"log_time": 0.0, "log_text": "it", "log_format": "{log_text}"}
        old = {"system": "-", "isError": 0, "time": 5.0, "message": ("it",)}
        self.assertEqual(
            json.loads(as_line({**event, **old})),
            {
                "time": "1970-01-01T00:00:00.000000Z",
                "level": "info",
                "namespace": "-",
                "message": "it",
            },
        )

    def test_what_is_no_json_is_left_out_or_escaped(self) -> None:
        """Half a surrogate, a number that is none, and a line's end do no harm."""
        self.log.info("{name}", name="a\udc80\u2028\n", rate=float("nan"))
        (line,) = self.lines()
        self.assertEqual(line["name"], "a\udc80\u2028\n")
        self.assertNotIn("rate", line)

    def test_long_events_are_cut(self) -> None:
        """No line is longer than the limit; a traceback keeps its end."""
        for length in (MAX_BYTES // 2, MAX_BYTES, 1_000_000):
            for text in ("a", "\0", "\U0001f600"):
                event = {"log_format": "{log_text}", "log_text": text * length}
                line = as_line({**event, "fact": text * length, "log_time": 0.0})
                self.assertLessEqual(len(line), MAX_BYTES)
                self.assertTrue(json.loads(line)["cut"])
        try:
            raise LookupError("b" * 50_000 + "the end")
        except LookupError:
            self.log.failure("it broke")
        (told,) = self.lines()
        self.assertTrue(told["failure"].rstrip().endswith("the end"))
        self.assertEqual(told["message"], "it broke")

    def test_thousands_of_facts_are_left_out(self) -> None:
        """A line that is too long for the number of its facts has none."""
        facts = {f"name{number}": number for number in range(5000)}
        line = as_line({"log_format": "many", "log_time": 0.0, **facts})
        self.assertLessEqual(len(line), MAX_BYTES)
        self.assertEqual(json.loads(line)["message"], "many")
