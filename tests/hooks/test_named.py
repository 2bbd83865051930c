"""A hook by the name of its factory or plugin, and all that may be wrong with that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.hooks.named import (
    HookPlugin,
    IHookPlugin,
    check_hook_name,
    find_hook,
)
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo

HERE = "tests.hooks.factories"
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0


class NameTests(SynchronousTestCase):
    """What ``--hooks-python`` takes."""

    def test_names(self) -> None:
        """A factory in a module, or one word."""
        for name in ("a:b", "a.b.c:d", "audit", "shop.audit-2"):
            self.assertEqual(check_hook_name(name), name)

    def test_no_names(self) -> None:
        """Paths and sentences are no names; the message says what is."""
        for name in ("", "a:", ":b", "./a", "a b", "a:b:c"):
            error = self.assertRaises(ValueError, check_hook_name, name)
            self.assertEqual(
                str(error), "must be package.module:factory, or the name of a plugin"
            )


class FactoryTests(SynchronousTestCase):
    """Making a hook by its factory."""

    def problem(self, name: str) -> str:
        """Return the line that says what is wrong with a name."""
        error = self.assertRaises(ValueError, find_hook, name, Clock())
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_made(self) -> None:
        """The factory is given the reactor, and what it returns is the hook."""
        hook = find_hook(f"{HERE}:make", Clock())
        event = Event(EventType.PRE_CREATE, "e", UploadInfo("u", 1))
        answer = self.successResultOf(Deferred.fromCoroutine(hook.ask(event)))
        self.assertEqual(answer, Answer(upload_id="Clock"))

    def test_missing(self) -> None:
        """A module or factory that is not there is named."""
        self.assertIn("no module no_such on", self.problem("no_such.module:make"))
        self.assertEqual(self.problem(f"{HERE}:nobody"), f"{HERE} has no nobody")

    def test_factory_that_takes_no_reactor(self) -> None:
        """A signature that does not fit is told as Python tells it."""
        problem = self.problem(f"{HERE}:take_nothing")
        self.assertRegex(problem, r"^it raised TypeError: .* 0 positional arguments")

    def test_no_hook(self) -> None:
        """What is no hook, or lacks a part of one, is told."""
        self.assertEqual(
            self.problem(f"{HERE}:make_nothing"),
            "it returned a NoneType, which is no IHook",
        )
        self.assertIn("IHook", self.problem(f"{HERE}:make_incomplete"))


class PluginTests(SynchronousTestCase):
    """Finding a hook that a package brings along."""

    def setUp(self) -> None:
        """Make a directory with a package of somebody else's."""
        self.place = Path(self.mktemp()).absolute()
        (self.place / "twisted" / "plugins").mkdir(parents=True)
        (self.place / "shop.py").write_text(
            dedent("""\
                from tustwisted.hooks.functions import FunctionHook
                from tustwisted.protocol.events import EventType

                def make(reactor):
                    return FunctionHook("shop", {EventType.POST_FINISH: print})
            """)
        )

    def add_plugin(self, module: str, text: str) -> None:
        """Put a module where Twisted looks for plugins."""
        path = self.place / "twisted" / "plugins" / f"{module}.py"
        path.write_text(f"from tustwisted.hooks.named import HookPlugin\n{text}\n")

    def find(self, name: str) -> str:
        """Find a hook in a process of its own; return what that tells of it."""
        program = dedent("""\
            import sys
            from twisted.internet.task import Clock
            from tustwisted.hooks.named import find_hook
            try:
                print("found", find_hook(sys.argv[1], Clock()).name)
            except ValueError as error:
                print(error)
            print("reactor" if "twisted.internet.reactor" in sys.modules else "")
        """)
        done = subprocess.run(
            [sys.executable, "-c", program, name],
            env={**os.environ, "PYTHONPATH": f"{self.place}:{ROOT}"},
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        told, reactor = done.stdout.split("\n")[:2]
        self.assertEqual(reactor, "", "plugins choose no reactor")
        return told

    def test_plugin(self) -> None:
        """A plugin names the factory, and is a provider of its interface."""
        verifyObject(IHookPlugin, HookPlugin("audit", "shop:make"))
        self.add_plugin("shop_plugin", 'audit = HookPlugin("audit", "shop:make")')
        self.assertEqual(self.find("audit"), "found shop")

    def test_no_such_plugin(self) -> None:
        """A name that nobody has; those that somebody has are told."""
        self.assertIn("path, but none at all; a factory is", self.find("audit"))
        self.add_plugin("shop_plugin", 'a = HookPlugin("audit", "shop:make")')
        self.add_plugin("other_plugin", 'b = HookPlugin("other", "shop:make")')
        self.assertIn("path, but audit, other; a", self.find("audio"))

    def test_two_plugins(self) -> None:
        """Two plugins of one name; their factories are told, to choose from."""
        self.add_plugin("shop_plugin", 'a = HookPlugin("audit", "shop:make")')
        self.add_plugin("other_plugin", 'b = HookPlugin("audit", "other:make")')
        self.assertEqual(
            self.find("audit"),
            "several plugins are called so: write one of other:make, shop:make",
        )

    def test_plugin_without_its_package(self) -> None:
        """A factory that is not there is told as without a plugin."""
        self.add_plugin("shop_plugin", 'a = HookPlugin("audit", "no_such:make")')
        self.assertEqual(
            self.find("audit"), "there is no module no_such on Python's path"
        )

    def test_broken_plugin(self) -> None:
        """A plugin that cannot be imported keeps nobody from the others."""
        self.add_plugin("broken_plugin", 'a = HookPlugin("audit", "no factory")')
        self.add_plugin("shop_plugin", 'a = HookPlugin("audit", "shop:make")')
        self.assertEqual(self.find("audit"), "found shop")
