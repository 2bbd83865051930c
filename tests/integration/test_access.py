"""The real daemon with tokens: who is let in, and to which uploads."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.commands import TWISTD, InPlace
from tests.integration.content import make_bytes
from tests.integration.daemon import Daemon, place_of, twistd_tus, until
from tests.integration.raw import Client, Response
from tustwisted.hooks.outbox.file import NAME

ANN = "an1an1an1an1an1a"
BOB = "b0bb0bb0bb0bb0bb"
UNKNOWN = "c1dc1dc1dc1dc1dc"
OPEN = "nobody is asked who he is"


def bearer(token: str) -> str:
    """The header line that brings a token."""
    return f"Authorization: Bearer {token}"


def token_file(test: SynchronousTestCase, *lines: str) -> Path:
    """Write a file of tokens, by default Ann's and Bob's."""
    path = place_of(test) / "tokens"
    write(path, *(lines or (f"ann {ANN}", f"bob {BOB}")))
    return path


def write(path: Path, *lines: str) -> None:
    """Put a file in place by a rename."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_text("".join(f"{line}\n" for line in lines))
    os.replace(new, path)


def create(daemon: Daemon, token: str, *lines: str) -> str:
    """Create an upload of six bytes as somebody, and return its path."""
    sent = ("Upload-Length: 6", bearer(token), *lines)
    response = daemon.client().request("POST", daemon.base_path, *sent)
    if response.status != 201:
        raise AssertionError(f"an upload was not created: {response}")
    return "/" + response.headers["location"].split("/", 3)[3]


def patch(client: Client, path: str, offset: int, body: bytes, *lines: str) -> Response:
    """Send bytes in one request."""
    client.begin_patch(path, offset, len(body), *lines, start=body)
    return client.response()


