"""What a session leaves behind: a page's tables, and all its figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import asdict

from bench.session import Session
from bench.table import Table, as_rst, table_of


def tables(session: Session) -> list[Table]:
    """One for each scenario that anybody served."""
    found = []
    for scenario in session.scenarios:
        names = [row.name for row in session.rows if row.is_in(scenario)]
        if any(session.series(scenario.key, name) for name in names):
            title = scenario.titled(session.scale)
            found.append(
                table_of(scenario, title, names, session.series, session.baseline)
            )
    return found


def write(
    sessions: Sequence[Session], facts: Mapping[str, object], place: Path
) -> None:
    """
    Write ``performance-table.rst`` and ``performance.json`` into a directory.

    :param facts: of the machine.
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / "performance-table.rst").write_text(_page(sessions, facts))
    figures = {"machine": dict(facts), "sessions": [_figures(s) for s in sessions]}
    (place / "performance.json").write_text(f"{json.dumps(figures, indent=1)}\n")


def _figures(session: Session) -> dict[str, object]:
    return {
        "title": session.title,
        "servers": {row.name: row.server.version for row in session.rows},
        "page_cache_mib": session.cached_mib,
        "scale": asdict(session.scale),
        "notes": session.notes,
        "scenarios": {
            scenario.key: {
                "title": scenario.titled(session.scale),
                "unit": scenario.unit,
                "took_s": round(session.took_s.get(scenario.key, 0), 1),
                "samples": {
                    row.name: [
                        asdict(sample)
                        for sample in session.samples.get((scenario.key, row.name), ())
                    ]
                    for row in session.rows
                },
            }
            for scenario in session.scenarios
        },
    }


def _page(sessions: Sequence[Session], facts: Mapping[str, object]) -> str:
    servers = {row.name: row.server.version for s in sessions for row in s.rows}
    versions = ", ".join(f"{name} {version}" for name, version in servers.items())
    lines = [
        ".. Written by the benchmark (make bench): do not change it by hand.",
        "",
        f"Measured on {facts['date']}: {facts['cores']} cores ({facts['processor']}),",
        f"{facts['memory_mib']} MiB of memory, {facts['kernel']},"
        f" {facts['file_system']}, Python {facts['python']};",
        f"{versions}.",
        f"The load average was {facts['load']} when it began."
        " Medians, with the least and the most in parentheses; the page cache held"
        f" up to {max(session.cached_mib for session in sessions)} MiB.",
    ]
    for session in sessions:
        most = max((len(found) for found in session.samples.values()), default=0)
        rounds = "1 round" if most == 1 else f"{most} rounds"
        lines += ["", f".. rubric:: {session.title} ({rounds})", ""]
        lines += [f"* {sentence}" for sentence in session.notes]
        lines += ["", as_rst(tables(session))]
    return "\n".join(lines)
