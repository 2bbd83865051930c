"""Programs that have uploads beside what else they do: the documented examples."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import twistd_program
from tests.integration.examples import MOUNT, SIZE, ExampleCase, create, post_form
from tests.integration.raw import Response

FAILS_TO_START = Path(__file__).with_name("fails_to_start.py")

KNOWN = "Authorization: Bearer secret"


class KleinAppTests(ExampleCase):
    """``klein_app.py``: a Klein application with one route more."""

    def test_uploads(self) -> None:
        """It takes uploads under its route, and is told of them."""
        program = self.start("klein_app.py")
        self.assert_takes_uploads(program)
        self.assertIn(" is there: ", program.log)

    def test_own_routes(self) -> None:
        """Its own routes work as before, those that take forms too."""
        client = self.start("klein_app.py").client()
        self.assertEqual(self.get(client, "/"), b"welcome")
        answer = post_form(client, "/comments", b"name=Ada")
        self.assertEqual(answer.body, b"thank you, Ada")

    def test_locations(self) -> None:
        """Uploads are where they are said to be, behind proxies too."""
        self.assert_locations("klein_app.py")


class PlainSiteTests(ExampleCase):
    """``plain_site.py``: a site without Klein that serves a directory."""

    def setUp(self) -> None:
        """Make one page to serve."""
        pages = Path(self.mktemp()).absolute()
        pages.mkdir(parents=True)
        (pages / "page.txt").write_bytes(b"a page")
        self.pages = str(pages)

    def test_uploads(self) -> None:
        """It takes uploads under its path."""
        self.assert_takes_uploads(self.start("plain_site.py", PAGES=self.pages))

    def test_own_pages(self) -> None:
        """Its own pages are served as before."""
        program = self.start("plain_site.py", PAGES=self.pages)
        self.assertEqual(self.get(program.client(), "/page.txt"), b"a page")

    def test_uploads_are_no_pages(self) -> None:
        """Where nobody says where the pages are, the uploads are not among them."""
        program = self.start("plain_site.py")
        path = program.create(1)
        name = path.rpartition("/")[2]
        self.assertTrue((program.place / "uploads" / name).exists())
        for page in ("/uploads/", f"/uploads/{name}"):
            self.assertEqual(self.ask(program, "GET", page).status, 404)

    def test_locations(self) -> None:
        """Uploads are where they are said to be, behind proxies too."""
        self.assert_locations("plain_site.py", PAGES=self.pages)


class GuardedAppTests(ExampleCase):
    """``guarded_app.py``: a hook that asks who it is."""

    def setUp(self) -> None:
        """Start it, and let one who is known create an upload."""
        self.program = self.start("guarded_app.py", TOKEN="secret")
        self.path = MOUNT + create(self.program.client(), KNOWN).rpartition("/")[2]

    def patch(self, *headers: str) -> Response:
        """Send the whole upload."""
        return self.send(self.program, self.path, b"abcdef", *headers)

    def test_stranger(self) -> None:
        """Who does not know the word can do nothing, and nothing is stored."""
        for method, path in (
            ("POST", MOUNT),
            ("HEAD", self.path),
            ("GET", self.path),
            ("DELETE", self.path),
        ):
            for headers in ((), ("Authorization: Bearer guess",)):
                answer = self.ask(self.program, method, path, *headers)
                self.assertEqual(answer.status, 401)
                self.assertEqual(answer.headers["www-authenticate"], "Bearer")
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
        taken = self.ask(self.program, "GET", self.path, KNOWN)
        self.assertEqual((taken.status, taken.body), (200, b"abcdef"))

    def test_preflight(self) -> None:
        """A browser's question needs no word, and learns nothing of an upload."""
        asked = ("Origin: https://a.example", "Access-Control-Request-Method: PATCH")
        for url in (self.path, MOUNT + "x"):
            answer = self.ask(self.program, "OPTIONS", url, *asked)
            self.assertEqual(answer.status, 204)

    def test_page_reads_why(self) -> None:
        """A page of another origin may read that it was refused."""
        answer = self.ask(self.program, "HEAD", self.path, "Origin: https://a.example")
        allowed = answer.headers["access-control-allow-origin"]
        self.assertEqual((answer.status, allowed), (401, "https://a.example"))


class StreamToFileTests(ExampleCase):
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
