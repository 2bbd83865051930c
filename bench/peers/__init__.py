"""
Other tus servers, installed as their users do, each in a released version.

What they need lies under ``.venv/peers`` and, for npm, in ``bench/peers/node``:
``make clean`` removes it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.servers import CannotServe

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / ".venv" / "peers"

_INSTALL_LIMIT_S = 300.0


def run(command: Sequence[str], **options: object) -> str:
    """
    Run a step of an installation; return what it wrote.

    :raises CannotServe: the program is not there, fails, or takes too long.
    """
    sys.stderr.write(f"$ {' '.join(command)}\n")
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=_INSTALL_LIMIT_S,
            **options,  # type: ignore[call-overload]
        )
    except FileNotFoundError as error:
        raise CannotServe(f"there is no {command[0]} on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise CannotServe(f"{command[0]} took too long") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().rpartition("\n")[2]
        raise CannotServe(f"{command[0]} failed: {last}") from error
    return str(done.stdout)
