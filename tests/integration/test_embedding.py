"""Programs that have uploads beside what else they do: the documented examples."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import tuspy
from tests.integration.content import MIB, hash_of, make_bytes, make_file
from tests.integration.daemon import Daemon, twistd_program
from tests.integration.raw import Client, Response

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

FAILS_TO_START = Path(__file__).with_name("fails_to_start.py")

SIZE = 64 * MIB
MOUNT = "/files/tus/"
KNOWN = "Authorization: Bearer secret"


class _ExampleTests(SynchronousTestCase):
    def start(self, name: str, **variables: str) -> Daemon:
        """Start an example of the documentation."""
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

    def get(self, client: Client, path: str) -> bytes:
        """Get a page."""
        response = client.request("GET", path)
        self.assertEqual(response.status, 200)
        return response.body


class KleinAppTests(_ExampleTests):
    """``klein_app.py``: a Klein application with one route more."""

    def setUp(self) -> None:
        """Start it."""
        self.program = self.start("klein_app.py")

    def test_uploads(self) -> None:
        """It takes uploads under its route."""
        self.assert_takes_uploads(self.program)

    def test_own_routes(self) -> None:
        """Its own routes work as before, those that take forms too."""
        client = self.program.client()
        self.assertEqual(self.get(client, "/"), b"welcome")
        form = b"name=Ada"
        client.send(
            b"POST /comments HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(form), form)
        )
        self.assertEqual(client.response().body, b"thank you, Ada")


class PlainSiteTests(_ExampleTests):
    """``plain_site.py``: a site without Klein that serves a directory."""

    def setUp(self) -> None:
        """Start it, with one page to serve."""
        pages = Path(self.mktemp()).absolute()
        pages.mkdir(parents=True)
        (pages / "page.txt").write_bytes(b"a page")
        self.program = self.start("plain_site.py", PAGES=str(pages))

    def test_uploads(self) -> None:
        """It takes uploads under its path."""
        self.assert_takes_uploads(self.program)

    def test_own_pages(self) -> None:
        """Its own pages are served as before."""
        self.assertEqual(self.get(self.program.client(), "/page.txt"), b"a page")

    def test_uploads_are_no_pages(self) -> None:
        """Where nobody says where the pages are, the uploads are not among them."""
        program = self.start("plain_site.py")
        path = program.create(1)
        name = path.rpartition("/")[2]
        self.assertTrue((program.place / "uploads" / name).exists())
        for page in ("/uploads/", f"/uploads/{name}"):
            self.assertEqual(program.client().request("GET", page).status, 404)


class GuardedAppTests(_ExampleTests):
    """``guarded_app.py``: a Klein route that asks who it is."""

    def setUp(self) -> None:
        """Start it, and let one who is known create an upload."""
        self.program = self.start("guarded_app.py", TOKEN="secret")
        created = self.ask("POST", MOUNT, "Upload-Length: 6", KNOWN)
        self.assertEqual(created.status, 201)
        self.path = MOUNT + created.headers["location"].rpartition("/")[2]

    def ask(self, method: str, path: str, *headers: str) -> Response:
        """Ask by a connection of its own."""
        return self.program.client().request(method, path, *headers)

    def patch(self, *headers: str) -> Response:
        """Send the whole upload."""
        client = self.program.client()
        client.begin_patch(self.path, 0, 6, *headers)
        client.send(b"abcdef")
        return client.response()

    def test_stranger(self) -> None:
        """Who does not know the word can do nothing, and nothing is stored."""
        for method, path in (("POST", MOUNT), ("HEAD", self.path), ("GET", self.path)):
            for headers in ((), ("Authorization: Bearer guess",)):
                self.assertEqual(self.ask(method, path, *headers).status, 401)
        self.assertEqual(self.ask("DELETE", self.path).status, 401)
        self.assertEqual(self.patch().status, 401)
        self.assertEqual(self.program.content(self.path).read_bytes(), b"")

    def test_refused_before_the_body(self) -> None:
        """The answer does not wait for the body."""
        client = self.program.client()
        client.begin_patch(self.path, 0, 6)
        self.assertEqual(client.response().status, 401)

    def test_known(self) -> None:
        """Who knows it uploads, and takes it back."""
        self.assertEqual(self.patch(KNOWN).status, 204)
        taken = self.ask("GET", self.path, KNOWN)
        self.assertEqual((taken.status, taken.body), (200, b"abcdef"))

    def test_preflight(self) -> None:
        """A browser's question needs no word, and learns nothing of an upload."""
        asked = ("Origin: https://a.example", "Access-Control-Request-Method: PATCH")
        answers = [self.ask("OPTIONS", url, *asked) for url in (self.path, MOUNT + "x")]
        self.assertEqual([answer.status for answer in answers], [204, 204])


class TenantsAppTests(_ExampleTests):
    """``tenants_app.py``: a store for each host, for those who have a session."""

    def setUp(self) -> None:
        """Start it."""
        self.program = self.start("tenants_app.py")

    def ask(self, host: str, session: str, method: str, path: str, *lines: str) -> int:
        """Ask a host, as who has a session; return the status."""
        client = self.program.client()
        client.host = host
        return client.request(method, path, f"Cookie: session={session}", *lines).status

    def test_tenants(self) -> None:
        """An upload is its owner's, and known to one host alone."""
        ann, bob = "4f1e7c2d", "9b03aa51"
        for host, session, status in (
            ("a.example:8080", ann, 201),
            ("b.example", "guess", 401),
            ("c.example", ann, 404),
        ):
            found = self.ask(host, session, "POST", MOUNT, "Upload-Length: 6")
            self.assertEqual(found, status)
        directory = self.program.directory / "a.example"
        (name,) = (path.stem for path in directory.glob("*.info"))
        for host, session, status in (
            ("a.example", ann, 200),
            ("a.example", bob, 404),
            ("b.example", ann, 404),
        ):
            self.assertEqual(self.ask(host, session, "HEAD", MOUNT + name), status)


class StreamToFileTests(_ExampleTests):
    """``stream_to_file.py``: streaming without tus."""

    def test_put(self) -> None:
        """A PUT is taken while it comes, in bounded memory, and answered."""
        program = self.start("stream_to_file.py")
        client = program.client()
        client.send(b"PUT /a HTTP/1.1\r\nHost: localhost\r\n")
        client.send(b"Content-Length: %d\r\n\r\n" % SIZE)
        piece = make_bytes(MIB, seed=10)
        program.forget_peak()
        idle = program.memory("VmRSS")
        for _ in range(SIZE // MIB):
            client.send(piece)
        self.assertEqual(client.response().body, b"%d bytes\n" % SIZE)
        self.assertLess(program.memory("VmHWM") - idle, 16 * MIB)


class FailingProgramTests(SynchronousTestCase):
    """A program that has uploads, and something else that cannot start."""

    def test_ends(self) -> None:
        """It ends: no thread of ours keeps it."""
        program = twistd_program(self, FAILS_TO_START)
        program.launch()
        self.assertEqual(program.ended().code, 1)
        self.assertIn("there is no database", program.log)
