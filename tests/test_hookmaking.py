"""The hooks that the settings ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.config.support import settings
from tustwisted.hookmaking import make_hooks
from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.protocol.events import EventType


def make_remembering(reactor: Any) -> IHook:
    """Make a hook that shows that it was made."""
    return FunctionHook(f"of-{type(reactor).__name__.lower()}", {})


class MakeHooksTests(SynchronousTestCase):
    """Which hooks there are."""

    def test_none(self) -> None:
        """Nobody asked for any."""
        self.assertEqual(make_hooks(Clock(), settings()), [])

    def test_kinds(self) -> None:
        """Each kind is made, in the order in which they are asked."""
        hooks = make_hooks(
            Clock(),
            settings(
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
        made = settings("--hooks-python", name)
        error = str(self.assertRaises(SystemExit, make_hooks, Clock(), made))
        self.assertIn(f"--hooks-python {name}: ", error)
        self.assertNotIn("\n", error)


class ImportTests(SynchronousTestCase):
    """What is not paid for."""

    def test_unused(self) -> None:
        """A daemon imports no hooks, outbox, Redis, tokens, metrics or workers."""
        code = (
            "import sys; from tustwisted.tap import Options, makeService\n"
            "options = Options(); options.parseOptions([]); makeService(options)\n"
            "unused = {'twisted.web.client', 'treq', 'txredisapi', 'prometheus_client',"
            " 'jwt', 'tustwisted.hooks.http', 'tustwisted.hooks.process',"
            " 'tustwisted.hooks.redis_stream', 'tustwisted.lock.redis.locks',"
            " 'tustwisted.hooks.delivery', 'tustwisted.hooks.outbox.file',"
            " 'tustwisted.hooks.outbox.memory', 'tustwisted.hooks.wire',"
            " 'tustwisted.auth.tokens', 'tustwisted.adminport', 'tomllib',"
            " 'tustwisted.vitals', 'tustwisted.metrics.counting',"
            " 'tustwisted.workers.supervisor', 'tustwisted.checkurl.asking'}\n"
            "print(unused & sys.modules.keys())"
        )
        self.assert_prints_no_names(code)

    def test_commands(self) -> None:
        """``tustwisted`` imports a command when it is asked for."""
        code = (
            "import sys, tustwisted.admin\n"
            "unused = {'tustwisted.eventcommands', 'tustwisted.checkurl.command',"
            " 'tustwisted.config.settings', 'twisted.internet.defer'}\n"
            "print(unused & sys.modules.keys())"
        )
        self.assert_prints_no_names(code)

    def assert_prints_no_names(self, code: str) -> None:
        """Run Python where nothing has been imported yet."""
        root = Path(__file__).resolve().parents[1]
        found = subprocess.check_output(
            [sys.executable, "-c", code], cwd=root, text=True, timeout=60
        )
        self.assertEqual(found.strip(), "set()")
