"""What a campaign has counted, and how that is shown."""

from __future__ import annotations

import statistics
from collections import Counter

from attrs import define, field

from tests.fuzz.connection import Played

MIB = 1024 * 1024


@define(eq=False)
class Report:
    """Counts of one campaign."""

    seed: int
    requests: int = 0
    cases: int = 0
    took_s: float = 0.0
    statuses: Counter[str] = field(factory=Counter)
    endings: Counter[str] = field(factory=Counter)
    resident_bytes: list[int] = field(factory=list)
    """The daemon's resident memory at each quiet moment."""
    descriptors: list[int] = field(factory=list)
    """How many descriptors it had open then."""

    def count(self, played: Played) -> None:
        """Take note of one case."""
        self.cases += 1
        self.requests += played.case.requests
        self.endings[played.case.ending.value] += 1
        final = 0
        for answer in played.answers:
            final += answer.status >= 200
            by = " by Twisted's parser" if answer.is_raw else ""
            by = ", told to a silent client" if answer.status == 500 else by
            self.statuses[f"{answer.status}{by}"] += 1
        self.statuses["no answer"] += max(0, len(played.asked) - final)

    @property
    def warm_bytes(self) -> tuple[int, int]:
        """
        The resident memory after the warm-up, and at the end: medians.

        The first fifth of the samples is the warm-up; the fifth after it and the last
        one are compared.
        """
        samples = self.resident_bytes
        fifth = max(1, len(samples) // 5)
        early = statistics.median(samples[fifth : 2 * fifth] or samples)
        return int(early), int(statistics.median(samples[-fifth:]))

    def text(self) -> str:
        """Write the table."""
        lines = [
            f"seed {self.seed}: {self.requests} requests over {self.cases} connections "
            f"in {self.took_s:.1f} s, {self.requests / self.took_s:.0f} per second"
        ]
        classes: Counter[str] = Counter()
        for status, count in self.statuses.items():
            classes[f"{status[0]}xx" if status[0].isdigit() else status] += count
        for name, count in sorted(classes.items()):
            lines.append(f"  {name:32}{count:8}")
            for status, each in sorted(self.statuses.items()):
                if name != status and status[0] == name[0]:
                    lines.append(f"      {status:28}{each:8}")
        lines += [f"  {name:32}{n:8}" for name, n in sorted(self.endings.items())]
        early, late = self.warm_bytes
        lines.append(
            f"  resident memory {self.resident_bytes[0] / MIB:.1f} MiB at the start, "
            f"{early / MIB:.1f} after the warm-up, {late / MIB:.1f} at the end"
        )
        lines.append(
            f"  descriptors {self.descriptors[0]} at the start, "
            f"{max(self.descriptors)} at the most, {self.descriptors[-1]} at the end"
        )
        return "\n".join(lines)
