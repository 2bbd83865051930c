"""Facts about the tree as a whole that no other test would notice to be broken."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    {"_version", "errors", "httpanswer"},
    {"protocol"},
    {
        "interfaces",
        "lending",
        "abilities",
        "observing",
        "outcome",
        "probes",
        "waiting",
        "stopping",
        "named",
        "smallfile",
    },
    {"receive", "store", "lock", "hooks", "auth", "disk", "patience", "metrics"},
    {"uploads"},
    {"web"},
)
"""The rooms, lowest first: each may import from its own layer and from lower ones."""

WIRING = {
    "accessmaking",
    "altered",
    "reloading",
    "renewing",
    "activation",
    "adminport",
    "__main__",
    "admin",
    "config",
    "checkurl",
    "command",
    "descriptors",
    "eventcommands",
    "tap",
    "service",
    "signals",
    "starting",
    "daemon",
    "sweeper",
    "housekeeping",
    "lockers",
    "logs",
    "making",
    "mounting",
    "hookmaking",
    "systemd",
    "privileges",
    "process",
    "prompt",
    "readiness",
    "vitals",
    "workers",
}
"""What puts the rooms together; nothing else may import it."""


def module_paths(room: str = "") -> Iterator[Path]:
    """The Python files of the package, or of one room of it."""
    return (ROOT / "tustwisted" / room).rglob("*.py")


def imports(path: Path) -> Iterator[str]:
    """
    The dotted names that a module imports, wherever in it.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    """The first name below the package: ``web`` for ``tustwisted/web/tus.py``."""
    return path.relative_to(ROOT / "tustwisted").parts[0].removesuffix(".py")


class LayoutTests(SynchronousTestCase):
    """Where things are."""

    def test_plugin_folders_are_no_packages(self) -> None:
        """An ``__init__.py`` beside the plugin would hide Twisted itself."""
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])

    def test_packages_say_what_they_are_for(self) -> None:
        """Every package of tustwisted has a docstring."""
        for path in module_paths():
            if path.name == "__init__.py":
                docstring = ast.get_docstring(ast.parse(path.read_bytes()))
                self.assertTrue(docstring, path)

    def test_locks_hold_no_addresses(self) -> None:
        """The locked requirements are names, versions and hashes, from any index."""
        for path in (ROOT / "requirements").iterdir():
            self.assertNotRegex(path.read_text(), r"://|(?m:^\s*-(?!-hash=))")
        for place in ("tests/clients/js", "bench/peers/node"):
            lock = ROOT / place / "package-lock.json"
            self.assertNotIn("://", lock.read_text())


class ImportTests(SynchronousTestCase):
    """Who knows whom."""

    def test_no_relative_imports(self) -> None:
        """Imports are absolute, which the tests below rely on."""
        for path in module_paths():
            self.assertNotRegex(path.read_text(), re.compile(r"^\s*from \.", re.M))

    def test_imports_point_one_way(self) -> None:
        """No room imports from a higher one."""
        level = {room: i for i, layer in enumerate(LAYERS) for room in layer}
        for path in module_paths():
            here = level.get(room_of(path))
            if here is None:
                continue
            for name in imports(path):
                package, _, rest = name.partition(".")
                there = level.get(rest.partition(".")[0], 0)
                if package == "tustwisted" and there > here:
                    self.fail(f"{path} imports {name}")

    def test_nothing_imports_the_wiring(self) -> None:
        """``tap`` and ``service`` are the top."""
        for path in module_paths():
            if room_of(path) not in WIRING:
                wiring = {f"tustwisted.{room}" for room in WIRING}
                found = {".".join(name.split(".")[:2]) for name in imports(path)}
                self.assertEqual(found & wiring, set(), path)

    def test_protocol_knows_no_reactor(self) -> None:
        """The rules of the protocol import nothing that does I/O."""
        for path in module_paths("protocol"):
            found = [n for n in imports(path) if n.startswith("twisted.internet")]
            self.assertEqual(found, [], path)

    def test_reactor_is_an_argument(self) -> None:
        """The global reactor is imported in ``tap``, and by a worker's ``main``."""
        at_import = re.compile(r"^from twisted.internet import .*\breactor", re.M)
        for path in module_paths():
            if "twisted.internet.reactor" in imports(path):
                self.assertIn(path.name, {"tap.py", "__main__.py"})
                self.assertNotRegex(path.read_text(), at_import)

    def test_prometheus_is_imported_late(self) -> None:
        """Only the admin port needs it, and that is imported where one is wanted."""
        users = {"adminport.py", "exposing.py"}
        for path in module_paths():
            names = list(imports(path))
            if any(name.startswith("prometheus_client") for name in names):
                self.assertIn(path.name, users)
            if path.name not in users:
                at_import = r"(?m)^from tustwisted\.(adminport|metrics\.exp)"
                self.assertNotRegex(path.read_text(), at_import, path)

    def test_plugin_is_light(self) -> None:
        """The plugin leaves the choice of a reactor to ``twistd``."""
        code = (
            "import sys, twisted.plugins.tus_plugin\n"
            "heavy = {'twisted.internet.reactor', 'klein', 'txredisapi', 'treq'}\n"
            "print(heavy & sys.modules.keys())"
        )
        command = [sys.executable, "-c", code]
        found = subprocess.check_output(command, cwd=ROOT, text=True, timeout=60)
        self.assertEqual(found.strip(), "set()")
