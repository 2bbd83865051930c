"""curl: bodies that wait for a word of the server, and bodies of unknown length."""

from __future__ import annotations

from tests.clients.curl import CHUNKED, OCTETS, PATIENT, TUS, body, curl, patch
from tests.clients.tools import ClientCase
from tests.integration.content import MIB, hash_of

TOO_SHORT = 3 * MIB


class CurlCase(ClientCase):
    """A test that runs curl."""

    tools = ("curl",)

    def create(self, length: int) -> str:
        """Create an upload; return its URL by way of the relay."""
        path = self.daemon.create(length)
        return self.wire.url.removesuffix("/files/") + path


class ExpectTests(CurlCase):
    """curl adds ``Expect: 100-continue`` to a large body by itself."""

    def test_accepted(self) -> None:
        """The body is asked for, and then taken (T-093)."""
        url = self.create(self.size)
        answered = curl(*patch(0), *PATIENT, *body(self.source), url)
        self.assertEqual((answered.code, answered.statuses), (0, [204]))
        (seen,) = self.wire.requests
        self.assertEqual(seen.headers["expect"], "100-continue")
        self.assertEqual(seen.statuses, [100, 204])
        self.assert_stored(url)

    def test_accepted_at_creation(self) -> None:
        """So is the body of a POST (T-093)."""
        create = (*TUS, *OCTETS, "-H", f"Upload-Length: {self.size}")
        answered = curl(*create, *PATIENT, *body(self.source), self.wire.url)
        self.assertEqual((answered.code, answered.statuses), (0, [201]))
        (seen,) = self.wire.requests
        self.assertEqual(seen.statuses, [100, 201])
        (name, _) = self.stored()
        self.assert_stored(self.wire.url + name)

    def test_refused(self) -> None:
        """What the head alone shows to be wrong costs no byte of a body (T-094)."""
        url = self.create(self.size)
        length = ("-H", f"Upload-Length: {self.size}")
        typed = (*TUS, "-X", "PATCH", "-H", "Content-Type: text/plain")
        cases = (
            (409, (*patch(5), url)),
            (404, (*patch(0), self.wire.url + "0" * 32)),
            (412, ("-X", "PATCH", *OCTETS, "-H", "Upload-Offset: 0", url)),
            (415, (*typed, "-H", "Upload-Offset: 0", url)),
            (400, ("-X", "PATCH", *TUS, *OCTETS, "-H", "Upload-Offset: -1", url)),
            (413, (*patch(0), self.create(self.size - 1))),
            (400, (*TUS, *OCTETS, "-H", "Upload-Length: x", self.wire.url)),
            (405, (*TUS, *OCTETS, *length, url)),
        )
        for status, arguments in cases:
            answered = curl(*PATIENT, *body(self.source), *arguments)
            self.assertEqual((answered.code, answered.statuses), (0, [status]))
            seen = self.wire.requests[-1]
            self.assertEqual(seen.headers["expect"], "100-continue")
            self.assertEqual((seen.statuses, seen.sent), ([status], 0))
        self.assertEqual(self.daemon.offset(self.path(url)), 0)

    def test_refused_without_it(self) -> None:
        """A client that did not ask gets the answer too, not a broken line (T-261)."""
        path = self.daemon.create(self.size)
        url = self.daemon.url.removesuffix("/files/") + path
        for _ in range(5):
            answered = curl(*patch(5), "-H", "Expect:", *body(self.source), url)
            self.assertEqual((answered.code, answered.statuses), (0, [409]))
        self.assertEqual(self.daemon.offset(path), 0)


class ChunkedTests(CurlCase):
    """Bodies whose length curl does not know."""

    def test_patch(self) -> None:
        """What comes through a pipe is stored without its framing (T-031)."""
        url = self.create(self.size)
        answered = curl(*patch(0), "-T", "-", url, stdin=self.source)
        self.assertEqual((answered.code, answered.statuses), (0, [204]))
        (seen,) = self.wire.requests
        self.assertEqual(seen.headers["transfer-encoding"], "chunked")
        self.assertEqual(seen.sent, self.size)
        self.assert_stored(url)

    def test_post(self) -> None:
        """A POST may bring them as well (T-088)."""
        create = (*TUS, *OCTETS, *CHUNKED, "-H", f"Upload-Length: {self.size}")
        answered = curl(*create, *body(self.source), self.wire.url)
        self.assertEqual((answered.code, answered.statuses), (0, [201]))
        self.assertIn(f"Upload-Offset: {self.size}\r\n", answered.output)
        (name, _) = self.stored()
        self.assert_stored(self.wire.url + name)

    def test_unknown_length(self) -> None:
        """An upload of unknown length takes them, and its length later (T-099)."""
        create = (*TUS, "-X", "POST", "-H", "Upload-Defer-Length: 1")
        self.assertEqual(curl(*create, self.wire.url).statuses, [201])
        url = self.wire.url + self.stored()[0]
        answered = curl(*patch(0), "-T", "-", url, stdin=self.source)
        self.assertEqual((answered.code, answered.statuses), (0, [204]))
        ending = (*patch(self.size), "-H", f"Upload-Length: {self.size}", url)
        self.assertEqual(curl(*ending).statuses, [204])
        self.assert_stored(url)

    def test_too_long(self) -> None:
        """What fits is stored, and the answer is 413 (T-032)."""
        url = self.create(TOO_SHORT)
        answered = curl(*patch(0), *CHUNKED, *body(self.source), url)
        self.assertEqual((answered.code, answered.statuses), (0, [413]))
        fitting = self.daemon.place / "fitting"
        fitting.write_bytes(self.source.read_bytes()[:TOO_SHORT])
        self.assert_stored(url, hash_of(fitting))


class ConnectionTests(CurlCase):
    """Other things that curl does to a connection."""

    def test_reused(self) -> None:
        """Two PATCHes go over one connection (T-262)."""
        halves = [self.daemon.place / name for name in ("first", "second")]
        middle = self.size // 2
        content = self.source.read_bytes()
        halves[0].write_bytes(content[:middle])
        halves[1].write_bytes(content[middle:])
        url = self.create(self.size)
        first = (*patch(0), *body(halves[0]), url)
        second = ("-w", "\n@%{http_code}", *patch(middle), *body(halves[1]), url)
        answered = curl(*first, "--next", *second)
        self.assertEqual((answered.code, answered.statuses), (0, [204, 204]))
        self.assertEqual([seen.place for seen in self.wire.requests], [0, 1])
        self.assert_stored(url)

    def test_old_version(self) -> None:
        """HTTP/1.0 is good enough for a PATCH (T-263)."""
        url = self.create(self.size)
        answered = curl(*patch(0), "--http1.0", *body(self.source), url)
        self.assertEqual((answered.code, answered.statuses), (0, [204]))
        self.assert_stored(url)
