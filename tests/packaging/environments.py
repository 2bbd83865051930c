"""
What a build needs and where its result is installed: the tree, commands, environments.

Every environment is a virtual one of its own, which borrows the dependencies of the
running one by links to them, so nothing is fetched.  What it cannot borrow is the
source tree: the path files of the other are not read, and one of them is the editable
install of tustwisted that these tests run from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Collection
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

TREE = (
    *(".dockerignore", "CHANGELOG.rst", "Dockerfile", "LICENSE", "MANIFEST.in"),
    *("Makefile", "README.rst"),
    *("bench", "changelog.d", "deploy", "docs", "pyproject.toml", "requirements"),
    *("setup.py", "tests", "tustwisted", "twisted"),
)
"""What is copied to be built: no build leftovers, and nobody's uploads."""

LEFTOVERS = shutil.ignore_patterns(
    *("__pycache__", "_build", "dropin.cache", "node_modules", ".*")
)

BUILD = (sys.executable, "-m", "build", "--no-isolation")

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


def files_of(directory: Path) -> set[str]:
    """Tell what is in a directory at any depth, but no build leftovers."""
    files = (file.relative_to(directory) for file in directory.rglob("*"))
    leftovers = ("__pycache__", "dropin.cache")
    return {
        str(file)
        for file in files
        if (directory / file).is_file() and not set(leftovers) & set(file.parts)
    }


def borrow(target: Path, without: Collection[str] = ()) -> Path:
    """
    Make a directory of links to all that is installed here, but not to tustwisted.

    :param without: the names of modules that are not to be there.
    """
    target.mkdir()
    for source in Path(sysconfig.get_path("purelib")).iterdir():
        name = source.name.partition(".")[0]
        if name not in without and "tustwisted" not in source.name:
            (target / source.name).symlink_to(source)
    return target


class Environment:
    """
    A virtual environment that lacks tustwisted, and nothing else by default.

    :param place: where it is made.
    :param without: the names of modules that it lacks too.
    """

    def __init__(self, place: Path, without: Collection[str] = ()) -> None:
        venv.create(place / "venv", symlinks=True)
        self.place = place / "venv"
        self.elsewhere = place / "elsewhere"
        self.elsewhere.mkdir()
        self._python = self.place / "bin" / "python"
        self.add(borrow(place / "borrowed", without))

    def add(self, directory: Path) -> None:
        """Let one more directory be searched for modules."""
        own = {"base": str(self.place), "platbase": str(self.place)}
        site_packages = Path(sysconfig.get_path("purelib", "venv", own))
        (site_packages / f"{directory.name}.pth").write_text(str(directory))

    def install(self, *what: str | Path) -> None:
        """Install something, without fetching anything."""
        pip = (sys.executable, "-m", "pip", "--python", self._python, "install")
        # The borrowed editable install would otherwise pass for this one.
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        run(*pip, *offline, "--ignore-installed", *what, cwd=self.elsewhere)

    def python(self, *arguments: str) -> str:
        """Run the interpreter, far from the source tree."""
        return run(self._python, *arguments, cwd=self.elsewhere).strip()

    def twistd(self, *arguments: str) -> str:
        """Run ``twistd``, far from the source tree."""
        return run(*self.command("twistd"), *arguments, cwd=self.elsewhere).strip()

    def command(self, name: str) -> tuple[str, str]:
        """Tell how one of the borrowed commands is run."""
        script = Path(sysconfig.get_path("scripts")) / name
        return (str(self._python), str(script))

    def script(self, name: str, *arguments: str) -> str:
        """Run a command that the package has installed."""
        return run(self.place / "bin" / name, *arguments, cwd=self.elsewhere).strip()


class InTemporaryDirectory(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a directory outside of the source tree."""
        self.place = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.place)
