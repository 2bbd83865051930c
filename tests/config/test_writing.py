"""What is written of a configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.config.reading import read_settings
from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.config.writing import (
    written_effect,
    written_reference,
    written_sample,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"


class EffectTests(SynchronousTestCase):
    """``--print-config``."""

    def test_origins(self) -> None:
        """Each setting is there once, with its value and where it is from."""
        words = {"max-size": ["5GiB"], "downloads": ["false"], "port": ["80", "x:\x7f"]}
        lines = written_effect(read_settings({"TUS_UPLOAD_DIR": 'h"'}, None, words))
        self.assertEqual(len(lines.splitlines()), len(SETTINGS))
        for line in (
            'max-size = "5GiB"  # --max-size',
            "downloads = false  # --no-downloads",
            'port = [80, "x:\\u007f"]  # --port',
            'upload-dir = "h\\""  # TUS_UPLOAD_DIR',
            "#workers = 1  # default",
            "#expire-after  # not set: never",
        ):
            self.assertIn(f"{line}\n", lines)

    def test_can_be_read_again(self) -> None:
        """It is a file that says the same."""
        environ = {
            "TUS_CORS_ORIGIN": "https://a.example http://*.b",
            "TUS_DURABILITY": "strict",
            "TUS_BEHIND_PROXY": "yes",
            "TUS_HOOKS_DIR": "ħ",
            "TUS_LOCKER": "file",
        }
        reading = read_settings(environ)
        path = self.mktemp()
        Path(path).write_text(written_effect(reading), encoding="utf-8")
        self.assertEqual(read_settings({}, path).settings, reading.settings)

    def test_path_that_is_no_text(self) -> None:
        """It is shown, although no file could say it."""
        written = written_effect(read_settings({"TUS_UPLOAD_DIR": "a\udcff"}))
        self.assertIn('upload-dir = "a\\udcff"', written)

    def test_secrets(self) -> None:
        """Nothing that may be one is written, wherever it is from."""
        path = self.mktemp()
        Path(path).write_text("redis://u:hunter2@h/1")
        environ = {
            "TUS_HOOKS_HTTP": "http://anna:hunter2@h/a?key=hunter2 http://b/",
            "TUS_HOOKS_REDIS_STREAM": "s",
            "TUS_HOOKS_REDIS_URL": "rediss://:hunter2@r",
            "TUS_LOCKER_FILE": path,
        }
        written = written_effect(read_settings(environ))
        self.assertNotIn("hunter2", written)
        for line in (
            'hooks-http = ["http://h/a", "http://b/"]  # TUS_HOOKS_HTTP',
            'hooks-redis-url = "rediss://r:6379/0"  # TUS_HOOKS_REDIS_URL',
            'locker = "redis://h:6379/1"  # TUS_LOCKER_FILE',
        ):
            self.assertIn(line, written)


class SampleTests(SynchronousTestCase):
    """The file to begin with."""

    def test_sets_nothing(self) -> None:
        """As it is, it changes nothing."""
        self.assertEqual(tomllib.loads(written_sample()), {})

    def test_shows_everything(self) -> None:
        """Without the marks each setting is there, and has a value that can be read."""
        shown = "\n".join(
            line.removeprefix("#")
            for line in written_sample().splitlines()
            if not line.startswith("# ")
        )
        table = tomllib.loads(shown)
        self.assertEqual(list(table), list(SETTINGS))
        for name, value in table.items():
            texts = [
                str(one) for one in (value if isinstance(value, list) else [value])
            ]
            read = SETTINGS[name].read(texts)
            if SETTINGS[name].default:
                self.assertEqual(read, getattr(Settings(), SETTINGS[name].attribute))

    def test_is_up_to_date(self) -> None:
        """The one in the documentation is what ``make config-docs`` writes."""
        self.assertEqual((DOCS / "tus.toml").read_text(), written_sample())


class ReferenceTests(SynchronousTestCase):
    """The page of the documentation."""

    def test_is_up_to_date(self) -> None:
        """It is what ``make config-docs`` writes."""
        self.assertEqual((DOCS / "settings.rst").read_text(), written_reference())

    def test_names_every_way(self) -> None:
        """Each setting is there with its option, variable and key."""
        reference = written_reference()
        for setting in SETTINGS.values():
            self.assertIn(f"\n``{setting.name}``\n", reference)
            self.assertIn(f"``{setting.variable}``", reference)
            if setting.has_flag:
                self.assertIn(f"``--{setting.flag}", reference)
