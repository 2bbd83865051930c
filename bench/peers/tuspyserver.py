"""tuspyserver, a router for FastAPI, in Python."""

from __future__ import annotations

import re
import sys

from attrs import field, frozen

from bench.peers import HERE, INSTALLED, run

_PLACE = INSTALLED / "tuspyserver"
_PYTHON = str(_PLACE / "bin" / "python")
_PINNED = HERE / "python" / "requirements.txt"


@frozen
class Tuspyserver:
    """Installed by pip in an environment of its own, and served by uvicorn."""

    name: str = "tuspyserver"
    lacks: dict[str, str] = field(
        factory=lambda: {"get": "it answers GET with 405 and serves no downloads"}
    )

    @property
    def version(self) -> str:
        """As it is pinned."""
        found = re.search(r"^tuspyserver==(.+)$", _PINNED.read_text(), re.MULTILINE)
        assert found is not None
        return found[1]

    def install(self) -> None:
        """Fetch it, if it is not there."""
        if not (_PLACE / ".made").exists():
            run([sys.executable, "-m", "venv", str(_PLACE)])
            run([_PYTHON, "-m", "pip", "--quiet", "install", "-r", str(_PINNED)])
            (_PLACE / ".made").touch()

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`~bench.servers.Server.command`."""
        return [_PYTHON, str(HERE / "python" / "served.py"), str(port), directory]
