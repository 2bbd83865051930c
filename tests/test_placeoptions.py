"""The options of ``twistd tus`` for what becomes of finished files."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.filenames import FileNameTemplate, Placing
from tustwisted.tap import Options


def parsed(*words: str) -> Options:
    """Parse a command line."""
    options = Options()
    options.parseOptions(list(words))
    return options


class PlaceOptionsTests(SynchronousTestCase):
    """What a command line means."""

    def placing(self, *words: str) -> Placing | None:
        """Tell what becomes of finished files that go to ``done``."""
        options = parsed("--finished-dir", "done", *words)
        self.assertEqual(options["finished-dir"], "done")
        found = options["placing"]
        assert isinstance(found, Placing)
        return found

    def test_default(self) -> None:
        """Without a word nothing becomes of them."""
        options = parsed()
        self.assertIsNone(options["placing"])
        self.assertIsNone(options["finished-dir"])

    def test_a_directory_alone(self) -> None:
        """They are linked there, by the names that clients call them."""
        expected = Placing(FileNameTemplate("{filename}"), False, False)
        self.assertEqual(self.placing(), expected)

    def test_all(self) -> None:
        """They may be called and moved as the user likes."""
        words = ("--finished-name", "{owner}/{id}", "--finished-by")
        template = FileNameTemplate("{owner}/{id}")
        self.assertEqual(self.placing(*words, "move"), Placing(template, True))
        self.assertEqual(self.placing(*words, "link"), Placing(template))

    def test_dropped(self) -> None:
        """What is dropped is linked, whatever is asked for: its other name goes."""
        expected = Placing(FileNameTemplate("{filename}"), False, True)
        for words in ((), ("--finished-by", "move"), ("--finished-by", "link")):
            self.assertEqual(self.placing("--drop-records", *words), expected)

    def test_refused(self) -> None:
        """A bad value ends the command with one sentence that says so."""
        there = ("--finished-dir", "done")
        for words, sentence in (
            (
                (*there, "--finished-name", "{ext}"),
                "{ext}: has an unknown",
            ),
            (
                (*there, "--finished-name", "../x"),
                "../x: must not have",
            ),
            ((*there, "--finished-by", "copy"), "copy: must be link or move"),
            (("--finished-dir", ""), "--finished-dir: must name a directory"),
            (("--finished-name", "a"), "--finished-name: means nothing without"),
            (("--finished-by", "move"), "--finished-by: means nothing without"),
            (("--drop-records",), "--drop-records: means nothing without"),
            ((*there, "--store", "a:b"), "--finished-dir means nothing to --store"),
        ):
            error = str(self.assertRaises(SystemExit, parsed, *words))
            self.assertIn(sentence, error)
            self.assertNotIn("\n", error)
