"""What a session leaves behind: a page's tables, and all its figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict

from bench.session import Session
from bench.table import Table, as_rst, table_of

BASELINE = "tusd"


def tables(session: Session) -> list[Table]:
    """One for each scenario that anybody served."""
    found = []
    for scenario in session.scenarios:
        names = [row.name for row in session.rows if row.is_in(scenario)]
        if any(session.series(scenario.key, name) for name in names):
            title = scenario.titled(session.scale)
            found.append(table_of(scenario, title, names, session.series, BASELINE))
    return found


def write(session: Session, facts: Mapping[str, object], place: Path) -> None:
    """
    Write ``performance-table.rst`` and ``performance.json`` into a directory.

    :param facts: of the machine.
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / "performance-table.rst").write_text(_page(session, facts))
    figures = json.dumps(_figures(session, facts), indent=1)
    (place / "performance.json").write_text(f"{figures}\n")


def _figures(session: Session, facts: Mapping[str, object]) -> dict[str, object]:
    return {
        "machine": dict(facts),
        "servers": {row.name: row.server.version for row in session.rows},
        "page_cache_mib": session.cached_mib,
        "scale": asdict(session.scale),
        "notes": session.notes,
        "scenarios": {
            scenario.key: {
                "title": scenario.titled(session.scale),
                "unit": scenario.unit,
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


def _page(session: Session, facts: Mapping[str, object]) -> str:
    versions = ", ".join(f"{row.name} {row.server.version}" for row in session.rows)
    most = max((len(found) for found in session.samples.values()), default=0)
    lines = [
        ".. Written by the benchmark (make bench): do not change it by hand.",
        "",
        f"Measured on {facts['date']}: {facts['cores']} cores ({facts['processor']}),"
        f" {facts['memory_mib']} MiB of memory, {facts['kernel']},"
        f" {facts['file_system']}, Python {facts['python']}; {versions}."
        f" Medians of {most} rounds, with the least and the most in parentheses."
        f" The page cache held up to {session.cached_mib} MiB.",
        "",
    ]
    lines += [f"* {sentence}" for sentence in session.notes]
    return "\n".join([*lines, "", as_rst(tables(session))])
