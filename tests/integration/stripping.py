"""A reverse proxy as people put before a service: it may take a prefix off the path."""

from __future__ import annotations

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.raw import LIMIT_S

HOP = {"connection", "host", "keep-alive", "transfer-encoding"}
"""What is between two who are connected."""


class _Pass(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
        headers["X-Forwarded-Host"] = self.headers["Host"]
        headers["X-Forwarded-Proto"] = "http"
        behind = HTTPConnection("127.0.0.1", self.server.behind, timeout=LIMIT_S)
        path = self.path.removeprefix(self.server.prefix)
        behind.request(self.command, path, body, headers)
        response = behind.getresponse()
        content = response.read()
        behind.close()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _pass

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class Proxy(ThreadingHTTPServer):
    """
    Stands before a service on this machine, in threads of its own.

    :param test: it ends with it.
    :param behind: the port of the service, which it calls by the name 127.0.0.1.
    :param prefix: what it takes off each path, such as ``/api``.
    """

    daemon_threads = True

    def __init__(self, test: SynchronousTestCase, prefix: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.behind = 0
        self.prefix = prefix
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        test.addCleanup(thread.join, LIMIT_S)
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])
