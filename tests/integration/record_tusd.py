"""
Record what tusd tells a hook: ``python -m tests.integration.record_tusd TUSD``.

TUSD is its program.  What it told is written to ``tests/hooks/tusd``, one file for each
``<step>-<type>``, without what differs from run to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.integration.daemon import free_port, until
from tests.integration.raw import LIMIT_S, Client
from tests.integration.tusd_story import KNOWN, STEPS, Endpoint, Story, alike

FIXTURES = Path(__file__).parents[1] / "hooks" / "tusd"


def main(program: str) -> None:
    """Run tusd, do to it what the story says, and write what was told."""
    endpoint = Endpoint()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "-host", "127.0.0.1", "-port", str(port)]
        command += ["-upload-dir", directory, "-hooks-http", endpoint.url]
        command += ["-hooks-enabled-events", ",".join(KNOWN)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as tusd:
            try:
                until(lambda: _answers(port), "tusd answers")
                _record(endpoint, Story(port, endpoint), directory)
            finally:
                tusd.terminate()
                tusd.wait(LIMIT_S)
                endpoint.close()


def _answers(port: int) -> bool:
    try:
        Client(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _record(endpoint: Endpoint, story: Story, directory: str) -> None:
    FIXTURES.mkdir(exist_ok=True)
    for step, kinds in STEPS.items():
        endpoint.told.clear()
        getattr(story, step)()
        for kind in kinds:
            until(partial(endpoint.has_heard, kind), f"{kind} is told")
            told = alike(endpoint.of(kind)[0], directory)
            text = json.dumps(told, indent=2, ensure_ascii=False, sort_keys=True)
            (FIXTURES / f"{step}-{kind}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
