"""The settings of what becomes of finished files."""

from __future__ import annotations

from tests.config.support import SettingsCase, settings
from tustwisted.protocol.filenames import FileNameTemplate, Placing


class FinishingTests(SettingsCase):
    """What a command line means."""

    def placing(self, *words: str) -> Placing | None:
        """Tell what becomes of finished files that go to ``done``."""
        options = settings("--finished-dir", "done", *words)
        self.assertEqual(options.finished_dir, "done")
        found = options.placing
        assert isinstance(found, Placing)
        return found

    def test_default(self) -> None:
        """Without a word nothing becomes of them."""
        options = settings()
        self.assertIsNone(options.placing)
        self.assertIsNone(options.finished_dir)

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
            (
                ("--finished-dir", ""),
                "--finished-dir : must name a file or a directory",
            ),
            (("--finished-name", "a"), "--finished-name: means nothing without"),
            (("--finished-by", "move"), "--finished-by: means nothing without"),
            (("--drop-records",), "--drop-records: means nothing without"),
            ((*there, "--store", "a:b"), "--finished-dir: means nothing to --store"),
        ):
            self.assert_ends(sentence, *words)
