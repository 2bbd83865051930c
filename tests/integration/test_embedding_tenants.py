"""A site whose tenants have a store each: the documented example."""

from __future__ import annotations

from pathlib import Path

from tests.integration.daemon import Daemon
from tests.integration.examples import MOUNT, ExampleCase, create

RED = "Authorization: Bearer scarlet"
BLUE = "Authorization: Bearer navy"


class TenantsAppTests(ExampleCase):
    """``tenants_app.py``: the token says whose store it is."""

    def known_by(self, program: Daemon) -> tuple[str, ...]:
        """Be one of them."""
        return (RED,)

    def content(self, program: Daemon, path: str) -> Path:
        """Look where that one's uploads lie."""
        return program.directory / "red" / path.rpartition("/")[2]

    def test_apart(self) -> None:
        """Whoever has another token does not find an upload; there is one file."""
        program = self.start("tenants_app.py")
        path = MOUNT + create(program.client(), RED).rpartition("/")[2]
        self.assertEqual(self.send(program, path, b"abcdef", BLUE).status, 404)
        self.assertEqual(self.send(program, path, b"abcdef", RED).status, 204)
        for method in ("HEAD", "GET", "DELETE"):
            self.assertEqual(self.ask(program, method, path, BLUE).status, 404)
        self.assertEqual(self.get(program.client(), path, RED), b"abcdef")
        self.assertEqual(self.content(program, path).read_bytes(), b"abcdef")
        self.assertEqual(list((program.directory / "blue").glob("*.info")), [])

    def test_limits(self) -> None:
        """Each has limits of his own."""
        program = self.start("tenants_app.py")
        length = f"Upload-Length: {2 * 1024 * 1024}"
        self.assertEqual(self.ask(program, "POST", MOUNT, length, RED).status, 201)
        self.assertEqual(self.ask(program, "POST", MOUNT, length, BLUE).status, 413)

    def test_stranger(self) -> None:
        """Who has no token is told so, before a body was read."""
        program = self.start("tenants_app.py")
        path = MOUNT + create(program.client(), RED).rpartition("/")[2]
        for headers in ((), ("Authorization: Bearer guess",)):
            client = program.client()
            client.begin_patch(path, 0, 6, *headers)
            answer = client.response()
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.assertEqual(self.content(program, path).read_bytes(), b"")

    def test_preflight(self) -> None:
        """A browser's question needs no token."""
        program = self.start("tenants_app.py")
        asked = ("Origin: https://a.example", "Access-Control-Request-Method: PATCH")
        answer = self.ask(program, "OPTIONS", MOUNT, *asked)
        self.assertEqual(answer.status, 204)

    def test_locations(self) -> None:
        """Uploads are where they are said to be, behind proxies too."""
        self.assert_locations("tenants_app.py")
