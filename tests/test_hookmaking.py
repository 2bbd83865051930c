"""The hooks that the options of ``twistd tus`` ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.hookmaking import make_hook_settings, make_hooks
from tustwisted.hooks.functions import FunctionHook
from tustwisted.hooks.settings import HookSettings
from tustwisted.interfaces import IHook
from tustwisted.protocol.events import EventType
from tustwisted.tap import Options


def make_remembering(reactor: Any) -> IHook:
    """Make a hook that shows that it was made."""
    return FunctionHook(f"of-{type(reactor).__name__.lower()}", {})


def options(*words: str) -> Options:
    """Parse a command line."""
    parsed = Options()
    parsed.parseOptions(list(words))
    return parsed


class MakeHooksTests(SynchronousTestCase):
    """Which hooks there are."""

    def test_none(self) -> None:
        """Nobody asked for any."""
        self.assertEqual(make_hooks(Clock(), options()), [])

    def test_kinds(self) -> None:
        """Each kind is made, in the order in which they are asked."""
        hooks = make_hooks(
            Clock(),
            options(
                *("--hooks-python", f"{__name__}:make_remembering"),
                *("--hooks-http", "http://a/", "--hooks-http", "http://b/"),
                *("--hooks-dir", "hooks"),
                *("--hooks-redis-stream", "s", "--hooks-redis-url", "unix:/r"),
                *("--hooks-enabled-events", "pre-create,post-finish"),
            ),
        )
        for hook in hooks:
            verifyObject(IHook, hook)
        names = [hook.name for hook in hooks]
        self.assertRegex(
            " ".join(names), "^http-[^ ]+ http-[^ ]+ process of-clock redis-stream$"
        )
        self.assertEqual(len(set(names)), 5)
        chosen = {EventType.PRE_CREATE, EventType.POST_FINISH}
        for hook in hooks[:3]:
            self.assertEqual(hook.events, chosen)
        self.assertEqual(hooks[4].events, {EventType.POST_FINISH})

    def test_cannot_be_made(self) -> None:
        """A hook in Python that cannot be made is one sentence."""
        name = "tests.test_hookmaking:nothing"
        made = options("--hooks-python", name)
        error = str(self.assertRaises(SystemExit, make_hooks, Clock(), made))
        self.assertIn(f"--hooks-python {name}: ", error)
        self.assertNotIn("\n", error)

    def test_settings(self) -> None:
        """What holds for all of them is told."""
        words = (
            *("--hooks-http", "http://a/", "--hooks-http-forward-headers", "Cookie"),
            *("--progress-hooks-interval", "5s", "--progress-hooks-bytes", "1KiB"),
            *("--hooks-outbox-limit", "7", "--hooks-give-up-after", "1m"),
        )
        self.assertEqual(
            make_hook_settings(options(*words)),
            HookSettings(5.0, 1024, 7, 60.0, ("Cookie",)),
        )
        self.assertEqual(make_hook_settings(options()), HookSettings())


class ImportTests(SynchronousTestCase):
    """What is not paid for."""

    def test_unused(self) -> None:
        """A daemon without hooks imports none of them."""
        code = (
            "import sys; from tustwisted.tap import Options; import tustwisted.making\n"
            "from tustwisted.hookmaking import make_hooks\n"
            "options = Options(); options.parseOptions([]); make_hooks(None, options)\n"
            "heavy = {'twisted.web.client', 'txredisapi', 'tustwisted.hooks.http',"
            " 'tustwisted.hooks.process', 'tustwisted.hooks.redis_stream'}\n"
            "print(heavy & sys.modules.keys())"
        )
        root = Path(__file__).resolve().parents[1]
        found = subprocess.check_output(
            [sys.executable, "-c", code], cwd=root, text=True, timeout=60
        )
        self.assertEqual(found.strip(), "set()")
