"""Who has run ``@tus/server`` finds what he gave to it: the documented examples."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import Daemon, until
from tests.integration.examples import EXAMPLES
from tests.integration.raw import LIMIT_S, Response

ADA = "Authorization: Bearer letmein"
GRACE = "Authorization: Bearer sesame"
NAMED = "Upload-Metadata: filename Y2Fmw6kudHh0"


class _NodeCase(InPlace):
    def start(self, *options: str) -> Daemon:
        """Start the daemon where it finds the examples."""
        daemon = self.daemon(
            *(*TWISTD, "--port", str(self.port), "--upload-dir", str(self.uploads)),
            *options,
        )
        daemon.variables["PYTHONPATH"] = str(EXAMPLES)
        daemon.start()
        return daemon

    def ask(self, daemon: Daemon, method: str, path: str, *headers: str) -> Response:
        """Ask by a connection of its own."""
        client = daemon.client()
        response = client.request(method, path, *headers)
        client.close()
        return response

    def send(
        self, daemon: Daemon, path: str, offset: int, content: bytes, *headers: str
    ) -> Response:
        """Send the end of an upload by a connection of its own."""
        client = daemon.client()
        client.begin_patch(path, offset, len(content), *headers)
        client.send(content)
        response = client.response()
        client.close()
        return response


class FunctionsTests(_NodeCase):
    """``like_tus_node.py``, as a hook of the daemon."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.server = self.start("--hooks-python", "like_tus_node:make_hook")

    def create(self, *headers: str) -> Response:
        """Create an upload of six bytes."""
        return self.ask(self.server, "POST", "/files/", "Upload-Length: 6", *headers)

    def test_on_incoming_request(self) -> None:
        """Who is not known is refused, at whatever he asks for."""
        answer = self.create(NAMED)
        self.assertEqual((answer.status, answer.body), (401, b"Unauthorized\n"))
        self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.assertEqual(self.ask(self.server, "GET", "/files/ada/1").status, 401)

    def test_naming(self) -> None:
        """An upload is called, and stored, as the function says."""
        located = self.create(ADA, NAMED).headers["location"]
        path = located.removeprefix(f"http://127.0.0.1:{self.port}")
        self.assertRegex(path, "^/files/ada/[0-9a-f]{32}$")
        upload_id = path.removeprefix("/files/")
        self.assertTrue((self.uploads / f"{upload_id}.info").exists())
        self.assertEqual(self.ask(self.server, "HEAD", path, ADA).status, 200)
        self.assertEqual(self.ask(self.server, "HEAD", path, GRACE).status, 404)

    def test_max_size(self) -> None:
        """How long it may get depends on who asks."""
        for known, status in ((ADA, 201), (GRACE, 413)):
            length = f"Upload-Length: {2 * 1024 * 1024}"
            answer = self.ask(self.server, "POST", "/files/", length, known, NAMED)
            self.assertEqual(answer.status, status)

    def test_on_upload_create(self) -> None:
        """Metadata are judged, and added to."""
        answer = self.create(ADA)
        self.assertEqual(answer.status, 400)
        self.assertIn(b"filename", answer.body)
        path = self.create(ADA, NAMED).headers["location"]
        path = path.removeprefix(f"http://127.0.0.1:{self.port}")
        asked = self.ask(self.server, "HEAD", path, ADA)
        told = asked.headers["upload-metadata"]
        self.assertEqual(told, "filename Y2Fmw6kudHh0,by YWRh")

    def test_on_upload_finish(self) -> None:
        """What the client is told at the end is the function's, and events are told."""
        path = self.create(ADA, NAMED).headers["location"]
        path = path.removeprefix(f"http://127.0.0.1:{self.port}")
        answer = self.send(self.server, path, 0, b"abcdef", ADA)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["upload-offset"], "6")
        upload_id = path.removeprefix("/files/")
        self.assertEqual(json.loads(answer.body), {"id": upload_id, "size": 6})
        for kind in ("post-create", "post-finish"):
            line = f"{kind}: {upload_id} has"
            until(lambda line=line: line in self.server.log, line)  # type: ignore[misc]


