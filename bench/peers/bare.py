"""The bare loop: no server, but the mark of what the kernel alone takes."""

from __future__ import annotations

import platform
import sys

from attrs import field, frozen

from bench.peers import HERE

SCENARIOS = frozenset({"patch", "peak", "many", "chunked", "get"})
"""What it can do."""


@frozen
class Bare:
    """Splices bodies to files and sends files, with a thread for each client."""

    name: str = "bare loop"
    version: str = f"with Python {platform.python_version()}"
    lacks: dict[str, str] = field(factory=dict)

    def install(self) -> None:
        """It is there already."""

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`~bench.servers.Server.command`."""
        script = str(HERE / "loop" / "served.py")
        return [sys.executable, script, str(port), directory]
