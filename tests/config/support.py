"""What tests of the configuration share."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.config.settings import Settings
from tustwisted.tap import Options


def parsed(*words: str) -> Options:
    """Parse a command line."""
    options = Options()
    options.parseOptions(list(words))
    return options


def settings(*words: str) -> Settings:
    """What a command line means."""
    return parsed(*words).reading.settings


class SettingsCase(SynchronousTestCase):
    """Knows how the command ends."""

    def assert_ends(self, sentence: str, *words: str) -> None:
        """The command ends with one sentence that says so."""
        error = str(self.assertRaises(SystemExit, parsed, *words))
        self.assertIn(sentence, error)
        self.assertNotIn("\n", error)
