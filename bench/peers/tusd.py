"""tusd, the reference server, in Go."""

from __future__ import annotations

import os

from attrs import field, frozen

from bench.peers import INSTALLED, run

_VERSION = "2.9.1"
_MODULE = f"github.com/tus/tusd/v2/cmd/tusd@v{_VERSION}"


@frozen
class Tusd:
    """Built by ``go install``; needs Go on the PATH."""

    name: str = "tusd"
    version: str = _VERSION
    lacks: dict[str, str] = field(factory=dict)

    def install(self) -> None:
        """Build it, if this version is not there."""
        place = INSTALLED / f"tusd-{_VERSION}"
        if not (place / "tusd").exists():
            run(["go", "install", _MODULE], env={**os.environ, "GOBIN": str(place)})

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`~bench.servers.Server.command`."""
        return [
            str(INSTALLED / f"tusd-{_VERSION}" / "tusd"),
            *("-host", "127.0.0.1", "-port", str(port)),
            *("-upload-dir", directory, "-base-path", "/files/"),
        ]
