"""An application with sessions of its own: the documented example."""

from __future__ import annotations

from tests.integration.daemon import Daemon, until
from tests.integration.examples import MOUNT, ExampleCase, create, post_form
from tests.integration.raw import Response

ADA = b"user=ada&password=difference"
GRACE = b"user=grace&password=compiler"


class SessionAppTests(ExampleCase):
    """``session_app.py``: two users, each of whom sees his own uploads only."""

    def setUp(self) -> None:
        """Start it, and let both log in."""
        self.program = self.start("session_app.py")
        self.ada = self.log_in(ADA)
        self.grace = self.log_in(GRACE)
        self.path = MOUNT + create(self.program.client(), self.ada).rpartition("/")[2]

    def post_login(self, program: Daemon, form: bytes) -> Response:
        """Send the form."""
        client = program.client()
        answer = post_form(client, "/login", form)
        client.close()
        return answer

    def known_by(self, program: Daemon) -> tuple[str, ...]:
        """Log in anew: a session ends with its process."""
        return (self.log_in(ADA, program),)

    def log_in(self, form: bytes, program: Daemon | None = None) -> str:
        """Send the form, and return the header that a browser then sends."""
        answer = self.post_login(program or self.program, form)
        self.assertEqual((answer.status, answer.headers["location"]), (302, "/"))
        cookie = answer.headers["set-cookie"]
        self.assertRegex(cookie, "; HttpOnly; SameSite=Strict$")
        return f"Cookie: {cookie.partition(';')[0]}"

    def test_wrong_password(self) -> None:
        """Who says something wrong gets no session."""
        for form in (b"user=ada&password=compiler", b"user=eve&password=", b"", b"x"):
            answer = self.post_login(self.program, form)
            self.assertEqual(answer.status, 403)
            self.assertNotIn("set-cookie", answer.headers)

    def test_stranger(self) -> None:
        """Who has not logged in can do nothing, and nothing is stored."""
        for method, path in (
            ("POST", MOUNT),
            ("HEAD", self.path),
            ("GET", self.path),
            ("DELETE", self.path),
        ):
            for headers in ((), ("Cookie: session=guess",), ("Cookie: ;;=",)):
                answer = self.ask(self.program, method, path, *headers)
                self.assertEqual(answer.status, 401)
        self.assertEqual(self.send(self.program, self.path, b"abcdef").status, 401)
        self.assertEqual(self.program.content(self.path).read_bytes(), b"")

    def test_owner(self) -> None:
        """Who creates an upload sends it, takes it back, and finds it on his page."""
        sent = self.send(self.program, self.path, b"abcdef", self.ada)
        self.assertEqual(sent.status, 204)
        client = self.program.client()
        self.assertEqual(self.get(client, self.path, self.ada), b"abcdef")
        link = f'href="{self.path}"'.encode()
        until(lambda: link in self.get(client, "/", self.ada), "it is on the page")

    def test_somebody_else(self) -> None:
        """To another user it is not there, unfinished or finished."""
        for _ in range(2):
            for method in ("HEAD", "GET", "DELETE"):
                answer = self.ask(self.program, method, self.path, self.grace)
                self.assertEqual(answer.status, 404)
            sent = self.send(self.program, self.path, b"abcdef", self.grace)
            self.assertEqual(sent.status, 404)
            self.send(self.program, self.path, b"abcdef", self.ada)
        page = self.get(self.program.client(), "/", self.grace)
        self.assertNotIn(b"href", page)

    def test_forgets_sessions(self) -> None:
        """A session ends with the process; whose an upload is does not."""
        self.send(self.program, self.path, b"abcdef", self.ada)
        self.program.stop()
        self.program.start()
        answer = self.ask(self.program, "GET", self.path, self.ada)
        self.assertEqual(answer.status, 401)
        ada, grace = self.log_in(ADA), self.log_in(GRACE)
        self.assertEqual(self.get(self.program.client(), self.path, ada), b"abcdef")
        answer = self.ask(self.program, "GET", self.path, grace)
        self.assertEqual(answer.status, 404)

    def test_other_sites(self) -> None:
        """To pages of other origins nothing is said that a browser would go on with."""
        asked = ("Origin: https://evil.example", "Access-Control-Request-Method: PATCH")
        answer = self.ask(self.program, "OPTIONS", self.path, *asked)
        self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_locations(self) -> None:
        """Uploads are where they are said to be, behind proxies too."""
        self.assert_locations("session_app.py")
