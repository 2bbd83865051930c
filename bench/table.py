"""The tables of a session: reStructuredText for the documentation, and plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen

from bench.samples import MIB, Series, Spread, ratio
from bench.scenarios import Scenario, Shape

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
    columns = _columns(scenario, baseline)
    base = series(scenario.key, baseline)
    rows = [
        [name, *(column.cell(series(scenario.key, name), base) for column in columns)]
        for name in names
    ]
    return Table(title, ["Server", *(column.heading for column in columns)], rows)


@frozen
class _Column:
    heading: str
    figure: Callable[[Series], Spread | None]
    factor: float = 1.0
    is_ratio: bool = False

    def cell(self, found: Series | None, base: Series | None) -> str:
        if found is None:
            return ""
        if not self.is_ratio:
            return show(self.figure(found), self.factor)
        return show_ratio(
            ratio(self.figure(found), self.figure(base) if base else None)
        )


def _columns(scenario: Scenario, baseline: str) -> list[_Column]:
    others = [
        _Column(heading, partial(Series.other, name=name))
        for name, heading in scenario.others
    ]
    if scenario.shape is Shape.MEMORY:
        each = partial(Series.other, name="all")
        return [*others, _Column(f"Memory / {baseline}", each, is_ratio=True)]
    if scenario.shape is Shape.DELAY:
        return [
            _Column("Time, ms", lambda s: s.wall_s, 1000),
            *others,
            _Column("CPU, ms", lambda s: s.cpu_s, 1000),
            _Column(f"Time / {baseline}", lambda s: s.wall_s, is_ratio=True),
            _Column(f"CPU / {baseline}", lambda s: s.cpu_s, is_ratio=True),
        ]
    return _of_rate(scenario.unit, others, baseline)


def _of_rate(unit: str, others: Sequence[_Column], baseline: str) -> list[_Column]:
    per_s, for_each = (1 / MIB, 2**30) if unit == "MiB" else (1, 1000)
    for_one = "s/GiB" if unit == "MiB" else f"ms/{unit.removesuffix('s')}"
    return [
        _Column("Wall, s", lambda s: s.wall_s),
        _Column(f"{unit}/s", lambda s: s.per_s, per_s),
        _Column("CPU, s", lambda s: s.cpu_s),
        _Column(f"CPU, {for_one}", lambda s: s.cpu_each_s, for_each),
        _Column("Peak above idle, MiB", lambda s: s.above_idle_kib, 1 / 1024),
        *others,
        _Column(f"Rate / {baseline}", lambda s: s.per_s, is_ratio=True),
        _Column(f"CPU / {baseline}", lambda s: s.cpu_each_s, is_ratio=True),
    ]


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
