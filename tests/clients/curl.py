"""curl, with its waits bounded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from attrs import frozen

from tests.integration.daemon import environment
from tests.integration.raw import LIMIT_S

PATIENT = ("--expect100-timeout", "25")
"""curl sends its body after 1 s without an answer; this shows who waits for whom."""

CHUNKED = ("-H", "Transfer-Encoding: chunked")
OCTETS = ("-H", "Content-Type: application/offset+octet-stream")
TUS = ("-H", "Tus-Resumable: 1.0.0")


@frozen
class Answered:
    """
    What came of a call.

    :param code: curl's exit code.
    :param statuses: the final answer of each request.
    :param output: all answers, heads and bodies.
    """

    code: int
    statuses: list[int]
    output: str


def curl(*arguments: str | Path, stdin: Path | None = None) -> Answered:
    """Run curl on a URL; its body may come from a pipe that ``cat`` fills."""
    command = ("curl", "-q", "-sS", "-i", "-m", str(LIMIT_S), "-w", "\n@%{http_code}")
    feed = None
    if stdin is not None:
        feed = subprocess.Popen(("cat", stdin), stdout=subprocess.PIPE)
    done = subprocess.run(
        (*command, *arguments),
        env=environment(),
        stdin=subprocess.DEVNULL if feed is None else feed.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S + 5,
        check=False,
    )
    if feed is not None and feed.stdout is not None:
        feed.stdout.close()
        feed.wait(LIMIT_S)
    output = done.stdout.decode("latin-1")
    statuses = [int(line[1:]) for line in output.split("\n") if line.startswith("@")]
    return Answered(done.returncode, statuses, output)


def patch(offset: int) -> tuple[str, ...]:
    """Write the arguments of a PATCH."""
    return ("-X", "PATCH", *TUS, *OCTETS, "-H", f"Upload-Offset: {offset}")


def body(file: Path) -> tuple[str, ...]:
    """Write the arguments that send a file."""
    return ("--data-binary", f"@{file}")
