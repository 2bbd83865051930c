"""Facts about the lines of the log that every upload leaves."""

from __future__ import annotations

from twisted.logger import Logger, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.uploads.telling import tell


class TellTests(SynchronousTestCase):
    """One event, beside the same of a logger's own method."""

    def test_as_logged(self) -> None:
        """Its text and its facts are those of a logger's own event."""
        log = Logger("some.module")
        sentence = "{upload_id} has {length} bytes for {client}"
        facts = {"upload_id": "a", "length": None, "client": "{un}ix{"}
        with capturedLogs() as events:
            tell(log, sentence, **facts)
            log.info(sentence, **facts)
        ours, usual = events
        self.assertEqual(formatEvent(ours), "a has None bytes for {un}ix{")
        self.assertEqual(formatEvent(ours), formatEvent(usual))
        self.assertEqual(ours["log_level"], LogLevel.info)
        for name in ("log_namespace", "log_level", "log_logger", *facts):
            self.assertEqual(ours[name], usual[name], name)
