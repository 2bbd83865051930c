"""One session: all servers in turns, round by round, so that a mood hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

from bench import machine
from bench.content import Content
from bench.filling import fill
from bench.samples import Sample, Series
from bench.scenarios import Scale, Scenario, Trial
from bench.servers import CannotServe, Server, serving
from bench.wire import WrongAnswer

_FAILURES = (CannotServe, WrongAnswer, OSError)


@frozen
class Row:
    """A server in a session."""

    server: Server
    is_ours: bool = False
    """A wrong answer ends the session; of another server it gives an empty cell."""

    only: frozenset[str] | None = None
    """Keys of the scenarios that it is there for; ``None``: all of them."""

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.server.name

    def is_in(self, scenario: Scenario) -> bool:
        """Whether a scenario's table has this row."""
        return self.only is None or scenario.key in self.only


@define(eq=False)
class Session:
    """Runs scenarios against servers and keeps what they gave."""

    title: str
    rows: Sequence[Row]
    scenarios: Sequence[Scenario]
    scale: Scale
    place: Path
    baseline: str
    """The name of the server that others are compared with."""

    tell: Callable[[str], None]
    """Takes a line on what has happened."""

    settle: Callable[[], bool] = machine.settle
    notes: list[str] = field(factory=list)
    samples: dict[tuple[str, str], list[Sample]] = field(factory=dict)
    """By the key of a scenario and the name of a server."""

    took_s: dict[str, float] = field(factory=dict)
    """By the key of a scenario: for all servers and rounds, with what it needs."""

    cached_mib: int = 0
    """The most that the page cache held, MiB."""

    def install(self) -> None:
        """Fetch all servers; leave out whom the machine cannot have."""
        there = []
        for row in self.rows:
            try:
                row.server.install()
            except CannotServe as error:
                self._note(f"{row.name} is left out: {error}.")
            else:
                there.append(row)
        self.rows = there

    def run(self, rounds: int) -> None:
        """
        Measure all of it.

        :raises WrongAnswer: one of ours did not answer as it must.
        """
        content = Content.make(self.scale.large_mib)
        for number in range(rounds):
            for scenario in self.scenarios:
                if scenario.rounds is None or number < scenario.rounds:
                    began = time.monotonic()
                    for row in self._in_turn(number):
                        if row.is_in(scenario):
                            self._try(row, scenario, content, number)
                    took_s = time.monotonic() - began
                    self.took_s[scenario.key] = (
                        self.took_s.get(scenario.key, 0) + took_s
                    )

    def series(self, scenario: str, server: str) -> Series | None:
        """What a server gave in a scenario, if it gave anything."""
        found = self.samples.get((scenario, server))
        return Series(tuple(found)) if found else None

    def _in_turn(self, number: int) -> Iterator[Row]:
        """Another one begins in each round."""
        first = number % max(1, len(self.rows))
        yield from self.rows[first:]
        yield from self.rows[:first]

    def _try(self, row: Row, scenario: Scenario, content: Content, number: int) -> None:
        key = (scenario.key, row.name)
        lack = row.server.lacks.get(scenario.key)
        if number and key not in self.samples:
            return  # it failed before
        if lack is not None:
            self._note(f"{row.name}, {scenario.key}: {lack}.")
            return
        if not self.settle():
            self.tell("the machine goes on writing; what follows may be slower")
        try:
            sample = self._measure(row.server, scenario, content, number == 0)
        except _FAILURES as error:
            if row.is_ours:
                raise WrongAnswer(f"{row.name}, {scenario.key}: {error}") from error
            self.samples.pop(key, None)
            self._note(f"{row.name}, {scenario.key}: {error}.")
            return
        self.samples.setdefault(key, []).append(sample)
        self.tell(
            f"round {number + 1}  {scenario.key:10} {row.name:20}"
            f" {sample.cost.wall_s:8.2f} s wall {sample.cost.cpu_s:7.2f} s CPU"
            f" {sample.cost.above_idle_kib / 1024:7.1f} MiB above idle"
        )

    def _measure(
        self, server: Server, scenario: Scenario, content: Content, is_first: bool
    ) -> Sample:
        kept = self._filled(scenario.fill) if scenario.fill else None
        with serving(server, self.place, kept) as running:
            sample = scenario.run(Trial(running, content, self.scale, is_first))
            self.cached_mib = max(self.cached_mib, machine.meminfo()["Cached"] // 1024)
        return sample

    def _filled(self, count: int) -> Path:
        """A directory with so many uploads; made once."""
        directory = self.place / f"filled-{count}"
        if not directory.exists():
            fill(directory, count)
        return directory

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
        self.tell(sentence)
