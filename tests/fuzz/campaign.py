"""Thousands of cases against one daemon, with a look at it now and then."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.bank import Bank
from tests.fuzz.case import Case, Ending, make_case
from tests.fuzz.connection import Connection, Hung, Played
from tests.fuzz.judge import faults
from tests.fuzz.report import MIB, Report
from tests.fuzz.watch import CANARY, Log, Sandbox, descriptors, resident_bytes
from tests.fuzz.wire import Garbled
from tests.integration.content import make_bytes
from tests.integration.daemon import Daemon, free_port, script, until
from tustwisted.tap import Options

AT_A_TIME = 4
"""How many connections are attacked over at once."""

PARKED = 6
"""How many half-sent requests are left open at the most."""

ROUND_REQUESTS = 500
"""How many requests there are between two looks at the daemon."""

GROWTH_BYTES = 3 * MIB
"""
How much the resident memory may grow after the warm-up, in a long campaign.

It is far below what a leak of 1 KiB per request would take in 16,000 requests, and
above what the heap of a Python process moves by itself.
"""

LONG_REQUESTS = 10_000
"""In a shorter campaign there is no end of the warm-up to compare with."""

OPTIONS = {
    "idle-timeout": "1s",
    "lock-timeout": "3s",
    "durability": "none",
    "behind-proxy": None,
    "expire-after": "1h",
}
"""How the daemon is run; what it does not know is left out."""


_ID = re.compile(rb"[0-9a-f]{32}")

_HISTORY_LINES = 12
"""How much of the log a finding comes with."""


class Found(Exception):
    """
    Something that must not happen.

    :param cases: during which it happened: one, or all since the last look.
    """

    def __init__(self, what: str, cases: str, sent: bytes = b"") -> None:
        self.what = what
        self.cases = cases
        self.sent = sent
        text = f"{what}\n\nplay it again: python -m tests.fuzz --replay {cases}\n"
        super().__init__(text + (f"sent: {sent!r}\n" if sent else ""))


class _Cleanups(ExitStack):
    """Ends a daemon as a test case would."""

    addCleanup = ExitStack.callback


@define(eq=False)
class Campaign:
    """
    A daemon in a directory of its own, and what is done to it.

    :param place: a directory that is there and empty.
    """

    place: Path
    seed: int
    report: Report = field(init=False)
    _daemon: Daemon = field(init=False)
    _sandbox: Sandbox = field(init=False)
    _log: Log = field(init=False)
    _bank: Bank = field(init=False)
    _parked: list[tuple[Connection, Played]] = field(init=False, factory=list)
    _over: list[Played] = field(init=False, factory=list)
    """Cases that have ended, parked ones at last, and are not counted yet."""

    def __attrs_post_init__(self) -> None:
        self.report = Report(self.seed)

    def run(self, requests: int) -> Iterator[Report]:
        """
        Send so many requests; yields at every look at the daemon.

        :raises Found: something that must not happen.
        """
        rounds = self._rounds(requests)
        with _Cleanups() as cleanups:
            self._start(cleanups)
            with ThreadPoolExecutor(AT_A_TIME) as pool:
                for cases in rounds:
                    began = time.monotonic()
                    list(pool.map(self._play, cases))
                    self.report.took_s += time.monotonic() - began
                    self._look(f"{cases[0].name}-{cases[-1].name.partition(':')[2]}")
                    yield self.report
            self._end()
        if requests >= LONG_REQUESTS:
            early, late = self.report.warm_bytes
            if late > early + GROWTH_BYTES:
                growth = f"memory grows: {early} bytes, {late} at the end"
                raise Found(growth, f"{self.seed}:0-{self.report.cases - 1}")

    def replay(self, numbers: Iterable[int]) -> None:
        """
        Play some cases one by one, with a look at the daemon after each.

        :raises Found: something that must not happen.
        """
        with _Cleanups() as cleanups:
            self._start(cleanups)
            for number in numbers:
                case = make_case(self.seed, number)
                began = time.monotonic()
                self._play(case)
                self.report.took_s += time.monotonic() - began
                self._look(case.name)
            self._end()

    def _rounds(self, requests: int) -> Iterator[list[Case]]:
        number = sent = 0
        while sent < requests:
            cases: list[Case] = []
            wanted = min(requests, sent + ROUND_REQUESTS)
            while sent < wanted:
                cases.append(make_case(self.seed, number))
                number += 1
                sent += cases[-1].requests
            yield cases

    # -- the daemon --------------------------------------------------------------------

    def _start(self, cleanups: _Cleanups) -> None:
        store, port = self.place / "uploads", free_port()
        self._sandbox = Sandbox(self.place, store)
        self._sandbox.plant()
        known = {name.rstrip("=") for name in Options().longOpt}
        options = [
            f"--{name}" if value is None else f"--{name}={value}"
            for name, value in OPTIONS.items()
            if name in known
        ]
        command = (script("twistd"), "-n", "--pidfile=", "tus", f"--port={port}")
        test = cast(SynchronousTestCase, cleanups)  # all it does for it is to clean up
        self._daemon = Daemon(test, (*command, *options), port, self.place, store)
        self._daemon.variables = {"TMPDIR": str(self.place / "tmp")}
        self._daemon.start()
        self._log = Log(self.place / "daemon.log")
        self._bank = Bank(("127.0.0.1", port), store)
        cleanups.callback(self._bank.close)
        self._bank.fill()
        self._sample()

    def _end(self) -> None:
        """See that a plain client is served as ever, and that the daemon stops."""
        name = f"{self.seed}:0-{self.report.cases - 1}"
        content = make_bytes(3 * MIB + 17, seed=self.seed)
        client = self._daemon.client()
        path = client.create("/files/", len(content))
        statuses = [
            client.patch(path, offset, content[offset : offset + MIB]).status
            for offset in range(0, len(content), MIB)
        ]
        stored = self._daemon.content(path).read_bytes()
        if set(statuses) != {204} or client.head(path) != len(content):
            raise Found(f"a plain upload was answered {statuses}", name)
        if hashlib.sha256(stored).digest() != hashlib.sha256(content).digest():
            raise Found("a plain upload was stored wrongly", name)
        if self._daemon.stop().code != 0:
            raise Found("the daemon has not stopped as it should", name)
        for fault in (*self._log.faults(), *self._sandbox.faults()):
            raise Found(fault, name)

    # -- cases -------------------------------------------------------------------------

    def _play(self, case: Case) -> None:
        uploads = self._bank.take(case.slots())
        connection = Connection(("127.0.0.1", self._daemon.port))
        try:
            played = connection.play(case, uploads)
        except (Hung, Garbled) as error:
            raise Found(str(error), case.name, b"".join(case.filled(uploads))) from None
        if case.ending is Ending.PARK:
            self._parked.append((connection, played))
            if len(self._parked) > PARKED:
                self._finish(*self._parked.pop(0))
        else:
            self._judge(played)

    def _finish(self, connection: Connection, played: Played) -> None:
        try:
            connection.finish(played)
        except (Hung, Garbled) as error:
            raise Found(str(error), played.case.name, played.sent) from None
        self._judge(played)

    def _judge(self, played: Played) -> None:
        self._over.append(played)
        silent = any(not one.is_due for one in played.asked)
        never = (CANARY, bytes(self.place), b"Traceback")
        for answer in played.answers:
            for fault in faults(answer, never, silent):
                found = f"{fault}: {answer}\n{self._history(played)}"
                raise Found(found, played.case.name, played.sent)
        final = [answer for answer in played.answers if answer.status >= 200]
        if len(final) > len(played.asked):
            found = f"{len(final)} answers to {len(played.asked)} requests: {final}"
            raise Found(found, played.case.name, played.sent)
        if played.closed and played.rest:
            found = f"an answer that was cut: {played.rest[:200]!r}"
            raise Found(found, played.case.name, played.sent)

    def _history(self, played: Played) -> str:
        """Find what the log says of the uploads of a case, and of unexpected errors."""
        ids = [upload_id.decode() for upload_id in _ID.findall(played.sent)]
        lines = self._daemon.log.splitlines()
        found = [n for n, line in enumerate(lines) if any(i in line for i in ids)]
        first = found[-_HISTORY_LINES:][0] if found else len(lines) - _HISTORY_LINES
        return "\n".join(lines[max(0, first) :][: 10 * _HISTORY_LINES])

    # -- a look ------------------------------------------------------------------------

    def _look(self, cases: str) -> None:
        """
        Look at the daemon while it has nothing to do.

        :raises Found: something that must not happen.
        """
        while self._parked:
            self._finish(*self._parked.pop())
        while self._over:
            self.report.count(self._over.pop())
        if self._daemon.process.poll() is not None:
            raise Found(f"the daemon has ended:\n{self._daemon.log[-3000:]}", cases)
        try:
            open_before = self.report.descriptors[0]
            until(
                lambda: descriptors(self._daemon.pid) <= open_before,
                f"the daemon has no more than {open_before} descriptors",
            )
            self._bank.remove_others(self._sandbox.ids())
        except AssertionError as error:
            raise Found(str(error), cases) from None
        every = (*self._bank.faults(), *self._log.faults(), *self._sandbox.faults())
        for fault in every:
            raise Found(fault, cases)
        self._sandbox.plant_record()
        self._sample()

    def _sample(self) -> None:
        self.report.descriptors.append(descriptors(self._daemon.pid))
        self.report.resident_bytes.append(resident_bytes(self._daemon.pid))
