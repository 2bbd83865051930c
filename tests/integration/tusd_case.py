"""What the tests share that put a daemon in the place of tusd."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.commands import TWISTD
from tests.integration.daemon import Daemon, free_port, place_of
from tests.integration.raw import Response
from tests.integration.tusd_story import KNOWN, Endpoint, Told


class TusdCase(SynchronousTestCase):
    """A daemon in place of tusd."""

    def setUp(self) -> None:
        """Choose a directory."""
        self.place = place_of(self)
        self.directory = self.place / "data"

    def endpoint(
        self,
        reply: Callable[[Told], Told] = lambda told: {},
        knows: tuple[str, ...] = (*KNOWN, "pre-access", "post-expire"),
    ) -> Endpoint:
        """Listen for hooks."""
        endpoint = Endpoint(reply, knows)
        self.addCleanup(endpoint.close)
        return endpoint

    def start(self, *options: str) -> Daemon:
        """Start the daemon on the directory."""
        port = free_port()
        command = (*TWISTD, "--port", str(port), "--upload-dir", str(self.directory))
        daemon = Daemon(self, (*command, *options), port, self.place, self.directory)
        daemon.start()
        return daemon

    def ask(self, daemon: Daemon, method: str, path: str, *headers: str) -> Response:
        """Ask by a connection of its own."""
        client = daemon.client()
        response = client.request(method, path, *headers)
        client.close()
        return response
