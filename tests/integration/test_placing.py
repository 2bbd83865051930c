"""Where the real daemon puts files, and what it calls them when they are finished."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import Running, make_bytes
from tests.integration.daemon import Daemon, twistd_program, twistd_tus, until
from tests.integration.raw import Client
from tests.integration.workers import WithWorkers

DIES_IN_PLACE = Path(__file__).with_name("dies_in_place.py")
DECIDES = Path(__file__).with_name("decides_for_uploads.py")


def create(client: Client, content: bytes, **metadata: bytes) -> str:
    """Create an upload with metadata; return its path."""
    pairs = (f"{k} {b64encode(v).decode()}" for k, v in metadata.items())
    response = client.request(
        "POST",
        "/files/",
        f"Upload-Length: {len(content)}",
        f"Upload-Metadata: {','.join(pairs)}",
    )
    if response.status != 201:
        raise AssertionError(f"POST failed: {response}")
    return "/files/" + response.headers["location"].partition("/files/")[2]


def upload(client: Client, content: bytes, **metadata: bytes) -> str:
    """Upload something in one go; return its path."""
    path = create(client, content, **metadata)
    response = client.patch(path, 0, content)
    if response.status != 204:
        raise AssertionError(f"PATCH failed: {response}")
    return path


def files(directory: Path) -> dict[str, bytes]:
    """Read all files below a directory, but what is hidden."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "/." not in str(path.relative_to(directory.parent))
    }


class PlacedCase(SynchronousTestCase):
    """A daemon that gives finished files names in ``done``."""

    def serve(self, *options: str) -> Daemon:
        """Start it."""
        daemon = twistd_tus(self, "--finished-dir", "done", *options)
        self.done = daemon.place / "done"
        return daemon


class NameTests(PlacedCase):
    """What finished files are called."""

    def test_one_name_for_two(self) -> None:
        """The second one gets a number; both are served by their URLs as before."""
        daemon = self.serve()
        client = daemon.client()
        contents = [make_bytes(50_000, seed) for seed in (1, 2)]
        paths = [upload(client, c, filename=b"report.pdf") for c in contents]
        self.assertEqual(
            files(self.done),
            dict(zip(("report.pdf", "report (2).pdf"), contents, strict=True)),
        )
        for path, content in zip(paths, contents, strict=True):
            self.assertEqual(client.request("GET", path).body, content)
            self.assertEqual(daemon.content(path).read_bytes(), content)
            self.assertEqual(daemon.content(path).stat().st_nlink, 2)
        self.assertEqual(client.request("DELETE", paths[0]).status, 204)
        self.assertEqual((self.done / "report.pdf").read_bytes(), contents[0])

    def test_hostile_names(self) -> None:
        """Whatever a client calls it, the file is in that directory alone."""
        daemon = self.serve()
        before = set(daemon.place.iterdir())
        client = daemon.client()
        names = {
            b"../../etc/passwd": "___.._etc_passwd",
            b".ssh": "_ssh",
            b"..": "__",
            b"/etc/passwd": "_etc_passwd",
            b"uploads/x.info": "uploads_x.info",
            b"a\0b\r\nc": "a_b__c",
            b"x" * 300 + b".txt": "x" * 196 + ".txt",
            b"\xff\xfe.bin": "__.bin",
            "\u202efdp.exe".encode(): "_fdp.exe",
            b"CON": "_CON",
            b"-rf *": "-rf _",
        }
        for seed, name in enumerate(names):
            upload(client, make_bytes(100, seed), filename=name)
        contents = [make_bytes(100, seed) for seed in range(len(names))]
        self.assertEqual(
            files(self.done), dict(zip(names.values(), contents, strict=True))
        )
        self.assertEqual(set(daemon.place.iterdir()), before)
        self.assertNotIn("Traceback", daemon.log)

    def test_directories(self) -> None:
        """The template makes directories; without a name the file has the id."""
        daemon = self.serve("--finished-name", "{owner}/{yyyy}-{mm}/{filename}")
        path = upload(daemon.client(), b"abc")
        ((name, content),) = files(self.done).items()
        self.assertRegex(name, rf"^_/20\d\d-\d\d/{path.rpartition('/')[2]}$")
        self.assertEqual(content, b"abc")

    def test_a_directory_among_the_uploads(self) -> None:
        """Such a command ends with a sentence that says what to change."""
        daemon = self.serve()
        daemon.stop()
        daemon.command = (*daemon.command, "--finished-dir", "uploads/done")
        daemon.launch()
        self.assertEqual(daemon.ended().code, 1)
        self.assertRegex(
            daemon.log,
            r"tustwisted: cannot place finished uploads in \S+/uploads/done: it must "
            r"lie beside the upload directory \S+/uploads, neither in nor around it; "
            r"choose another --finished-dir\n",
        )


class MoveTests(PlacedCase):
    """Files that move when they are finished."""

    def test_moved(self) -> None:
        """Its URL leads to the file where it is now, also later; DELETE takes it."""
        daemon = self.serve("--finished-by", "move")
        content = make_bytes(300_000, seed=3)
        path = upload(daemon.client(), content, filename=b"film.mkv")
        self.assertEqual(files(self.done), {"film.mkv": content})
        self.assertFalse(daemon.content(path).exists())
        for _ in range(2):
            client = daemon.client()
            response = client.request("GET", path)
            self.assertEqual((response.status, response.body), (200, content))
            self.assertEqual(client.head(path), len(content))
            daemon.stop()
            daemon.start()
        self.assertEqual(daemon.client().request("DELETE", path).status, 204)
        self.assertEqual((files(self.done), files(daemon.directory)), ({}, {}))

    def test_dropped(self) -> None:
        """With --drop-records the file is all that is left."""
        daemon = self.serve("--drop-records", "--finished-by", "move")
        client = daemon.client()
        path = upload(client, b"abc", filename=b"a")
        for method in ("HEAD", "GET"):
            self.assertEqual(client.request(method, path).status, 404)
        self.assertEqual(files(self.done), {"a": b"abc"})
        self.assertEqual(files(daemon.directory), {})


