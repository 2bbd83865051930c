"""The command: ``python -m tests.fuzz --requests 20000 --seed 1``."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import Campaign, Found

_TELL_EVERY = 5000
"""Say how far it is after so many requests."""


def main(arguments: list[str]) -> int:
    """Run a campaign, or play a part of one again; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", metavar="SEED:FIRST[-LAST]", help="cases to play")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tus-fuzz-") as place:
        try:
            if options.replay is not None:
                return _replay(parser, options.replay, Path(place))
            _run(Campaign(Path(place), options.seed), options.requests)
        except Found as found:
            sys.stdout.write(f"\nFOUND: {found}")
            return 1
    return 0


def _run(campaign: Campaign, requests: int) -> None:
    told = 0
    for report in campaign.run(requests):
        if report.requests >= told + _TELL_EVERY:
            told = report.requests
            sys.stdout.write(f"{told} requests\n")
            sys.stdout.flush()
    sys.stdout.write(campaign.report.text() + "\n")


def _replay(parser: argparse.ArgumentParser, text: str, place: Path) -> int:
    match = re.fullmatch(r"(-?[0-9]+):([0-9]+)(?:-([0-9]+))?", text)
    if match is None:
        parser.error(f"--replay {text}: must be SEED:FIRST or SEED:FIRST-LAST")
    first, last = int(match[2]), int(match[3] or match[2])
    campaign = Campaign(place, int(match[1]))
    campaign.replay(range(first, last + 1))
    sys.stdout.write(campaign.report.text() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
