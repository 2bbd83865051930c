"""@tus/server with its file store, in JavaScript."""

from __future__ import annotations

import json

from attrs import field, frozen

from bench.peers import HERE, run

_PLACE = HERE / "node"


@frozen
class Node:
    """Installed by ``npm ci``; needs node and npm on the PATH."""

    name: str = "@tus/server"
    lacks: dict[str, str] = field(factory=dict)

    @property
    def version(self) -> str:
        """As it is pinned."""
        pinned = json.loads((_PLACE / "package.json").read_text())["dependencies"]
        return str(pinned["@tus/server"])

    def install(self) -> None:
        """Fetch it, if it is not there."""
        if not (_PLACE / "node_modules" / ".package-lock.json").exists():
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            run(command, cwd=_PLACE)

    def command(self, port: int, directory: str) -> list[str]:
        """See :meth:`~bench.servers.Server.command`."""
        return ["node", str(_PLACE / "server.js"), str(port), directory]
