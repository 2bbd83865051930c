"""
The package as users get it: built, installed in each of the usual ways, started.

Every installation has a virtual environment of its own, which borrows the dependencies
of the running one, so nothing is fetched.  What it cannot borrow is the source tree: a
path file adds the other site-packages, but the path files in there are not read, and
one of them is the editable install of tustwisted that these tests run from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

TREE = (
    *("CHANGELOG.rst", "LICENSE", "MANIFEST.in", "Makefile", "README.rst"),
    *("changelog.d", "docs", "pyproject.toml", "requirements", "setup.py"),
    *("tests", "tustwisted", "twisted"),
)
"""What is copied to be built: no build leftovers, and nobody's uploads."""

LEFTOVERS = shutil.ignore_patterns(
    *("__pycache__", "_build", "dropin.cache", "node_modules", ".*")
)

TIMEOUT_S = 60
"""For one command; the slowest, the build, takes about 5 seconds."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the settings of this process, and return its output."""
    ours = ("PYTHON", "PIP_", "TUS_", "VIRTUAL_ENV")
    done = subprocess.run(
        command,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if not k.startswith(ours)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def copy_tree(target: Path) -> Path:
    """Copy what a fresh checkout holds and a build looks at."""
    target.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=LEFTOVERS)
        else:
            shutil.copy(source, target / name)
    return target


class Environment:
    """A virtual environment that lacks only tustwisted."""

    def __init__(self, place: Path) -> None:
        venv.create(place / "venv", symlinks=True)
        self.place = place / "venv"
        self._elsewhere = place / "elsewhere"
        self._elsewhere.mkdir()
        self._python = self.place / "bin" / "python"
        own = {"base": str(self.place), "platbase": str(self.place)}
        site_packages = Path(sysconfig.get_path("purelib", "venv", own))
        (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))

    def install(self, *what: str | Path) -> None:
        """Install something, without fetching anything."""
        pip = (sys.executable, "-m", "pip", "--python", self._python, "install")
        # The borrowed editable install would otherwise pass for this one.
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        run(*pip, *offline, "--ignore-installed", *what, cwd=self._elsewhere)

    def python(self, code: str) -> str:
        """Run some code, far from the source tree."""
        return run(self._python, "-c", code, cwd=self._elsewhere).strip()

    def twistd(self, *arguments: str) -> str:
        """Run ``twistd``, far from the source tree."""
        script = Path(sysconfig.get_path("scripts")) / "twistd"
        return run(self._python, script, *arguments, cwd=self._elsewhere)


class _InTemporaryDirectory(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.place)


class InstallationTests(_InTemporaryDirectory):
    """Each way to install shows the command and the package."""

    def assert_works(self, environment: Environment, origin: Path) -> None:
        """``twistd`` knows the command, and the package comes from ``origin``."""
        self.assertRegex(environment.twistd("--help"), r"(?m)^ +tus +\S")
        self.assertIn("--port", environment.twistd("tus", "--help"))
        found = environment.python("import tustwisted; print(tustwisted.__file__)")
        self.assertIn(origin, Path(found).parents)

    def test_nothing_installed(self) -> None:
        """Without an installation there is no command and no package: a true start."""
        environment = Environment(self.place)
        self.assertNotRegex(environment.twistd("--help"), r"(?m)^ +tus +\S")
        found = environment.python(
            "from importlib.util import find_spec; print(find_spec('tustwisted'))"
        )
        self.assertEqual(found, "None")

    def test_pip_install(self) -> None:
        """``pip install .`` in the source tree works."""
        environment = Environment(self.place)
        environment.install(copy_tree(self.place / "tree"))
        self.assert_works(environment, environment.place)

    def test_editable(self) -> None:
        """``pip install --editable .`` works, and leaves the code where it is."""
        environment = Environment(self.place)
        tree = copy_tree(self.place / "tree")
        environment.install("--editable", tree)
        self.assert_works(environment, tree)

    def test_wheel(self) -> None:
        """A wheel built from the source distribution works and holds what it should."""
        tree = copy_tree(self.place / "tree")
        installed = tree / "tests" / "clients" / "js" / "node_modules" / "some"
        installed.mkdir(parents=True)
        (installed / "index.js").touch()
        build = (sys.executable, "-m", "build", "--no-isolation")
        run(*build, "--outdir", self.place / "dist", cwd=tree)
        (wheel,) = (self.place / "dist").glob("*.whl")
        (sdist,) = (self.place / "dist").glob("*.tar.gz")
        self.check_wheel(set(zipfile.ZipFile(wheel).namelist()))
        with tarfile.open(sdist) as archive:
            self.check_sdist({name.partition("/")[2] for name in archive.getnames()})
        environment = Environment(self.place)
        environment.install(wheel)
        self.assert_works(environment, environment.place)

    def check_wheel(self, names: set[str]) -> None:
        """The package, its type marker and the plugin are in it, and nothing else."""
        self.assertIn("tustwisted/py.typed", names)
        self.assertIn("twisted/plugins/tus_plugin.py", names)
        modules = {str(m.relative_to(ROOT)) for m in ROOT.glob("tustwisted/**/*.py")}
        self.assertEqual(modules - names, set())
        rooms = {name.partition("/")[0] for name in names}
        rooms = {room for room in rooms if not room.endswith(".dist-info")}
        self.assertEqual(rooms, {"tustwisted", "twisted"})

    def check_sdist(self, names: set[str]) -> None:
        """What tests and documentation need is in it, not what npm installed."""
        expected = {
            *("CHANGELOG.rst", "LICENSE", "Makefile", "README.rst", "setup.py"),
            *("changelog.d/README.rst", "docs/conf.py", "docs/index.rst"),
            *("requirements/dev.txt", "tests/packaging/test_install.py"),
            *("tests/clients/js/package-lock.json", "tests/clients/js/upload.js"),
            *("tustwisted/py.typed", "twisted/plugins/tus_plugin.py"),
        }
        self.assertEqual(expected - names, set())
        self.assertEqual([name for name in names if "node_modules" in name], [])