class KilledTests(SynchronousTestCase):
    """SIGKILL in the middle of it."""

    def killed(self, moment: str) -> Daemon:
        """
        Have a process die while it places a file, and another one go on.

        Meanwhile the name that was taken becomes free.
        """
        program = twistd_program(self, DIES_IN_PLACE)
        program.variables["MOMENT"] = moment
        program.start()
        self.done = program.place / "done"
        self.path = ""
        for content in (b"first", b"second"):
            self.path = create(program.client(), content, filename=b"a.txt")
            if content == b"first":
                program.client().patch(self.path, 0, content)
        with self.assertRaises(ConnectionError):
            program.client().patch(self.path, 0, b"second")
        self.assertEqual(program.ended().code, -9)
        (self.done / "a.txt").unlink()
        program.start()
        record = program.content(self.path).with_suffix(".info")
        until(
            lambda: json.loads(record.read_text())["State"] == "finished",
            "recovery finishes the upload",
        )
        return program

    def test_one_name(self) -> None:
        """The file has the name that it was to get, and no second one."""
        for moment in ("before", "after", "unlink"):
            program = self.killed(moment)
            self.assertEqual(files(self.done), {"a (2).txt": b"second"}, moment)
            response = program.client().request("GET", self.path)
            self.assertEqual(response.body, b"second", moment)
            is_moved = moment == "unlink"
            self.assertEqual(program.content(self.path).exists(), not is_moved)
            program.stop()


class WorkerTests(WithWorkers):
    """Several processes that place files in one directory."""

    def test_one_name_for_all(self) -> None:
        """However many at once, each gets a name of its own."""
        daemon = self.serve("--finished-dir", "done", "--finished-by", "move")
        contents = [make_bytes(1000, seed) for seed in range(20)]
        clients = [self.client_of(daemon, number) for number in (1, 2)]
        paths = [
            create(clients[n % 2], content, filename=b"a.txt")
            for n, content in enumerate(contents)
        ]

        def send(turn: int) -> None:
            for n in range(turn, len(contents), 2):
                clients[turn].patch(paths[n], 0, contents[n])

        running = [Running(lambda turn=turn: send(turn)) for turn in range(2)]  # type: ignore[misc]
        for thread in running:
            thread.done()
        found = files(self.place / "done")
        self.assertEqual(sorted(found.values()), sorted(contents))
        numbered = {f"a ({number}).txt" for number in range(2, 21)}
        self.assertEqual(set(found), {"a.txt", *numbered})


class DecidedTests(SynchronousTestCase):
    """What a hook in Python decides for one upload."""

    def setUp(self) -> None:
        """Start a program with such a hook."""
        self.program = twistd_program(self, DECIDES)
        self.program.start()
        self.client = self.program.client()

    def refusal(self, **metadata: bytes) -> int:
        """Ask for an upload; return the status."""
        pairs = (f"{k} {b64encode(v).decode()}" for k, v in metadata.items())
        headers = ("Upload-Length: 9", f"Upload-Metadata: {','.join(pairs)}")
        # A client of its own: after a 500 the server ends the connection.
        return self.program.client().request("POST", "/files/", *headers).status

    def test_a_path(self) -> None:
        """The bytes lie where it says, from the first on, and go from there."""
        path = upload(self.client, b"abc", path=b"by zoe/1.bin")
        upload_id = path.rpartition("/")[2]
        self.assertEqual(
            set(files(self.program.directory)), {"by zoe/1.bin", f"{upload_id}.info"}
        )
        self.program.kill()
        self.program.start()
        client = self.program.client()
        self.assertEqual(client.request("GET", path).body, b"abc")
        self.assertEqual(client.request("DELETE", path).status, 204)
        self.assertEqual(files(self.program.directory), {})

    def test_bad_paths(self) -> None:
        """One that leads out, or is taken, is a 500 that the log explains."""
        upload(self.client, b"abc", path=b"mine")
        outside = self.program.place / "outside"
        outside.mkdir()
        os.symlink(outside, self.program.directory / "out")
        for path in (b"../x", b"/etc/x", b".x", b"x.info", b"mine", b"out/x"):
            self.assertEqual(self.refusal(path=path), 500, path)
        self.assertEqual(list(outside.iterdir()), [])
        self.assertIn("leads out of the upload directory", self.program.log)
        stored = files(self.program.directory)
        self.assertEqual(stored.pop("mine"), b"abc")
        self.assertEqual([name[-5:] for name in stored], [".info"])

    def test_a_size(self) -> None:
        """What is longer than it says is refused before it is stored."""
        self.assertEqual(self.refusal(limit=b"8"), 413)
        self.assertEqual(self.refusal(limit=b"9"), 201)

    def test_an_age(self) -> None:
        """It expires after what it says, although other uploads never do."""
        path = create(self.client, b"abc", age=b"1")
        other = create(self.client, b"abc")
        self.assertIn("upload-expires", self.client.request("HEAD", path).headers)
        until(lambda: self.client.request("HEAD", path).status == 410, "it expires")
        self.assertEqual(self.client.head(other), 0)
