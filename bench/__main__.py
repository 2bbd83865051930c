"""
Measure our daemon, and other tus servers beside it.

Run ``python -m bench [PEER ...]``, or ``make bench PEERS="tusd node python"``; see
``docs/performance.rst``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import machine, report
from bench.peers import bare
from bench.peers.nodejs import Node
from bench.peers.tusd import Tusd
from bench.peers.tuspyserver import Tuspyserver
from bench.scenarios import (
    QUICK,
    Scale,
    Scenario,
    directory,
    idle,
    interrupted,
    large,
    small,
    start,
)
from bench.servers import Server, Tustwisted
from bench.session import Row, Session
from bench.table import as_text
from bench.wire import WrongAnswer

SCENARIOS: Sequence[Scenario] = (
    *large.SCENARIOS,
    *small.SCENARIOS,
    *idle.SCENARIOS,
    *interrupted.SCENARIOS,
    *start.SCENARIOS,
)

PEERS: dict[str, type[Server]] = {
    "tusd": Tusd,
    "node": Node,
    "python": Tuspyserver,
    "loop": bare.Bare,
}

FINISH = "tustwisted, finish"
"""The row of our default, which syncs before it says that an upload is finished."""

_SHARED = ("patch", "many", "small-32")
"""What several workers can share."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    keys = [scenario.key for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench")
    add = parser.add_argument
    add("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    add("--rounds", type=int, default=3)
    add("--quick", action="store_true", help="send less of everything")
    add("--only", action="append", choices=keys, metavar="SCENARIO", help=str(keys))
    add("--also", nargs="+", choices=("workers", "directory"), default=[])
    add("--no-finish", action="store_true", help="leave out --durability finish")
    add("--place", type=Path, default=Path("."), help="where uploads are kept")
    add("--write", type=Path, metavar="DIRECTORY", help="write tables and JSON there")
    options = parser.parse_args(arguments)
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        parser.error(f"there is no peer {unknown.pop()}; there are {', '.join(PEERS)}")
    return options


def sessions_of(
    options: argparse.Namespace, scale: Scale, place: Path
) -> Iterator[Session]:
    """What the command line asks for, in this order."""
    ours = Row(Tustwisted(), is_ours=True)
    peers = [
        Row(PEERS[name](), only=bare.SCENARIOS if name == "loop" else None)
        for name in dict.fromkeys(options.peers)
    ]
    uploads = frozenset(scenario.key for scenario in SCENARIOS if scenario.is_upload)
    durable = Tustwisted(name=FINISH, durability="finish")
    finish = Row(durable, is_ours=True, only=uploads)
    rows = [ours, *([] if options.no_finish else [finish]), *peers]
    wanted = [s for s in SCENARIOS if not options.only or s.key in options.only]
    yield Session("Servers", rows, wanted, scale, place, "tusd", say)
    if "workers" in options.also:
        workers = [Row(_with_workers(count), is_ours=True) for count in (1, 2)]
        shared = [s for s in SCENARIOS if s.key in _SHARED]
        yield Session("Workers", workers, shared, scale, place, workers[0].name, say)
    if "directory" in options.also:
        rows = [ours, *(row for row in peers if row.name == "tusd")]
        yield Session("Directory", rows, directory.SCENARIOS, scale, place, "tusd", say)


def _with_workers(count: int) -> Tustwisted:
    return Tustwisted(
        name=f"{count} worker{'s'[: count - 1]}", options=("--workers", str(count))
    )


def run(options: argparse.Namespace, scale: Scale) -> list[Session]:
    """
    Measure what the command line asks for.

    :raises WrongAnswer: our daemon did not answer as it must.
    """
    machine.allow_many_descriptors()
    with tempfile.TemporaryDirectory(dir=options.place) as made:
        place = Path(made).resolve()
        sessions = list(sessions_of(options, scale, place))
        facts = machine.describe(place)
        try:
            for session in sessions:
                session.install()
                session.run(options.rounds)
        finally:  # also when it is interrupted: what was measured stands
            if options.write:
                report.write(sessions, facts, options.write)
    return sessions


def say(line: str) -> None:
    """Tell what goes on, beside what is written in the end."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> None:
    """Measure, and print the tables."""
    options = parse(sys.argv[1:])
    try:
        sessions = run(options, QUICK if options.quick else Scale())
    except WrongAnswer as error:
        sys.exit(f"{error}.")
    for session in sessions:
        for table in report.tables(session):
            sys.stdout.write(f"{as_text(table)}\n")
        times = ", ".join(f"{key} {took:.0f}" for key, took in session.took_s.items())
        sys.stdout.write(
            f"The page cache held up to {session.cached_mib} MiB."
            f"  Seconds that each took: {times}; {sum(session.took_s.values()):.0f} in"
            " all.\n"
        )


if __name__ == "__main__":
    main()
