"""What a client does to a tus server with hooks, to compare what hooks are told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.daemon import until
from tests.integration.raw import LIMIT_S, Client

Told = dict[str, Any]
"""The JSON of one call of a hook."""

KNOWN = (
    "pre-create",
    "post-create",
    "post-receive",
    "pre-finish",
    "post-finish",
    "pre-terminate",
    "post-terminate",
)
"""The types that tusd has, as it writes them."""

STEPS = {
    "create": ("pre-create", "post-create"),
    "finish": ("post-receive", "pre-finish", "post-finish"),
    "terminate": ("pre-terminate", "post-terminate"),
    "defer": ("pre-create", "post-create"),
    "part": ("pre-create", "post-create", "pre-finish", "post-finish"),
    "final": ("pre-create", "post-create", "pre-finish", "post-finish"),
}
"""What a client does, and what hooks hear of that, in no certain order."""

_AT = re.compile(r"127\.0\.0\.1:\d+")


class Endpoint(ThreadingHTTPServer):
    """
    A hook endpoint as one writes it for tusd, in threads of its own.

    :param reply: makes the reply to what was told.
    :param knows: the types that it knows; it answers others by 400.
    :ivar cookies: of the last call of each type.
    """

    daemon_threads = True

    def __init__(
        self,
        reply: Callable[[Told], Told] = lambda told: {},
        knows: tuple[str, ...] = KNOWN,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.reply = reply
        self.knows = knows
        self.told: list[Told] = []
        self.cookies: dict[str, str | None] = {}
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is called."""
        return f"http://127.0.0.1:{self.server_address[1]}/hooks"

    def of(self, kind: str) -> list[Told]:
        """List what was told of one type."""
        return [told for told in list(self.told) if told["Type"] == kind]

    def has_heard(self, kind: str) -> bool:
        """Tell whether something was told of one type."""
        return self.of(kind) != []

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a caller that was killed."""

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self._thread.join(LIMIT_S)


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        """Take a call."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.cookies[told["Type"]] = self.headers["Cookie"]
        self.server.told.append(told)
        known = told["Type"] in self.server.knows
        body = json.dumps(self.server.reply(told) if known else {}).encode()
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class Story:
    """
    A client that does the :data:`STEPS`, one after the other.

    :param port: of the server.
    :param endpoint: what the server tells.
    """

    def __init__(self, port: int, endpoint: Endpoint) -> None:
        self._port = port
        self._endpoint = endpoint
        self._upload = ""
        self._parts: list[str] = []

    def create(self) -> None:
        """Begin an upload with metadata."""
        self._upload = self._post(
            "Upload-Length: 11", "Upload-Metadata: filename Y2Fmw6kudHh0,empty"
        )

    def finish(self) -> None:
        """Send it, with a pause that is long enough for something to be told."""
        client = Client(("127.0.0.1", self._port))
        client.begin_patch(self._upload, 0, 11, "Cookie: a=b")
        client.send(b"hello ")
        until(partial(self._endpoint.has_heard, "post-receive"), "progress is told")
        client.send(b"world")
        client.response()
        client.close()

    def terminate(self) -> None:
        """Remove it."""
        self._ask("DELETE", self._upload)

    def defer(self) -> None:
        """Begin an upload of unknown length."""
        self._post("Upload-Defer-Length: 1")

    def part(self) -> None:
        """Begin a partial upload, and send it."""
        self._upload = self._post("Upload-Length: 11", "Upload-Concat: partial")
        client = Client(("127.0.0.1", self._port))
        client.patch(self._upload, 0, b"hello world")
        client.close()
        self._parts.append(self._upload)

    def final(self) -> None:
        """Put the parts together."""
        self._post(f"Upload-Concat: final;{' '.join(self._parts)}")

    def _post(self, *headers: str) -> str:
        located = self._ask("POST", "/files/", *headers).headers["location"]
        return re.sub("^https?://[^/]+", "", located)

    def _ask(self, method: str, path: str, *headers: str) -> Any:
        client = Client(("127.0.0.1", self._port))
        secrets = ("Authorization: Bearer secret", "Cookie: a=b")
        response = client.request(method, path, *headers, *secrets)
        client.close()
        return response


def alike(told: Told, directory: str) -> Told:
    """
    Take out what differs from run to run.

    :param directory: of the uploads.
    """
    text = _AT.sub("127.0.0.1:PORT", json.dumps(told)).replace(directory, "DIRECTORY")
    found: Told = json.loads(re.sub(r"\b[0-9a-f]{32}\b", "ID", text))
    return found
