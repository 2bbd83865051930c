"""
Which clients are at hand, and what their tests share.

A client that is missing skips its tests, unless ``TUSTWISTED_CLIENTS`` is ``all``: then
they fail (``make test-clients``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.clients.wire import Wire
from tests.integration.content import MIB, hash_of, make_file
from tests.integration.daemon import twistd_tus
from tests.integration.raw import LIMIT_S

JS = Path(__file__).parent / "js"
"""Where the scripts for node are, and what npm installs for them."""


OLDEST_NODE = 20
"""What the scripts are written for, as their package.json says."""


@cache
def missing(tool: str) -> str | None:
    """Say what keeps a client from being run, if anything does."""
    if tool == "tus-js-client":
        if not (JS / "node_modules" / tool).is_dir():
            return f"{tool} is not installed: make test-clients does it"
        return missing("node")
    if not shutil.which(tool):
        return f"{tool} is not on the PATH"
    if tool == "node" and (version := _node_version()) < OLDEST_NODE:
        return f"node is {version}, and not {OLDEST_NODE} or later"
    return None


def _node_version() -> int:
    command = ("node", "-p", "parseInt(process.versions.node)")
    return int(subprocess.check_output(command, timeout=LIMIT_S))


class ClientCase(SynchronousTestCase):
    """
    A daemon, a relay to it, and a file to upload.

    A client may believe that all went well: every upload ends with a look at what is
    stored.
    """

    tools: ClassVar[tuple[str, ...]] = ()
    """What must be at hand."""

    size: ClassVar[int] = 8 * MIB
    """How long the file is, bytes; a whole number of MiB."""

    options: ClassVar[tuple[str, ...]] = ()
    """What the daemon is started with."""

    def setUp(self) -> None:
        """Start everything."""
        reasons = [reason for tool in self.tools if (reason := missing(tool))]
        if reasons and os.environ.get("TUSTWISTED_CLIENTS") == "all":
            self.fail("; ".join(reasons))
        if reasons:
            raise SkipTest("; ".join(reasons))
        self.daemon = twistd_tus(self, *self.options)
        self.wire = Wire(self, self.daemon.port)
        self.source = self.daemon.place / "source.bin"
        self.digest = make_file(self.source, self.size, seed=11)

    def path(self, url: str) -> str:
        """Tell the path of an upload's URL."""
        return "/" + url.split("/", 3)[3]

    def stored(self) -> list[str]:
        """Tell the names of all that is stored, bytes and records."""
        names = (path.name for path in self.daemon.directory.iterdir())
        return sorted(name for name in names if not name.startswith("."))

    def assert_stored(self, url: str, digest: str | None = None) -> None:
        """The upload is finished, is the file, and the daemon logged no traceback."""
        content = self.daemon.content(self.path(url))
        self.assertEqual(hash_of(content), digest or self.digest)
        record = json.loads(content.with_name(content.name + ".info").read_text())
        self.assertEqual(record["State"], "finished")
        self.assertNotIn("Traceback", self.daemon.log)