class TokensTests(SynchronousTestCase):
    """A daemon with a file of tokens."""

    def setUp(self) -> None:
        self.tokens = token_file(self)
        self.daemon = twistd_tus(self, "--auth-tokens", str(self.tokens))

    def statuses(self, path: str, token: str) -> list[int]:
        """What somebody is answered who asks an upload for all there is."""
        client, line = self.daemon.client(), bearer(token)
        found = [client.request("HEAD", path, line).status]
        found.append(client.request("GET", path, line).status)
        found.append(patch(client, path, 3, b"", line).status)
        return [*found, client.request("DELETE", path, line).status]

    def test_without_a_token(self) -> None:
        """Whatever is asked for is 401, on one connection, with how to get in."""
        path, client = create(self.daemon, ANN), self.daemon.client()
        for lines, error in (((), ""), ((bearer(UNKNOWN),), ', error="invalid_token"')):
            for method, url in (
                ("POST", "/files/"),
                ("HEAD", path),
                ("GET", path),
                ("PATCH", path),
                ("DELETE", path),
                ("OPTIONS", path),
                ("OPTIONS", "/files/"),
            ):
                response = client.request(method, url, *lines)
                self.assertEqual(response.status, 401, method)
                challenge = response.headers["www-authenticate"]
                self.assertEqual(challenge, f'Bearer realm="tus"{error}')
        self.assertEqual(self.statuses(path, ANN), [200, 404, 409, 204])
        self.assertNotIn(ANN, self.daemon.log)
        self.assertNotIn(UNKNOWN, self.daemon.log)

    def test_pages(self) -> None:
        """A preflight is open; a page can see the 401 that follows (T-203)."""
        origin = "Origin: https://app.example"
        client = self.daemon.client()
        wanted = "Access-Control-Request-Method: POST"
        asked = client.request("OPTIONS", "/files/", origin, wanted)
        self.assertEqual(asked.status, 204)
        self.assertIn("Authorization", asked.headers["access-control-allow-headers"])
        refused = client.request("POST", "/files/", "Upload-Length: 6", origin)
        self.assertEqual(refused.status, 401)
        allowed = refused.headers["access-control-allow-origin"]
        self.assertEqual(allowed, "https://app.example")

    def test_expectation(self) -> None:
        """A client that waits for 100 sends no byte in vain."""
        path, expecting = create(self.daemon, ANN), "Expect: 100-continue"
        client = self.daemon.client()
        client.begin_patch(path, 0, 6, expecting)
        self.assertEqual(client.response().status, 401)
        self.assertTrue(client.at_end())
        client = self.daemon.client()
        client.begin_patch(path, 0, 6, expecting, bearer(ANN))
        self.assertEqual(client.response(has_body=False).status, 100)
        client.send(b"abcdef")
        self.assertEqual(client.response().status, 204)

    def test_body_of_a_stranger(self) -> None:
        """Of a body that comes all the same nothing is stored; the answer arrives."""
        path, client = create(self.daemon, ANN), self.daemon.client()
        client.begin_patch(path, 0, 6 << 20)
        client.send(make_bytes(1 << 20, seed=1))
        self.assertEqual(client.response().status, 401)
        self.assertEqual(self.daemon.content(path).stat().st_size, 0)

    def test_owners(self) -> None:
        """What is Ann's is not there for Bob, before a restart and after it (T-029)."""
        path = create(self.daemon, ANN)
        sent = patch(self.daemon.client(), path, 0, b"abc", bearer(ANN))
        self.assertEqual(sent.status, 204)
        self.assertEqual(self.statuses(path, BOB), [404] * 4)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.statuses(path, BOB), [404] * 4)
        client = self.daemon.client()
        self.assertEqual(patch(client, path, 3, b"def", bearer(ANN)).status, 204)
        got = client.request("GET", path, bearer(ANN))
        self.assertEqual((got.status, got.body), (200, b"abcdef"))
        self.assertEqual(client.request("GET", path, bearer(BOB)).status, 404)

    def test_parts(self) -> None:
        """Bob cannot put Ann's parts together, and so read them (T-178)."""
        path = create(self.daemon, ANN, "Upload-Concat: partial")
        client = self.daemon.client()
        self.assertEqual(patch(client, path, 0, b"abcdef", bearer(ANN)).status, 204)
        final = f"Upload-Concat: final;{path}"
        for token, status in ((BOB, 404), (ANN, 201)):
            response = client.request("POST", "/files/", final, bearer(token))
            self.assertEqual(response.status, status)

    def test_reloaded(self) -> None:
        """A change counts while it runs; a wrong one changes nothing."""
        client = self.daemon.client()

        def lets_in(token: str) -> bool:
            return client.request("OPTIONS", "/files/", bearer(token)).status == 204

        write(self.tokens, f"bob {BOB}", f"cid {UNKNOWN}")
        until(lambda: lets_in(UNKNOWN), "a new token is known")
        self.assertFalse(lets_in(ANN))
        write(self.tokens, f"ann {ANN}", "nonsense")
        until(lambda: "line 2 of the file" in self.daemon.log, "the log complains")
        self.assertEqual((lets_in(ANN), lets_in(BOB)), (False, True))
        self.assertNotIn("nonsense", self.daemon.log)


