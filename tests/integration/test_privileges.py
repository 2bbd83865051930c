"""A daemon that ``twistd`` takes something away from: its user, its files."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import tempfile
from base64 import b64encode
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.integration.commands import TWISTD, InPlace
from tests.integration.content import make_bytes
from tests.integration.daemon import is_alive, script, until
from tests.integration.raw import LIMIT_S, Client, Response
from tests.namespaces import need_mounts

WITH_NULL = (
    *("unshare", "-rm", "sh", "-c"),
    'mount --bind /dev/null jail/dev/null && exec "$@"',
    "sh",
)
"""Runs a command with a jail that has this one device; as any user."""

OVERRIDE = "X-HTTP-Method-Override: PATCH"

TOKEN = "an1an1an1an1an1a"

AUTHORISED = f"Authorization: Bearer {TOKEN}"


class UserTests(InPlace):
    """``twistd --uid``, in the background."""

    def setUp(self) -> None:
        """Find a user to become, and give him a place."""
        super().setUp()
        if os.geteuid() != 0:
            raise SkipTest("only root can become another user")
        self.user = pwd.getpwnam("nobody")
        # Not where the tests are: he may not get there.
        self.place = Path(tempfile.mkdtemp(dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.place)
        self.place.chmod(0o755)
        self.own = self.place / "own"
        self.own.mkdir()
        os.chown(self.own, self.user.pw_uid, self.user.pw_gid)
        self.pid_file = self.own / "server.pid"
        self.uploads = self.own / "uploads"

    def run_twistd(self) -> tuple[int, str]:
        """Start a daemon; return what the command says."""
        log = f"--logfile={self.place / 'server.log'}"
        return self.run_to_end(
            *(script("twistd"), f"--pidfile={self.pid_file}", log),
            *("--uid=nobody", "--umask=027", "--rundir=own"),
            *("tus", f"--port={self.port}", "--port=unix:server.sock:mode=600"),
        )

    def test_another_user(self) -> None:
        """
        All that it opens and makes is that user's, and so is what he uploads.

        A pid file that a killed daemon left keeps nobody from starting; one of a daemon
        that runs does.
        """
        self.pid_file.write_text("4194305")  # more than Linux gives to any process
        code, output = self.run_twistd()
        self.assertEqual(code, 0, output)
        pid = int(self.pid_file.read_text())
        self.addCleanup(self.end, pid)
        status = Path(f"/proc/{pid}/status").read_text()
        for name, number in (("Uid", self.user.pw_uid), ("Gid", self.user.pw_gid)):
            self.assertIn("\t".join([f"{name}:", *[str(number)] * 4]), status)
        for address in (("127.0.0.1", self.port), str(self.own / "server.sock")):
            client = Client(_short(address))
            self.addCleanup(client.close)
            self.upload(client)
        self.assertEqual(self.mode(self.own / "server.sock"), 0o600)
        found = [*self.own.rglob("*")]
        of_root = [path for path in found if path.lstat().st_uid != self.user.pw_uid]
        self.assertEqual(of_root, [self.pid_file])
        self.assertEqual([p for p in found if p.is_file() and self.mode(p) & 0o027], [])
        code, output = self.run_twistd()
        self.assertEqual(code, 1)
        self.assertIn(f"Another twistd server is running, PID {pid}", output)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), "the daemon has ended")
        left = {path.name for path in self.own.iterdir()}
        self.assertEqual(left, {"uploads"})
        log = (self.place / "server.log").read_text()
        self.assertNotRegex(log, "Traceback|No permission")

    def end(self, pid: int) -> None:
        """End a daemon that is left."""
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def _short(address: tuple[str, int] | str) -> tuple[str, int] | str:
    """Name a socket by a path that is short enough, wherever the tests run."""
    return os.path.relpath(address) if isinstance(address, str) else address


class JailTests(InPlace):
    """``twistd --chroot``, into a directory where there is no Python."""

    def setUp(self) -> None:
        """Make the directory."""
        super().setUp()
        self.jail = self.place / "jail"
        self.jail.joinpath("dev").mkdir(parents=True)
        self.uploads = self.jail / "uploads"

    def test_whole_wire(self) -> None:
        """Whatever a client asks for, nothing is missing."""
        need_mounts("-r")
        self.jail.joinpath("dev", "null").touch()
        self.jail.joinpath("tokens").write_text(f"ann {TOKEN}\n")
        words = (*TWISTD[:-1], "--chroot=jail", "tus", f"--port={self.port}")
        options = ("--auth-tokens=/tokens", "--expire-after=1h")
        daemon = self.daemon(*WITH_NULL, *words, *options)
        daemon.start()
        self.client = daemon.client()
        self.ask_all()
        daemon.stop()
        self.assertNotRegex(daemon.log, r"Traceback|#critical|No such file|not find")

    def ask_all(self) -> None:
        """Make requests of every kind."""
        content = make_bytes(100_000, seed=8)
        self.asked(401, "POST", "/files/", authorised=False)
        self.asked(204, "OPTIONS", "/files/")
        preflight = ("Origin: https://a.example", "Access-Control-Request-Method: POST")
        self.asked(204, "OPTIONS", "/files/", *preflight, authorised=False)
        name = f"Upload-Metadata: filename {b64encode('ä.txt'.encode()).decode()}"
        made = self.asked(201, "POST", "/files/", "Upload-Length: 100000", name)
        upload = made.headers["location"].removeprefix(daemon_url(self.port))
        self.sent(upload, 0, content[:50_000])
        for algorithm in ("md5", "sha1", "sha256", "sha512", "crc32"):
            self.asked(460, "PATCH", upload, *_chunk(50_000), _sum(algorithm, b"x"))
        self.sent(upload, 50_000, content[50_000:], _sum("sha1", content[50_000:]))
        self.asked(200, "HEAD", upload)
        found = self.asked(200, "GET", upload)
        self.assertEqual(found.body, content)
        self.asked(206, "GET", upload, "Range: bytes=10-19")
        self.asked(416, "GET", upload, "Range: bytes=100000-")
        self.asked(304, "GET", upload, f"If-None-Match: {found.headers['etag']}")
        self.asked(409, "POST", upload, OVERRIDE, *_chunk(3))
        parts = [self.part(b"abc"), self.part(b"def")]
        joined = f"Upload-Concat: final;{' '.join(parts)}"
        final = self.asked(201, "POST", "/files/", joined).headers["location"]
        final = final.removeprefix(daemon_url(self.port))
        self.assertEqual(self.asked(200, "GET", final).body, b"abcdef")
        self.asked(204, "DELETE", final)
        self.asked(404, "HEAD", final)
        self.asked(400, "POST", "/files/", "Upload-Length: x")
        self.asked(405, "PUT", upload)
        self.asked(404, "GET", "/elsewhere")

    def part(self, content: bytes) -> str:
        """Create a partial upload with its bytes."""
        made = self.asked(
            201, "POST", "/files/", "Upload-Concat: partial", "Upload-Length: 3"
        )
        path = made.headers["location"].removeprefix(daemon_url(self.port))
        self.sent(path, 0, content)
        return path

    def asked(
        self,
        status: int,
        method: str,
        path: str,
        *headers: str,
        authorised: bool = True,
    ) -> Response:
        """Make a request, and see how it is answered."""
        known = (AUTHORISED,) if authorised else ()
        response = self.client.request(method, path, *known, *headers)
        self.assertEqual(response.status, status, f"{method} {path} {headers}")
        return response

    def sent(self, path: str, offset: int, body: bytes, *headers: str) -> None:
        """Send bytes of an upload."""
        more = (AUTHORISED, *headers)
        self.client.begin_patch(path, offset, len(body), *more, start=body)
        self.assertEqual(self.client.response(LIMIT_S).status, 204)

    def test_missing(self) -> None:
        """What must be there is named with the commands that make it."""
        code, output = self.run_to_end(*TWISTD[:-1], "--chroot=jail", "tus")
        self.assertEqual((code, output.count("\n")), (1, 1), output)
        problem = "--chroot jail: it must have a dev/null (mkdir -p jail/dev; mknod -m"
        self.assertIn(f"tustwisted: {problem}", output)


def daemon_url(port: int) -> str:
    """The beginning of a URL."""
    return f"http://127.0.0.1:{port}"


def _chunk(offset: int) -> tuple[str, str]:
    """The headers of a PATCH."""
    return f"Upload-Offset: {offset}", "Content-Type: application/offset+octet-stream"


def _sum(algorithm: str, content: bytes) -> str:
    """The header that brings a checksum; of 4 bytes where there is no such hash."""
    digest = content.ljust(4)[:4]
    if algorithm != "crc32":
        digest = hashlib.new(algorithm, content).digest()
    return f"Upload-Checksum: {algorithm} {b64encode(digest).decode()}"
