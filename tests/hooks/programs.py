"""A directory of programs, written by the test that has them run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

LIMIT_S = 10.0

HANG = "echo $$ > pid; exec sleep 60"


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    end = reactor.seconds() + LIMIT_S
    while not condition():
        if reactor.seconds() > end:
            raise AssertionError(f"{what}: not within {LIMIT_S:g} s")
        await deferLater(reactor, 0.005)


class ProgramCase(TestCase):
    """Has a directory in which programs are, and write what they have to tell."""

    timeout = 60

    def setUp(self) -> None:
        """Make it."""
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()

    def shell(self, name: str, text: str) -> Path:
        """Write a program for the shell."""
        return self._write(name, "#!/bin/sh\n" + text)

    def python(self, name: str, text: str) -> Path:
        """Write a program for Python."""
        return self._write(name, f"#!{sys.executable} -IS\n" + dedent(text))

    def _write(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    async def pid(self, name: str = "pid") -> int:
        """Wait until a program has told its process id; it ends with the test."""
        path = self.place / name
        await until(lambda: path.exists() and path.read_text() != "", f"{name} is told")
        pid = int(path.read_text())
        self.addCleanup(_kill, pid)
        return pid

    async def gone(self, pid: int) -> None:
        """Wait until a process is gone."""
        await until(lambda: not lives(pid), f"process {pid} is gone")


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that only nobody has waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def descriptors() -> int:
    """Count the open files of this process, once the reactor has its own."""
    await deferLater(reactor, 0)
    return len(os.listdir("/proc/self/fd"))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
