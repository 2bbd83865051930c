"""
What an application in Flask, Django or any other does when it is called by the daemon.

It needs the standard library alone, and is a WSGI application itself.  Run it with
``SECRET_FILE=secret python flask_hooks.py``; PORT and DATABASE say where it listens and
what it keeps.
"""

import hashlib
import hmac
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

TOLERANCE_S = 300.0
"""How old a call may be: who has recorded one cannot play it again later."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS done (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, name TEXT, size INT, path TEXT);
"""


def is_signed(signature: str, body: bytes, secret: bytes, now_s: float) -> bool:
    """Tell whether a call is from the daemon, and from now."""
    found = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", signature)
    if found is None:
        return False
    signed = found[1].encode() + b"." + body
    expected = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    is_genuine = hmac.compare_digest(expected, found[2])
    return is_genuine and abs(now_s - int(found[1])) <= TOLERANCE_S


class Callback:
    """Keeps a table of the files that are there as a whole."""

    def __init__(self, database: str, secret: bytes) -> None:
        self._database = database
        self._secret = secret
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(SCHEMA)

    def reply(self, signature: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """
        Take a call, and return the status and the JSON to answer with.

        :param signature: the header ``Tustwisted-Signature``.
        :param body: as it came.
        """
        if not is_signed(signature, body, self._secret, time.time()):
            return 401, {}
        told = json.loads(body)
        event = told["Event"]
        if told["Type"] == "pre-create":
            return 200, self._judge(event["Upload"])
        # One event may be told twice.  What is done, and that it was done, is one
        # transaction, so the second time does nothing.
        with closing(sqlite3.connect(self._database)) as connection, connection:
            row = (event["ID"],)
            done = connection.execute("INSERT OR IGNORE INTO done VALUES (?)", row)
            if done.rowcount:
                self._do(connection, told["Type"], event["Upload"])
        return 200, {}

    def _judge(self, upload: dict[str, Any]) -> dict[str, Any]:
        """Let a client create an upload, or not."""
        if upload["MetaData"].get("filename"):
            return {}
        response = {"StatusCode": 422, "Body": "say what the file is called\n"}
        return {"RejectUpload": True, "HTTPResponse": response}

    def _do(
        self, connection: sqlite3.Connection, kind: str, upload: dict[str, Any]
    ) -> None:
        upload_id = upload["ID"]
        if kind == "post-finish":
            name, path = upload["MetaData"]["filename"], upload["Storage"]["Path"]
            connection.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?)",
                (upload_id, name, upload["Size"], path),
            )
        elif kind in ("post-terminate", "post-expire"):
            connection.execute("DELETE FROM files WHERE id = ?", (upload_id,))


def as_wsgi(callback: Callback) -> Callable[..., list[bytes]]:
    """Make an application for any WSGI server."""
    statuses = {200: "200 OK", 401: "401 Unauthorized"}

    def application(
        environ: dict[str, Any], start_response: Callable[..., object]
    ) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        signature = environ.get("HTTP_TUSTWISTED_SIGNATURE", "")
        status, reply = callback.reply(signature, body)
        start_response(statuses[status], [("Content-Type", "application/json")])
        return [json.dumps(reply).encode()]

    return application


if __name__ == "__main__":
    secret = Path(os.environ["SECRET_FILE"]).read_bytes().splitlines()[0].strip()
    kept = Callback(os.environ.get("DATABASE", "files.sqlite"), secret)
    port = int(os.environ.get("PORT", "8081"))
    with make_server("127.0.0.1", port, as_wsgi(kept)) as server:
        server.serve_forever()
