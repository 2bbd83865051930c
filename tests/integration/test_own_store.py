"""The daemon with the store of the documentation, as an author would run it."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own
import sqlite3
from pathlib import Path

from tests.integration import tuspy
from tests.integration.commands import TWISTD, InPlace
from tests.integration.content import MIB, Running, hash_of, make_bytes, make_file
from tests.integration.daemon import Daemon, twistd_program, until

ROOT = Path(__file__).parents[2]
STORE = ("--store", "docs.examples.sqlite_store:make_store")
SIZE = 256 * MIB
ALMOST_ALL = SIZE - MIB  # so that no kill comes too late to be in mid-upload


class OwnStoreTests(InPlace):
    """``--store``, with records in SQLite and bytes in files."""

    def start(self, *options: str) -> Daemon:
        """Start the daemon with the store on Python's path."""
        daemon = self.daemon(*TWISTD, "--port", str(self.port), *STORE, *options)
        daemon.variables["PYTHONPATH"] = str(ROOT)
        daemon.start()
        return daemon

    def read_record(self, path: str, column: str) -> str:
        """Ask the database for a fact of an upload."""
        uri = f"file:{self.uploads}/records.sqlite3?mode=ro"
        sql = f"SELECT {column} FROM uploads WHERE id = ?"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            ((value,),) = database.execute(sql, (path.rpartition("/")[2],))
        return str(value)

    def content(self, path: str) -> Path:
        """Tell where the bytes of an upload are."""
        return self.uploads / "bytes" / self.read_record(path, "file")

    def assert_finished(self, path: str, digest: str) -> None:
        """The bytes have this hash, and the record says that they are all."""
        self.assertEqual(hash_of(self.content(path)), digest)
        self.assertEqual(self.read_record(path, "state"), "finished")

    def test_upload(self) -> None:
        """tuspy uploads; the bytes are the same and the record says finished."""
        daemon = self.start()
        source = self.place / "source"
        digest = make_file(source, 32 * MIB, seed=21)
        path = tuspy.upload(daemon.url, source, chunk_size=5 * MIB)
        self.assert_finished(path, digest)
        daemon.stop()
        self.assertNotIn("Traceback", daemon.log)
        self.assertIn(f"by {STORE[1]} in {self.uploads}", daemon.log)

    def test_killed_in_mid_upload(self) -> None:
        """Killed with -9 it loses nothing that it told; tuspy resumes (T-020)."""
        daemon = self.start()
        source = self.place / "source"
        digest = make_file(source, SIZE, seed=22)
        path = daemon.create(SIZE)

        def send() -> None:
            client = daemon.client()
            client.begin_patch(path, 0, SIZE)
            with open(source, "rb") as file, contextlib.suppress(ConnectionError):
                client.send_file(file, 0, ALMOST_ALL)

        sending = Running(send)
        until(lambda: daemon.offset(path) > SIZE // 4, "a quarter is stored")
        told = daemon.offset(path)
        daemon.kill()
        sending.done()
        written = self.content(path).stat().st_size
        self.assertGreaterEqual(written, told)

        daemon.start()
        self.assertEqual(tuspy.resume(daemon.url, path, source), written)
        self.assert_finished(path, digest)

    def test_offers_what_the_store_provides(self) -> None:
        """OPTIONS lists exactly what the store is able to do (T-010)."""
        response = self.start().client().request("OPTIONS", "/files/")
        self.assertEqual(
            response.headers["tus-extension"],
            "creation,creation-with-upload,creation-defer-length,termination",
        )
        self.assertNotIn("tus-checksum-algorithm", response.headers)

    def test_deferred_length_and_termination(self) -> None:
        """A length is told later, and a DELETE leaves neither record nor bytes."""
        client = self.start().client()
        response = client.request("POST", "/files/", "Upload-Defer-Length: 1")
        self.assertEqual(response.status, 201)
        path = "/files/" + response.headers["location"].rpartition("/")[2]
        content = make_bytes(1000, seed=23)
        self.assertEqual(client.patch(path, 0, content[:400]).status, 204)
        client.begin_patch(path, 400, 600, "Upload-Length: 1000")
        client.send(content[400:])
        self.assertEqual(client.response().status, 204)
        self.assertEqual(self.read_record(path, "state"), "finished")
        self.assertEqual(client.request("DELETE", path).status, 204)
        self.assertEqual(client.request("HEAD", path).status, 404)
        names = [each.name for each in (self.uploads / "bytes").iterdir()]
        self.assertEqual(names, [".tustwisted.lock"])

    def test_smallest_store(self) -> None:
        """The store that keeps nothing on disk runs, and the directory is held."""
        daemon = self.daemon(
            *(*TWISTD, "--port", str(self.port)),
            *("--store", "docs.examples.smallest_store:make_store"),
        )
        daemon.variables["PYTHONPATH"] = str(ROOT)
        daemon.start()
        path = daemon.create(3)
        self.assertEqual(daemon.client().patch(path, 0, b"abc").status, 204)
        self.assertEqual(daemon.offset(path), 3)
        names = [each.name for each in self.uploads.iterdir()]
        self.assertEqual(names, [".tustwisted.lock"])

    def test_application(self) -> None:
        """A program with a store of its own takes uploads and remembers them."""
        examples = ROOT / "docs" / "examples"
        program = twistd_program(self, examples / "sqlite_app.py")
        program.variables["PYTHONPATH"] = f"{ROOT}:{examples}"
        program.base_path = "/files/tus/"
        program.start()
        path = program.create(6)
        self.assertEqual(program.client().patch(path, 0, b"abc").status, 204)
        program.stop()
        program.start()
        self.assertEqual(program.client().patch(path, 3, b"def").status, 204)
        self.uploads = program.directory
        self.assertEqual(self.content(path).read_bytes(), b"abcdef")
        self.assertNotIn("Traceback", program.log)

    def test_second_daemon_is_refused(self) -> None:
        """A second daemon on the directory ends with one sentence (T-240)."""
        self.start()
        code, output = self.run_with_path(*TWISTD, "--port", "0", *STORE)
        self.assertEqual(code, 1, output)
        self.assertIn("another process already serves", output)
        self.assertNotIn("Traceback", output)

    def test_store_that_cannot_be_made(self) -> None:
        """What is wrong with --store is one sentence, status 1, and nothing made."""
        for name, problem in (
            ("nonsense", "must be package.module:factory"),
            ("no_such:make", "there is no module no_such"),
            ("docs.examples.sqlite_store:make", "has no make"),
            ("tests.store.factories:fail", "raised ValueError"),
            ("tests.store.factories:make_none", "is no IDataStore"),
        ):
            code, output = self.run_with_path(*TWISTD, "--store", name)
            self.assertEqual(code, 1, output)
            self.assertIn(f"--store {name}: ", output)
            self.assertIn(problem, output)
            self.assertEqual(len(output.splitlines()), 1, output)
        self.assertEqual(list(self.place.iterdir()), [])

    def run_with_path(self, *command: str) -> tuple[int, str]:
        """Run a command that ends, with the store on Python's path."""
        return self.run_to_end(*command, PYTHONPATH=str(ROOT))