class OptionsTests(InPlace):
    """What else the options mean."""

    def run_daemon(self, *options: str) -> Daemon:
        """Start a daemon; it always has the same directory."""
        daemon = self.daemon(*TWISTD, "--port", str(self.port), *options)
        daemon.start()
        return daemon

    def test_without_owner(self) -> None:
        """What nobody owns is for all; what somebody owns is not, asked or not."""
        daemon = self.run_daemon()
        path = daemon.create(6)
        daemon.stop()
        tokens = token_file(self)
        daemon = self.run_daemon("--auth-tokens", str(tokens))
        client = daemon.client()
        self.assertEqual(client.request("HEAD", path).status, 401)
        for token, offset in ((ANN, 0), (BOB, 3)):
            sent = patch(client, path, offset, b"abc", bearer(token))
            self.assertEqual(sent.status, 204)
        of_ann = create(daemon, ANN)
        daemon.stop()
        client = self.run_daemon().client()
        self.assertEqual(client.request("HEAD", path).status, 200)
        self.assertEqual(client.request("HEAD", of_ann).status, 404)

    def test_unusable(self) -> None:
        """A file that is missing or wrong ends the start with a sentence."""
        tokens = token_file(self, "ann short")
        options = ("--port", str(self.port), "--auth-tokens", str(tokens))
        for workers in ("1", "2"):
            code, told = self.run_to_end(*TWISTD, *options, "--workers", workers)
            self.assertEqual(code, 1, told)
            problem = "line 1 of the file has a token of less than 16 characters"
            self.assertIn(f"--auth-tokens {tokens}: {problem}", told)
            self.assertNotIn("Traceback", told)
            self.assertNotIn("short", told)

    def test_warning(self) -> None:
        """That anybody can upload is said where it is so, and only there."""
        beyond = ("--host", "0.0.0.0")
        tokens = ("--auth-tokens", str(token_file(self)))
        for options, times in (
            ((), 1),
            (tokens, 0),
            ((*tokens, "--workers", "2"), 0),
        ):
            daemon = self.run_daemon(*beyond, *options)
            until(partial(self.has_said_where, daemon), "it says where")
            daemon.stop()
            self.assertEqual(daemon.log.count(OPEN), times)
            (self.place / "daemon.log").unlink()

    def test_with_hooks(self) -> None:
        """Other hooks are asked as well, after it, of those who are let in."""
        hooks = self.place / "hooks"
        hooks.mkdir()
        reply = '{"RejectUpload": true, "HTTPResponse": {"StatusCode": 402}}'
        script = hooks / "pre-create"
        script.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{reply}'\n")
        script.chmod(0o700)
        tokens = ("--auth-tokens", str(token_file(self)))
        daemon = self.run_daemon(*tokens, "--hooks-dir", str(hooks))
        client = daemon.client()
        for lines, status in (((), 401), ((bearer(ANN),), 402)):
            sent = ("Upload-Length: 6", *lines)
            self.assertEqual(client.request("POST", "/files/", *sent).status, status)

    def test_secrets(self) -> None:
        """No token is kept, be it with what waits for its delivery, or in the log."""
        hooks = self.place / "hooks"
        hooks.mkdir()
        failing = hooks / "post-create"
        failing.write_text("#!/bin/sh\nexit 1\n")
        failing.chmod(0o700)
        tokens = ("--auth-tokens", str(token_file(self)))
        daemon = self.run_daemon(*tokens, "--hooks-dir", str(hooks))
        create(daemon, ANN)
        daemon.stop()
        files = [path for path in self.place.rglob("*") if path.is_file()]
        self.assertTrue(any(NAME in path.parts for path in files))
        for path in files:
            self.assertNotIn(ANN.encode(), path.read_bytes(), path)

    def has_said_where(self, daemon: Daemon) -> bool:
        """Whether the line is there that the warning follows."""
        return "and stores in" in daemon.log

    def test_workers(self) -> None:
        """Every worker asks."""
        options = ("--auth-tokens", str(token_file(self)), "--workers", "2")
        daemon = self.run_daemon(*options)
        path = create(daemon, ANN)
        for token, status in ((ANN, 200), (BOB, 404), (UNKNOWN, 401)) * 4:
            response = daemon.client().request("HEAD", path, bearer(token))
            self.assertEqual(response.status, status)


class JwtTests(SynchronousTestCase):
    """A daemon with a public key."""

    def setUp(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = place_of(self) / "key.pem"
        self.path.write_bytes(
            self.key.public_key().public_bytes(
                Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
            )
        )
        self.options = (
            *("--jwt-key-file", str(self.path), "--jwt-algorithm", "ES256"),
            *("--jwt-audience", "files", "--jwt-issuer", "login"),
        )

    def signed(self, owner: str, lasts_s: float = 60.0) -> str:
        """A token of somebody's."""
        ends_s = int(time.time() + lasts_s)
        claims = {"sub": owner, "aud": "files", "iss": "login", "exp": ends_s}
        return jwt.encode(claims, self.key, "ES256")

    def test_owners(self) -> None:
        """Who brings a token that is signed and in time is its owner."""
        daemon = twistd_tus(self, *self.options)
        path, client = create(daemon, self.signed("ann")), daemon.client()
        for token, status in (
            (self.signed("ann"), 200),
            (self.signed("bob"), 404),
            (self.signed("ann", -60), 401),
            (ANN, 401),
        ):
            response = client.request("HEAD", path, bearer(token))
            self.assertEqual(response.status, status)
            self.assertNotIn(token, daemon.log)

    def test_with_tokens(self) -> None:
        """Where there are tokens in a file, too, one of either kind is enough."""
        tokens = ("--auth-tokens", str(token_file(self)))
        daemon = twistd_tus(self, *self.options, *tokens)
        path, client = create(daemon, self.signed("ann")), daemon.client()
        for token, status in ((ANN, 200), (BOB, 404), (UNKNOWN, 401)):
            response = client.request("HEAD", path, bearer(token))
            self.assertEqual(response.status, status)
