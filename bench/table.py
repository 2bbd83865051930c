"""The tables of a session: reStructuredText for the documentation, and plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from bench.samples import MIB, Series, Spread, ratio
from bench.scenarios import Scenario

Lookup = Callable[[str, str], Series | None]
"""Gives the series of a scenario's key and a server's name."""


@frozen
class Table:
    """A title, headings, and rows of cells; a cell may be empty."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(spread: Spread | None, factor: float = 1.0) -> str:
    """A median, and the least and the most where they differ; three digits each."""
    if spread is None:
        return ""
    median, least, most = (
        digits(figure * factor) for figure in (spread.median, spread.least, spread.most)
    )
    return median if least == most else f"{median} ({least}-{most})"


def digits(figure: float) -> str:
    """Three significant digits; whole numbers from 100 on."""
    if figure == 0:
        return "0"
    if abs(figure) >= 100:
        return f"{figure:.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def show_ratio(figure: float | None) -> str:
    """A ratio with two digits behind the point."""
    return "" if figure is None else f"{figure:.2f}"


def table_of(
    scenario: Scenario,
    title: str,
    names: Sequence[str],
    series: Lookup,
    baseline: str,
) -> Table:
    """
    Lay out one scenario.

    :param names: of the servers, in the order of the rows; who has no figures has an
        empty row.
    :param baseline: the server that the others are compared with.
    """
    per_s, cpu_heading, per_s_factor, cpu_factor = _units(scenario.unit)
    headings = [
        "Server",
        "Wall, s",
        per_s,
        "CPU, s",
        cpu_heading,
        "Peak above idle, MiB",
    ]
    headings += [heading for _, heading in scenario.others]
    headings += [f"Rate / {baseline}", f"CPU / {baseline}"]
    base = series(scenario.key, baseline)
    rows = []
    for name in names:
        found = series(scenario.key, name)
        if found is None:
            rows.append([name, *[""] * (len(headings) - 1)])
            continue
        rows.append(
            [
                name,
                show(found.wall_s),
                show(found.per_s, per_s_factor),
                show(found.cpu_s),
                show(found.cpu_each_s, cpu_factor),
                show(found.above_idle_kib, 1 / 1024),
                *[show(found.other(other)) for other, _ in scenario.others],
                show_ratio(ratio(found.per_s, base.per_s if base else None)),
                show_ratio(ratio(found.cpu_each_s, base.cpu_each_s if base else None)),
            ]
        )
    return Table(title, headings, rows)


def _units(unit: str) -> tuple[str, str, float, float]:
    """Headings and factors of the rate, and of the CPU for one."""
    if unit == "MiB":
        return "MiB/s", "CPU, s/GiB", 1 / MIB, 2**30
    return f"{unit}/s", f"CPU, ms/{unit.removesuffix('s')}", 1.0, 1000.0


def as_rst(tables: Sequence[Table]) -> str:
    """List tables, one below the other."""
    return "\n".join(_rst(table) for table in tables)


def _rst(table: Table) -> str:
    lines = [f".. list-table:: {table.title}", "   :header-rows: 1", ""]
    for row in (table.headings, *table.rows):
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} -{' ' + cell if cell else ''}")
    return "\n".join([*lines, ""])


def as_text(table: Table) -> str:
    """For a terminal."""
    rows = [table.headings, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.headings))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([table.title, *(line.rstrip() for line in lines), ""])
