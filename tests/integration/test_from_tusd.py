"""Who has run tusd goes on with his directory, and his hooks are told the same."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

from tests.integration.daemon import until
from tests.integration.record_tusd import FIXTURES
from tests.integration.tusd_case import TusdCase
from tests.integration.tusd_story import STEPS, Story, Told, alike
from tustwisted.protocol.events import EventType

SECRETS = {"Authorization", "Cookie"}


class DirectoryTests(TusdCase):
    """A directory as tusd 2.9.1 leaves it, record by record."""

    def setUp(self) -> None:
        """Leave uploads in it, as tusd does when it is run as ``tusd``."""
        super().setUp()
        self.directory.mkdir()
        self.begun = self.leave(10, b"abcd", MetaData={"filename": "caf\u00e9.txt"})
        self.whole = self.leave(4, b"abcd", MetaData={"filetype": "text/plain"})
        self.deferred = self.leave(0, b"abc", SizeIsDeferred=True)
        self.first = self.leave(2, b"ab", IsPartial=True)
        self.second = self.leave(2, b"c", IsPartial=True)

    def leave(self, size: int, content: bytes, **changes: object) -> str:
        """Write an upload as tusd's filestore does, and return its path."""
        upload_id = os.urandom(16).hex()
        fields = {
            "ID": upload_id,
            "Size": size,
            "SizeIsDeferred": False,
            "Offset": 0,
            "MetaData": {},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {
                "InfoPath": f"{self.directory}/{upload_id}.info",
                "Path": f"{self.directory}/{upload_id}",
                "Type": "filestore",
            },
        }
        text = json.dumps(fields | changes, separators=(",", ":"), ensure_ascii=False)
        (self.directory / upload_id).write_bytes(content)
        (self.directory / f"{upload_id}.info").write_text(text)
        return f"/files/{upload_id}"

    def test_served(self) -> None:
        """What is whole is served, and no hook hears of it a second time."""
        endpoint = self.endpoint()
        daemon = self.start("--hooks-http", endpoint.url)
        taken = self.ask(daemon, "GET", self.whole)
        self.assertEqual((taken.status, taken.body), (200, b"abcd"))
        self.assertEqual(taken.headers["content-type"], "text/plain")
        self.assertEqual({told["Type"] for told in endpoint.told}, {"pre-access"})

    def test_resumed(self) -> None:
        """What tusd began goes on where it stopped, and hooks hear of its end."""
        endpoint = self.endpoint()
        daemon = self.start("--hooks-http", endpoint.url)
        asked = self.ask(daemon, "HEAD", self.begun)
        self.assertEqual(asked.headers["upload-metadata"], "filename Y2Fmw6kudHh0")
        self.assertEqual(daemon.offset(self.begun), 4)
        self.assertEqual(daemon.client().patch(self.begun, 4, b"efghij").status, 204)
        taken = self.ask(daemon, "GET", self.begun)
        self.assertEqual(taken.body, b"abcdefghij")
        until(partial(endpoint.has_heard, "post-finish"), "post-finish is told")
        (told,) = endpoint.of("post-finish")
        upload = told["Event"]["Upload"]
        self.assertEqual(f"/files/{upload['ID']}", self.begun)
        self.assertEqual(upload["MetaData"], {"filename": "caf\u00e9.txt"})
        self.assertEqual(Path(upload["Storage"]["Path"]).read_bytes(), b"abcdefghij")

    def test_over_a_kill(self) -> None:
        """What is sent to it is there after ``kill -9``."""
        daemon = self.start()
        client = daemon.client()
        client.begin_patch(self.begun, 4, 6)
        client.send(b"ef")
        daemon.until_offset(self.begun, 6)
        daemon.kill()
        daemon.start()
        self.assertEqual(daemon.client().patch(self.begun, 6, b"ghij").status, 204)
        taken = self.ask(daemon, "GET", self.begun)
        self.assertEqual(taken.body, b"abcdefghij")

    def test_deferred(self) -> None:
        """The length of an upload may still be told."""
        daemon = self.start()
        asked = self.ask(daemon, "HEAD", self.deferred)
        self.assertEqual(asked.headers["upload-defer-length"], "1")
        client = daemon.client()
        client.begin_patch(self.deferred, 3, 1, "Upload-Length: 4")
        client.send(b"d")
        self.assertEqual(client.response().status, 204)
        self.assertEqual(self.ask(daemon, "GET", self.deferred).body, b"abcd")

    def test_parts(self) -> None:
        """Partial uploads are put together."""
        daemon = self.start()
        daemon.client().patch(self.second, 1, b"d")
        concat = f"Upload-Concat: final;{self.first} {self.second}"
        final = self.ask(daemon, "POST", "/files/", concat)
        self.assertEqual(final.status, 201)
        path = "/files/" + final.headers["location"].rpartition("/")[2]
        self.assertEqual(self.ask(daemon, "GET", path).body, b"abcd")

    def test_way_back(self) -> None:
        """What we write has every field of tusd's records, of the same type."""
        daemon = self.start()
        mine = daemon.create(10)
        fields = json.loads((self.directory / f"{mine[7:]}.info").read_text())
        theirs = json.loads((self.directory / f"{self.begun[7:]}.info").read_text())
        for name, value in theirs.items():
            self.assertIs(type(fields[name]), type(value), name)
        for name in ("Path", "InfoPath"):
            expected = theirs["Storage"][name].replace(self.begun[7:], mine[7:])
            self.assertEqual(fields["Storage"][name], expected)


class ToldTests(TusdCase):
    """What our daemon tells of the same requests."""

    def test_field_by_field(self) -> None:
        """Hooks are told all that tusd tells, but for secrets that would be kept."""
        endpoint = self.endpoint()
        daemon = self.start("--hooks-http", endpoint.url)
        story = Story(daemon.port, endpoint)
        found: list[str] = []
        for step, kinds in STEPS.items():
            endpoint.told.clear()
            getattr(story, step)()
            for kind in kinds:
                until(partial(endpoint.has_heard, kind), f"{kind} is told")
                told = alike(endpoint.of(kind)[0], str(self.directory))
                theirs = json.loads((FIXTURES / f"{step}-{kind}.json").read_text())
                if EventType(kind).is_durable:
                    self.assertEqual(SECRETS & headers_of(told).keys(), set())
                    for name in SECRETS & headers_of(theirs).keys():
                        del headers_of(theirs)[name]
                found += differences(told, theirs, f"{step} {kind}")
        self.assertEqual(found, [])


def headers_of(told: Told) -> Told:
    """Look the headers of a request up."""
    headers: Told = told["Event"]["HTTPRequest"]["Header"]
    return headers


def differences(ours: object, theirs: object, where: str) -> list[str]:
    """Name the fields of theirs that ours has not, or not with the same value."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return [] if ours == theirs else [f"{where}: {ours!r}, not {theirs!r}"]
    found: list[str] = []
    for name, value in theirs.items():
        found += differences(ours.get(name), value, f"{where} {name}")
    return found
