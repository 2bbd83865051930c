"""What the settings are made into: none of them is forgotten."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.making import make_daemon

FITTING = {
    "auth-tokens": "tokens",
    "hooks-python": "tests.test_hookmaking:make_remembering",
    "locker": "redis://localhost:6379/0",
    "port": "0",
}
"""Values for a daemon that is only made; for others their examples do."""

ELSEWHERE = {"enabled", "store"}
"""The one says whether it is made at all; the other is made in another way."""


class ReadSettings(Settings):
    """Settings that know which of them were read."""

    def __getattribute__(self, name: str) -> Any:
        """Take note."""
        read: set[str] = object.__getattribute__(self, "__dict__").setdefault(
            "were_read", set()
        )
        read.add(name.replace("_", "-"))
        return object.__getattribute__(self, name)


class MakingTests(SynchronousTestCase):
    """The daemon, with everything that there is."""

    def test_every_setting(self) -> None:
        """Each setting is read by what makes the daemon."""
        values = {}
        for name, setting in SETTINGS.items():
            texts = (FITTING.get(name) or setting.example,)
            if name not in ELSEWHERE and texts[0]:
                values[setting.attribute] = setting.read(texts)
        settings = ReadSettings(**values)
        settings.__dict__.pop("were_read", None)
        make_daemon(reactor, settings, failed=lambda: None)
        read = settings.__dict__["were_read"]
        self.assertEqual(SETTINGS.keys() - read - ELSEWHERE, set())
        self.assertIn("store", read)
