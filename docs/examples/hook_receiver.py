"""
A receiver of hooks: takes only files with a name, and says when one is there.

Run it with ``PORT=8000 SECRET_FILE=secret python hook_receiver.py``.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tustwisted.hooks.signature import BadSignature, read_secrets, verify

SECRETS = read_secrets(Path(os.environ["SECRET_FILE"]).read_bytes())

taken: set[str] = set()
"""The ids of events that were taken note of; for real they are in your database."""


def answer(type: str, event: dict[str, Any]) -> dict[str, object]:
    """Say what is to be done."""
    upload = event["Upload"]
    if type == "pre-create" and not upload["MetaData"].get("filename"):
        response = {"StatusCode": 422, "Body": "a file needs a name\n"}
        return {"RejectUpload": True, "HTTPResponse": response}
    # What is told may be told twice.
    if type == "post-finish" and event["ID"] not in taken:
        taken.add(event["ID"])
        name, path = upload["MetaData"].get("filename"), upload["Storage"]["Path"]
        print(f"{name}: {upload['Size']} bytes in {path}", flush=True)  # noqa: T201
    return {}


class Receiver(BaseHTTPRequestHandler):
    """Believes only what is signed."""

    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self) -> None:
        """Take a call."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = self.headers.get("Tustwisted-Signature", "")
        try:
            verify(signature, body, SECRETS, time.time())
        except BadSignature as error:
            self.reply(403, {"error": str(error)})
            return
        call = json.loads(body)
        self.reply(200, answer(call["Type"], call["Event"]))

    def reply(self, status: int, fields: dict[str, Any]) -> None:
        """Send JSON."""
        content = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
