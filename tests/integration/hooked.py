"""The real daemon, and a receiver that it calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.hooks.receiver import Act, Call, Receiver, reply
from tests.integration.daemon import Daemon, twistd_tus, until

LENGTH = 1000

DURABLE = ("post-create", "post-finish", "post-terminate")
"""What is kept until it was told, but for expirations."""

OWN = re.compile("^https?://[^/]+")


def on(type: str, act: Act) -> Callable[[Call], Act]:
    """Answer events of a type in one way, and let all others pass."""
    return lambda call: act if call.type == type else reply({})


def path_of(location: str) -> str:
    """Tell the path of a URL."""
    return OWN.sub("", location)


class HookedCase(SynchronousTestCase):
    """A daemon that calls a receiver."""

    def setUp(self) -> None:
        """Start the receiver."""
        self.receiver = Receiver()
        self.receiver.start()
        self.addCleanup(self.receiver.stop)

    def serve(self, *options: str) -> Daemon:
        """Start the daemon, which tries a call once unless it is told otherwise."""
        words = ("--hooks-http-retry", "1", *options)
        daemon = twistd_tus(self, "--hooks-http", self.receiver.url, *words)
        # It was asked whether it serves, and has told its hook of that.
        self.receiver.calls.clear()
        return daemon

    def upload(self, daemon: Daemon) -> str:
        """Upload a little in two pieces; return the path."""
        client = daemon.client()
        path = client.create("/files/", LENGTH)
        self.assertEqual(client.patch(path, 0, b"a" * 400).status, 204)
        self.assertEqual(client.patch(path, 400, b"b" * 600).status, 204)
        return path

    def calls_of(self, *types: str) -> list[Call]:
        """Tell the calls for events of some types, in order."""
        return [call for call in list(self.receiver.calls) if call.type in types]

    def wait_for(self, type: str, count: int = 1) -> Call:
        """Wait until an event of a type has come; tell the last one."""
        until(lambda: len(self.calls_of(type)) >= count, f"{type} comes")
        return self.calls_of(type)[-1]

    def wait_for_log(self, daemon: Daemon, text: str) -> None:
        """Wait until the daemon has written something."""
        until(lambda: text in daemon.log, f"the log says {text!r}")

    def stored(self, daemon: Daemon) -> list[str]:
        """List the uploads that are stored: their records."""
        return sorted(path.name for path in daemon.directory.rglob("*.info"))


def upload_of(call: Call) -> Any:
    """Tell what an event says of its upload."""
    return call.event["Event"]["Upload"]
