"""The package as users get it: built, installed in each of the usual ways, started."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from io import StringIO
from pathlib import Path

from docutils.core import publish_doctree
from twisted.trial.unittest import SkipTest

from tests.packaging.environments import (
    BUILD,
    ROOT,
    TREE,
    Environment,
    InTemporaryDirectory,
    copy_tree,
    files_of,
    run,
)
from tustwisted import __version__

LIKE_AN_INDEX = {
    "report_level": 1,
    "raw_enabled": False,
    "file_insertion_enabled": False,
}
"""How docutils is told to read a long description, and to complain of everything."""


class _Installs(InTemporaryDirectory):
    def assert_works(self, environment: Environment, origin: Path) -> None:
        """The commands are there, and the package comes from ``origin``."""
        self.assertRegex(environment.twistd("--help"), r"(?m)^ +tus +\S")
        self.assertIn("--port", environment.twistd("tus", "--help"))
        told = f"tustwisted {__version__}"
        self.assertEqual(environment.script("tustwisted", "--version"), told)
        module = environment.python("-m", "tustwisted", "--version")
        self.assertEqual(module, told)
        code = "import tustwisted; print(tustwisted.__file__)"
        self.assertIn(origin, Path(environment.python("-c", code)).parents)


class InstallationTests(_Installs):
    """Each way to install shows the commands and the package."""

    def test_installed_later(self) -> None:
        """
        ``twistd`` knows the command from the moment of the installation.

        Before it there is neither command nor package, so what the other tests find is
        what they have installed. The plugins that ``twistd`` had found by then, which
        it keeps in a file, hide nothing afterwards.
        """
        environment = Environment(self.place)
        environment.install(_write_plugin(self.place / "other"))
        self.assertNotRegex(environment.twistd("--help"), r"(?m)^ +tus +\S")
        self.assertEqual(len([*environment.place.rglob("dropin.cache")]), 1)
        find = "from importlib.util import find_spec; print(find_spec('tustwisted'))"
        self.assertEqual(environment.python("-c", find), "None")
        environment.install(copy_tree(self.place / "tree"))
        self.assert_works(environment, environment.place)

    def test_editable(self) -> None:
        """``pip install --editable .`` works, and leaves the code where it is."""
        environment = Environment(self.place)
        tree = copy_tree(self.place / "tree")
        environment.install("--editable", tree)
        self.assert_works(environment, tree)


class DistributionTests(_Installs):
    """What is built to be given away."""

    def test_distributions(self) -> None:
        """
        The sdist holds the whole tree, and makes the wheel that the tree itself makes.

        That wheel works, and holds and says what it should.
        """
        tree = copy_tree(self.place / "tree")
        kept = files_of(tree)
        installed = tree / "tests" / "clients" / "js" / "node_modules" / "some"
        installed.mkdir(parents=True)
        (installed / "index.js").touch()
        sdist, wheel = self.build(tree, "dist")
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        self.assertEqual(kept - names, set())
        self.assertEqual([name for name in names if "node_modules" in name], [])
        self.check_wheel(wheel)
        (directly,) = self.build(tree, "directly", "--wheel")
        self.assertEqual(_checksums(wheel), _checksums(directly))
        environment = Environment(self.place)
        environment.install(wheel)
        self.assert_works(environment, environment.place)

    def test_tree(self) -> None:
        """What is built here is all that git keeps, but for its own and CI's files."""
        if not (ROOT / ".git").exists():
            raise SkipTest("this is no checkout")
        kept = run("git", "ls-files", cwd=ROOT).splitlines()
        rooms = {name.partition("/")[0] for name in kept}
        self.assertEqual(rooms - set(TREE), {".ci", ".gitignore"})

    def build(self, tree: Path, target: str, *options: str) -> list[Path]:
        """Build, and return what came out, an sdist first."""
        run(*BUILD, "--outdir", self.place / target, *options, cwd=tree)
        return sorted((self.place / target).iterdir(), key=lambda path: path.suffix)

    def check_wheel(self, wheel: Path) -> None:
        """The package, its type marker and the plugin are in it, and nothing else."""
        info = f"tustwisted-{__version__}.dist-info"
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            self.check_metadata(archive.read(f"{info}/METADATA"))
        self.assertIn(f"{info}/licenses/LICENSE", names)
        self.assertIn("tustwisted/py.typed", names)
        rooms = {name for name in names if not name.startswith(f"{info}/")}
        plugin = "twisted/plugins/tus_plugin.py"
        package = {f"tustwisted/{name}" for name in files_of(ROOT / "tustwisted")}
        self.assertEqual(rooms, {plugin, *package})

    def check_metadata(self, content: bytes) -> None:
        """What an index shows of it is there, and can be shown."""
        metadata = message_from_bytes(content)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for name in ("Summary", "License-Expression", "Requires-Python"):
            self.assertTrue(metadata[name], name)
        extras = set(metadata.get_all("Provides-Extra", []))
        self.assertEqual(extras, set(project["optional-dependencies"]))
        self.assertEqual(metadata["Description-Content-Type"], "text/x-rst")
        said = StringIO()
        settings = {**LIKE_AN_INDEX, "warning_stream": said}
        document = publish_doctree(
            str(metadata.get_payload()), settings_overrides=settings
        )
        self.assertEqual(said.getvalue(), "")
        self.assertEqual(document["names"], ["tustwisted"])


def _checksums(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {member.filename: member.CRC for member in archive.infolist()}


def _write_plugin(tree: Path) -> Path:
    """Write another distribution, with a plugin of its own for Twisted."""
    (tree / "twisted" / "plugins").mkdir(parents=True)
    (tree / "twisted" / "plugins" / "other_plugin.py").write_text("other = 1\n")
    (tree / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='other', package_dir={'': '.'},\n"
        "      py_modules=['twisted.plugins.other_plugin'])\n"
    )
    return tree
