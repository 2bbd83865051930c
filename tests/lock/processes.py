"""Runs lockers in processes of their own, and speaks with them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

LIMIT_S = 20.0
"""Longer than anything here takes: who waits longer fails the test."""


def program(name: str) -> list[str]:
    """Tell how to run a program of this folder; as a file it starts sooner."""
    return [sys.executable, str(Path(__file__).with_name(f"{name}.py"))]


@define(eq=False)
class Process:
    """
    A process that runs ``tests/lock/one_process.py``; it ends with its test.

    :param before: what starts Python, if something does.
    """

    test: SynchronousTestCase
    directory: str
    before: Sequence[str] = ()
    heard: list[tuple[str, float]] = field(init=False, factory=list)
    """What it has said, with the time, and nobody has asked for yet."""

    _process: subprocess.Popen[bytes] = field(init=False)
    _buffer: bytes = field(init=False, default=b"")

    def __attrs_post_init__(self) -> None:
        """Start it; does not wait until it is ready."""
        self._process = subprocess.Popen(
            [*self.before, *program("one_process"), self.directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.test.addCleanup(self.end)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def end(self) -> None:
        """Kill it, and wait for its end; harmless when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(LIMIT_S)
        self._process.stdin.close()
        self._process.stdout.close()

    def send(self, number: signal.Signals) -> float:
        """Send a signal; return when."""
        now = time.monotonic()
        self._process.send_signal(number)
        return now

    def tell(self, command: str) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), f"{command}\n".encode())

    def expect(self, said: str) -> float:
        """Wait until it says something; return when it did."""
        return self.hear(said)[1]

    def hear(self, begin: str) -> tuple[str, float]:
        """Wait until it says what begins like this; return the rest, and when."""
        until = time.monotonic() + LIMIT_S
        while True:
            for i, (line, when) in enumerate(self.heard):
                if line == begin or line.startswith(f"{begin} "):
                    del self.heard[i]
                    return line.removeprefix(begin).strip(), when
            self._read(until - time.monotonic(), begin)

    def _read(self, limit_s: float, begin: str) -> None:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], max(0, limit_s))
        if not readable:
            raise AssertionError(f"it did not say {begin!r}, but {self.heard}")
        read = os.read(self._process.stdout.fileno(), 1 << 16)
        if not read:
            code = self._process.wait(LIMIT_S)
            raise AssertionError(
                f"{self._process.args!r} ended with {code} before it said {begin!r}; "
                "what it said of that is above, on standard error"
            )
        *lines, self._buffer = (self._buffer + read).split(b"\n")
        for line in lines:
            said, _, when = line.decode().rpartition(" ")
            self.heard.append((said, float(when)))

    def take(self, upload_id: str, timeout_s: float = LIMIT_S) -> float:
        """Have it take an upload; return when it had it."""
        self.tell(f"take {upload_id} {timeout_s}")
        return self.expect(f"took {upload_id}")

    def cpu_s(self) -> float:
        """Tell how much of the processor it has used, seconds."""
        self.tell("cpu")
        return float(self.hear("cpu")[0])