class KeepFinishedTests(_NodeCase):
    """``keep_finished.py``, as a hook of the daemon."""

    def test_keeps(self) -> None:
        """What is finished stays; what is not can be removed."""
        daemon = self.start("--hooks-python", "keep_finished:make_hook")
        begun, whole = daemon.create(4), daemon.create(4)
        self.send(daemon, whole, 0, b"abcd")
        self.assertEqual(self.ask(daemon, "DELETE", begun).status, 204)
        self.assertEqual(self.ask(daemon, "DELETE", whole).status, 400)
        self.assertEqual(self.ask(daemon, "GET", whole).body, b"abcd")


class FilesTests(_NodeCase):
    """``from_tus_node.py``, on records as ``@tus/file-store`` 2.1.1 writes them."""

    def setUp(self) -> None:
        """Leave some uploads."""
        super().setUp()
        self.uploads.mkdir()
        names = {"filename": "caf\u00e9.txt", "x": None}
        self.begun = self.leave("begun", b"abcd", size=10, metadata=names)
        self.whole = self.leave("whole", b"abcd", size=4)
        self.deferred = self.leave("deferred", b"abc")
        self.nested = self.leave("2026/11/nested", b"ab", size=2)

    def leave(self, upload_id: str, content: bytes, **facts: Any) -> str:
        """Write an upload as its ``FileStore`` does, and return its path here."""
        fields = {
            "id": upload_id,
            **facts,
            "offset": 0,
            "creation_date": "2026-11-29T17:03:17.386Z",
        }
        file = self.uploads / upload_id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        file.with_name(f"{file.name}.json").write_text(text)
        return f"/files/{upload_id}"

    def convert(self) -> list[str]:
        """Run the script; return what it prints."""
        command = [sys.executable, str(EXAMPLES / "from_tus_node.py")]
        told = subprocess.check_output(
            [*command, str(self.uploads)], text=True, timeout=LIMIT_S
        )
        return told.splitlines()

    def test_goes_on(self) -> None:
        """What was whole is served, and what was not goes on where it stopped."""
        self.assertEqual(len(self.convert()), 4)
        daemon = self.start()
        self.assertEqual(self.ask(daemon, "GET", self.whole).body, b"abcd")
        self.assertEqual(self.ask(daemon, "GET", self.nested).body, b"ab")
        asked = self.ask(daemon, "HEAD", self.begun)
        self.assertEqual(asked.headers["upload-offset"], "4")
        self.assertEqual(asked.headers["upload-metadata"], "filename Y2Fmw6kudHh0,x")
        self.assertEqual(self.send(daemon, self.begun, 4, b"efghij").status, 204)
        self.assertEqual(self.ask(daemon, "GET", self.begun).body, b"abcdefghij")
        answer = self.send(daemon, self.deferred, 3, b"d", "Upload-Length: 4")
        self.assertEqual(answer.status, 204)
        self.assertEqual(self.ask(daemon, "GET", self.deferred).body, b"abcd")

    def test_removes_nothing(self) -> None:
        """It writes beside what is there, and only where nothing is."""
        before = {path: path.read_bytes() for path in self.files()}
        (self.uploads / "torn.json").write_bytes(b"{")
        (self.uploads / "gone.json").write_text(
            (self.uploads / "whole.json").read_text().replace("whole", "gone")
        )
        told = self.convert()
        self.assertIn("torn makes no sense", told)
        self.assertIn("gone has no bytes", told)
        for path, content in before.items():
            self.assertEqual(path.read_bytes(), content)
        records = {path: path.read_bytes() for path in self.files()}
        self.assertIn("whole has a record", self.convert())
        self.assertEqual({path: path.read_bytes() for path in self.files()}, records)

    def files(self) -> list[Any]:
        """List all files."""
        return [path for path in self.uploads.rglob("*") if path.is_file()]
