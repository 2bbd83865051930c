"""What the tests of the documented examples share."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import tuspy
from tests.integration.content import MIB, hash_of, make_file
from tests.integration.daemon import Daemon, twistd_program
from tests.integration.raw import Client, Response
from tests.integration.stripping import Proxy

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

SIZE = 64 * MIB
MOUNT = "/files/tus/"


class ExampleCase(SynchronousTestCase):
    """Runs an example of the documentation by ``twistd``."""

    def start(self, name: str, **variables: str) -> Daemon:
        """Start one."""
        program = twistd_program(self, EXAMPLES / name)
        program.base_path = MOUNT
        program.variables.update(variables)
        program.start()
        return program

    def assert_takes_uploads(self, program: Daemon) -> None:
        """tuspy uploads; a body is stored while it comes; SIGTERM loses nothing."""
        source = program.place / "source"
        digest = make_file(source, SIZE, seed=9)
        path = tuspy.upload(program.url, source)
        self.assertEqual(hash_of(program.content(path)), digest)

        path = program.create(SIZE)
        client = program.client()
        client.begin_patch(path, 0, SIZE)
        with open(source, "rb") as file:
            client.send_file(file, 0, SIZE // 2)
        program.until_offset(path, SIZE // 2)
        program.stop()
        program.start()
        self.assertEqual(tuspy.resume(program.url, path, source), SIZE // 2)
        self.assertEqual(hash_of(program.content(path)), digest)
        self.assertNotIn("Traceback", program.log)

    def content(self, program: Daemon, path: str) -> Path:
        """Tell where the bytes of an upload lie."""
        return program.content(path)

    def known_by(self, program: Daemon) -> tuple[str, ...]:
        """Return the headers of somebody who may upload."""
        return ()

    def assert_locations(self, name: str, **variables: str) -> None:
        """Uploads are where they are said to be, behind proxies of each kind too."""
        program = self.start(name, **variables)
        forged = ("X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https")
        located = create(program.client(), *self.known_by(program), *forged)
        self.assert_below(f"http://127.0.0.1:{program.port}", located)
        program.stop()

        proxy = Proxy(self)
        program = self.start(name, BEHIND_PROXY="1", **variables)
        self.assert_works_behind(proxy, program)
        program.stop()

        proxy = Proxy(self, prefix="/api")
        url = f"http://127.0.0.1:{proxy.port}/api{MOUNT}"
        program = self.start(name, PUBLIC_URL=url, **variables)
        self.assert_works_behind(proxy, program)

    def assert_works_behind(self, proxy: Proxy, program: Daemon) -> None:
        """A client that only knows the proxy uploads."""
        proxy.behind = program.port
        known = self.known_by(program)
        client = Client(("127.0.0.1", proxy.port))
        self.addCleanup(client.close)
        located = create(client, *known, base_path=proxy.prefix + MOUNT)
        origin = f"http://127.0.0.1:{proxy.port}{proxy.prefix}"
        self.assert_below(origin, located)
        path = located.removeprefix(f"http://127.0.0.1:{proxy.port}")
        client.begin_patch(path, 0, 6, *known)
        client.send(b"abcdef")
        self.assertEqual(client.response().status, 204)
        self.assertEqual(self.content(program, path).read_bytes(), b"abcdef")

    def assert_below(self, origin: str, located: str) -> None:
        """An upload is below the mount, under a URL that begins so."""
        self.assertEqual(located.rpartition("/")[0] + "/", origin + MOUNT)

    def get(self, client: Client, path: str, *headers: str) -> bytes:
        """Get a page."""
        response = client.request("GET", path, *headers)
        self.assertEqual(response.status, 200)
        return response.body

    def ask(self, program: Daemon, method: str, path: str, *headers: str) -> Response:
        """Ask by a connection of its own."""
        client = program.client()
        response = client.request(method, path, *headers)
        client.close()
        return response

    def send(
        self, program: Daemon, path: str, content: bytes, *headers: str
    ) -> Response:
        """Send all of an upload by a connection of its own."""
        client = program.client()
        client.begin_patch(path, 0, len(content), *headers)
        client.send(content)
        response = client.response()
        client.close()
        return response


def create(client: Client, *headers: str, base_path: str = MOUNT) -> str:
    """Create an upload of six bytes, and return its ``Location``."""
    response = client.request("POST", base_path, "Upload-Length: 6", *headers)
    if response.status != 201:
        raise AssertionError(f"an upload was not created: {response}")
    return response.headers["location"]


def post_form(client: Client, path: str, form: bytes, *headers: str) -> Response:
    """Send a form as browsers do."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(form)}",
        *headers,
    )
    client.send("\r\n".join(lines).encode() + b"\r\n\r\n" + form)
    return client.response()
