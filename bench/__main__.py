"""
Measure our daemon, and other tus servers beside it.

Run ``python -m bench [PEER ...]``, or ``make bench PEERS="tusd node python"``; see
``docs/performance.rst``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import machine, report
from bench.peers.nodejs import Node
from bench.peers.tusd import Tusd
from bench.peers.tuspyserver import Tuspyserver
from bench.scenarios import QUICK, Scale, Scenario, large, small
from bench.servers import Tustwisted
from bench.session import Row, Session
from bench.table import as_text
from bench.wire import WrongAnswer

SCENARIOS: Sequence[Scenario] = (*large.SCENARIOS, *small.SCENARIOS)

PEERS = {"tusd": Tusd, "node": Node, "python": Tuspyserver}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="send less of everything")
    parser.add_argument(
        "--only",
        action="append",
        metavar="SCENARIO",
        choices=[scenario.key for scenario in SCENARIOS],
        help="one of " + ", ".join(scenario.key for scenario in SCENARIOS),
    )
    parser.add_argument(
        "--no-finish", action="store_true", help="leave out --durability finish"
    )
    parser.add_argument(
        "--place", type=Path, default=Path("."), help="where uploads are kept"
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DIRECTORY",
        help="write performance-table.rst and performance.json there",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        parser.error(f"there is no peer {unknown.pop()}; there are {', '.join(PEERS)}")
    return options


def rows_of(options: argparse.Namespace) -> list[Row]:
    """Ours first."""
    rows = [Row(Tustwisted(), is_ours=True)]
    if not options.no_finish:
        ours = Tustwisted(name="tustwisted, finish", durability="finish")
        rows.append(Row(ours, is_ours=True, only_uploads=True))
    return rows + [Row(PEERS[name]()) for name in dict.fromkeys(options.peers)]


def run(options: argparse.Namespace, scale: Scale) -> Session:
    """
    Measure what the command line asks for.

    :raises WrongAnswer: our daemon did not answer as it must.
    """
    machine.allow_many_descriptors()
    wanted = [s for s in SCENARIOS if not options.only or s.key in options.only]
    with tempfile.TemporaryDirectory(dir=options.place) as made:
        place = Path(made).resolve()
        session = Session(rows_of(options), wanted, scale, place)
        session.install()
        session.run(options.rounds)
        if options.write:
            report.write(session, machine.describe(place), options.write)
    return session


def main() -> None:
    """Measure, and print the tables."""
    options = parse(sys.argv[1:])
    try:
        session = run(options, QUICK if options.quick else Scale())
    except WrongAnswer as error:
        sys.exit(f"{error}.")
    for table in report.tables(session):
        sys.stdout.write(as_text(table) + "\n")
    sys.stdout.write(f"The page cache held up to {session.cached_mib} MiB.\n")


if __name__ == "__main__":
    main()
