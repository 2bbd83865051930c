"""A Docker engine, if one answers: builds an image, runs it, and asks it things."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

TIMEOUT_S = 600
"""For one command; a build fetches the base image and some twenty wheels."""


def docker(*arguments: str | Path) -> tuple[int, str]:
    """Run the client; return its exit status and what it wrote."""
    done = subprocess.run(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout


def must(*arguments: str | Path) -> str:
    """
    Run the client, and return what it wrote.

    :raises AssertionError: it failed.
    """
    status, said = docker(*arguments)
    if status:
        raise AssertionError(f"docker {arguments} ended with {status}:\n{said}")
    return said


def has_engine() -> bool:
    """Tell whether an engine answers."""
    try:
        return docker("version")[0] == 0
    except FileNotFoundError:
        return False


@frozen
class EngineContainer:
    """A container of an engine."""

    name: str

    def execute(self, command: Sequence[str]) -> tuple[int, str]:
        """Run one more command in it, as its user."""
        return docker("exec", self.name, *command)

    def stop(self, signal_name: str) -> int:
        """Stop it as the image wants it; the engine knows by which signal."""
        wanted = must("inspect", "--format", "{{.Config.StopSignal}}", self.name)
        assert wanted.strip() == signal_name, wanted
        must("stop", self.name)
        return int(must("inspect", "--format", "{{.State.ExitCode}}", self.name))
