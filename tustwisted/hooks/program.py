"""
One run of a program that is given something, and says something before it ends.

It leads a session of its own, so that what it has started ends with it when it is ended
by us.  When it ends by itself, what it has started goes on, and is not waited for.

``reactor.spawnProcess`` makes no session, and for a program in another directory it
forks, which stops the reactor for 2 to 17 ms once the process has grown; what Python's
own ``subprocess`` does instead takes 0.3 ms, and tells why a program cannot be run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from subprocess import PIPE, Popen
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.process import (
    registerReapProcessHandler,
    unregisterReapProcessHandler,
)
from twisted.python.failure import Failure

from tustwisted.errors import HookTrouble
from tustwisted.hooks.pipes import Reader, Writer
from tustwisted.outcome import Outcome

MAX_OUTPUT_BYTES = 64 * 1024
"""What a program may say on its standard output."""

MAX_LINES = 100
"""How many lines of its standard error are told."""

MAX_LINE_BYTES = 1000
"""A line that is longer is told in pieces, each of which counts as one."""

KILL_AFTER_S = 2.0
"""How long a program may take to end after SIGTERM, before SIGKILL."""


class ProgramFailed(HookTrouble):
    """A program did not do what it was run for; ``str()`` is a sentence."""


class Run:
    """
    One run.

    :param reactor: provides ``IReactorTime``, ``IReactorFDSet`` and SIGCHLD.
    :param path: of the program.
    :param hear: called with each line of its standard error, made printable.
    :param keeps_output: whether its standard output is kept, and so limited.

    :ivar ended: settled when it is gone: what it has said, or :class:`ProgramFailed`.
    """

    def __init__(
        self, reactor: Any, path: str, hear: Callable[[str], None], keeps_output: bool
    ) -> None:
        self.ended: Outcome[bytes] = Outcome()
        self._reactor = reactor
        self._path = path
        self._errors = _Lines(hear)
        self._keeps_output = keeps_output
        self._output = b""
        self._problem = ""
        self._killing: IDelayedCall | None = None

    def start(self, given: bytes, environment: Mapping[str, str]) -> None:
        """
        Start it, in the directory in which it is.

        :param given: what stands on its standard input; it need not read that.
        :raises ProgramFailed: it cannot be started.
        """
        try:
            self._process = Popen(
                [self._path],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                bufsize=0,
                cwd=os.path.dirname(self._path),
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            why = f"{self._path} cannot be run: {error.strerror}"
            raise ProgramFailed(why) from error
        self._connect(given)
        registerReapProcessHandler(self._process.pid, self)

    def end(self, problem: str) -> None:
        """
        End it, and all that it has started; harmless when it is being ended.

        :param problem: why, to complete "the program ...".
        """
        if self._problem or self.ended.is_settled:
            return
        self._problem = problem
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            self._killing = self._reactor.callLater(
                KILL_AFTER_S, self._signal, signal.SIGKILL
            )

    # -- what Twisted calls when there was a SIGCHLD -----------------------------------

    def reapProcess(self) -> None:
        """See whether it has ended."""
        try:
            pid, status = os.waitpid(self._process.pid, os.WNOHANG)
        except ChildProcessError:  # whoever has asked before us does not tell
            pid, status = self._process.pid, 0
            self._problem = self._problem or "ended in a way that nobody knows"
        if pid:
            unregisterReapProcessHandler(pid, self)
            self.processEnded(status)

    def processEnded(self, status: int) -> None:
        """Take note of how it went."""
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._killing is not None and self._killing.active():
            self._killing.cancel()
        if self._problem:
            self._signal(signal.SIGKILL)  # what it has started
        # Not now: the reactor may have more to tell of what it has polled, and would
        # take a file that is opened meanwhile for a pipe of the same number.
        self._reactor.callLater(0, self._finish, code)

    def _finish(self, code: int) -> None:
        self._stdin.close()
        self._stdout.finish()
        self._stderr.finish()
        self._errors.ended()
        problem = self._problem or _problem_of(code)
        if problem:
            self.ended.settle(Failure(ProgramFailed(f"{self._path} {problem}")))
        else:
            self.ended.settle(self._output)

    # -- its pipes ---------------------------------------------------------------------

    def _connect(self, given: bytes) -> None:
        process, reactor = self._process, self._reactor
        assert process.stdin and process.stdout and process.stderr
        self._stdin = Writer(reactor, process.stdin, given)
        self._stdout = Reader(reactor, process.stdout, self._said)
        self._stderr = Reader(reactor, process.stderr, self._errors.came)

    def _said(self, content: bytes) -> None:
        if not self._keeps_output:
            return
        self._output += content
        if len(self._output) > MAX_OUTPUT_BYTES:
            self._output = b""
            self.end(f"says more than {MAX_OUTPUT_BYTES} bytes")

    def _signal(self, number: int) -> None:
        # It may be gone, or have become another user.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class _Lines:
    """Cuts what comes into lines, as many and as long as a log should have."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._left = MAX_LINES
        self._rest = b""

    def came(self, data: bytes) -> None:
        """Take what came."""
        if not self._left:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            for start in range(0, len(line), MAX_LINE_BYTES):
                self._tell_piece(line[start : start + MAX_LINE_BYTES])

    def ended(self) -> None:
        """Take what is left as a line."""
        self.came(b"\n")

    def _tell_piece(self, piece: bytes) -> None:
        if not self._left:
            return
        text = piece.decode("utf-8", "backslashreplace")
        self._tell("".join(c if c.isprintable() else " " for c in text).rstrip())
        self._left -= 1
        if not self._left:
            self._tell("(what else it says is left out)")


def _problem_of(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with status {code}" if code else ""
