"""A daemon that cannot start says why, in one sentence that names what to change."""

from __future__ import annotations

from tests.integration.commands import TWIST, TWISTD, InPlace
from tests.integration.daemon import free_port, twistd_tus
from tests.namespaces import need_mounts
from tests.valkey import Valkey

BAD_VALUES = (
    ("--port", "70000"),
    ("--port", "nonsense"),
    ("--port", "tcp:80x"),
    ("--port", "ssl:1443:privateKey=missing.pem"),
    ("--port", "systemd:domain=INET:name=missing"),
    ("--base-path", "files"),
    ("--max-size", "10GB"),
    ("--durability", "some"),
    ("--idle-timeout", "0"),
    ("--lock-timeout", "1 minute"),
    ("--locker", "mutex"),
    ("--file-mode", "rw"),
    ("--dir-mode", "888"),
    ("--workers", "65"),
    ("--public-url", "/files/"),
    ("--max-header-size", "8KiB"),
    ("--cors-origin", "app.example"),
    ("--cors-allow-header", "X A"),
    ("--cors-expose-header", "X:A"),
    ("--unknown", ""),
    ("word", ""),
)
"""One bad value for every option that has values, an unknown option, and a word."""


class RefusedTests(InPlace):
    """A daemon that cannot start ends with exit code 1 and one sentence."""

    def refused(self, *command: str) -> str:
        """Run a command that is refused; return the one line that says why."""
        code, output = self.run_to_end(*command)
        self.assertEqual(code, 1, output)
        self.assertNotIn("Traceback", output)
        told = [line for line in output.splitlines() if not _is_twisteds(line)]
        self.assertEqual(len(told), 1, output)
        return told[0]

    def test_bad_values(self) -> None:
        """Each bad value is named with its option, and nothing has been made."""
        for name, value in BAD_VALUES:
            problem = self.refused(*TWISTD, *filter(None, (name, value)))
            self.assertIn(name, problem)
            self.assertIn(value, problem)
        self.assertEqual(list(self.place.iterdir()), [])

    def test_bad_certificate(self) -> None:
        """A file that is no certificate is no reason for a traceback either."""
        self.place.joinpath("server.pem").write_text("nonsense")
        problem = self.refused(*TWISTD, "--port", "ssl:1443")
        self.assertIn("--port ssl:1443", problem)

    def test_read_only(self) -> None:
        """A file system that cannot be written is named as such."""
        need_mounts("-r")
        self.uploads.mkdir()
        shell = 'mount -o bind,ro uploads uploads && exec "$@"'
        command = ("unshare", "-rm", "sh", "-c", shell, "sh", *TWISTD)
        problem = self.refused(*command, "--port", str(self.port))
        self.assertIn("uploads: read-only file system; ", problem)

    def test_bad_value_under_twist(self) -> None:
        """The newer runner tells it the same way."""
        self.assertIn("--max-size 10GB", self.refused(*TWIST, "--max-size", "10GB"))
        self.assertIn("--port tcp:80x", self.refused(*TWIST, "--port", "tcp:80x"))

    def test_directory_in_use(self) -> None:
        """A second daemon on a directory ends, and the first goes on (T-240)."""
        first = twistd_tus(self, "--locker", "memory")
        directory = str(first.directory)
        where = ("--port", str(self.port), "--upload-dir", directory)
        for command in (TWISTD, TWIST):
            for locker in ("memory", "file"):
                problem = self.refused(*command, *where, "--locker", locker)
                self.assertIn(directory, problem)
                self.assertIn("another process", problem)
        self.uploads = first.directory
        self.upload(first.client())

    def test_another_locker(self) -> None:
        """Daemons whose lockers know nothing of each other share none (T-240)."""
        redis = Valkey(self)
        redis.start()
        first = twistd_tus(self)
        where = ("--port", str(self.port), "--upload-dir", str(first.directory))
        for locker in ("memory", redis.url):
            problem = self.refused(*TWISTD, *where, "--locker", locker)
            self.assertIn(str(first.directory), problem)
            self.assertIn("--locker", problem)

    def test_redis(self) -> None:
        """A Redis that cannot be used is named, and no password is shown."""
        redis = Valkey(self, password="right")
        redis.start()
        nobody = f"redis://127.0.0.1:{free_port()}"
        for url, told in (
            (redis.url.replace("right", "wrong"), "password"),
            (redis.url.replace(":right@", ""), "password"),
            (f"{redis.url}/99", "database"),
            (nobody, "nobody listens"),
            (redis.url.replace("redis:", "rediss:"), "does not answer"),
        ):
            problem = self.refused(*TWISTD, "--locker", url)
            self.assertIn(told, problem)
            self.assertNotIn("wrong", problem)
            self.assertNotIn("right", problem)
        # The newer runner logs JSON when nobody looks.
        code, output = self.run_to_end(*TWIST, "--locker", nobody)
        self.assertEqual(code, 1, output)
        self.assertIn("nobody listens", output)
        self.assertNotIn("Traceback", output)

    def test_secret(self) -> None:
        """An address that makes no sense is not repeated: it may hold a password."""
        problem = self.refused(*TWISTD, "--locker", "redis://:secret@host:x")
        self.assertIn("--locker", problem)
        self.assertNotIn("secret", problem)

    def test_directory_cannot_be_made(self) -> None:
        """A directory below a file is named."""
        self.place.joinpath("file").touch()
        where = ("--port", str(self.port), "--upload-dir", "file/below")
        for command in (TWISTD, TWIST):
            self.assertIn("file/below", self.refused(*command, *where))

    def test_port_in_use(self) -> None:
        """A port that is taken is named."""
        first = twistd_tus(self)
        problem = self.refused(*TWISTD, "--port", str(first.port))
        self.assertIn(f"127.0.0.1:{first.port}", problem)

    def test_address_of_others(self) -> None:
        """An interface that this machine does not have is named."""
        where = ("--host", "192.0.2.1", "--port", str(self.port))
        self.assertIn("192.0.2.1", self.refused(*TWISTD, *where))

    def test_socket_cannot_be_made(self) -> None:
        """A Unix socket in a directory that is missing is named."""
        problem = self.refused(*TWISTD, "--port=unix:missing/tus.sock")
        self.assertIn("missing/tus.sock", problem)


def _is_twisteds(line: str) -> bool:
    """Whether a line is what Twisted itself says of a start."""
    parts = ("UnixAppLogger#info]", "[twisted.", "] (", " starting on ", "factory <")
    return any(part in line for part in parts) or line.startswith("{")
