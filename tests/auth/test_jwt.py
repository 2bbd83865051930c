"""Tests for :mod:`tustwisted.auth.jwt`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.logger import LogLevel, capturedLogs
from zope.interface.verify import verifyObject

from tests.auth.support import CHALLENGE, INVALID, HookCase
from tustwisted.auth.bearer import IKnowsTokens
from tustwisted.auth.jwt import LEEWAY_S, JwtAccess
from tustwisted.auth.watched import LOOK_S

SECRET = b"0123456789abcdef0123456789abcdef"
AUDIENCE = "https://files.example"
ISSUER = "https://login.example"


def claims(**others: Any) -> dict[str, Any]:
    """Good ones, but for others; ``None`` leaves one out."""
    found = {"sub": "ann", "aud": AUDIENCE, "exp": int(time.time()) + 60, **others}
    return {name: value for name, value in found.items() if value is not None}


@cache
def private_key(kind: str) -> Any:
    """Make a key, once for each kind."""
    match kind:
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "weak RSA":
            return rsa.generate_private_key(65537, 1024)
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def public_pem(kind: str) -> bytes:
    """What stands in the file."""
    pem: bytes = (
        private_key(kind)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return pem


class JwtCase(HookCase):
    """Has a file with a key."""

    def access(self, *algorithms: str, **others: Any) -> JwtAccess:
        """Make the hook, which is not started."""
        return JwtAccess(
            self.path, self.clock, algorithms or ("HS256",), AUDIENCE, **others
        )

    def started(self, *algorithms: str, **others: Any) -> JwtAccess:
        """Start one with the secret."""
        self.write(SECRET)
        hook = self.access(*algorithms, **others)
        self.start(hook)
        return hook


class ClaimTests(JwtCase):
    """What a token must say, when it is signed well."""

    def owner_by(self, hook: JwtAccess, **others: Any) -> str | None:
        """Who is let in with these claims."""
        said = json.dumps(claims(**others)).encode()
        return self.owner(hook, jwt.api_jws.encode(said, SECRET, "HS256"))

    def test_interface(self) -> None:
        """It is a hook that knows tokens."""
        self.assertTrue(verifyObject(IKnowsTokens, self.access()))
        self.assertEqual(self.access().name, "jwt")

    def test_good(self) -> None:
        """It is asked for a token, and lets its subject in."""
        hook = self.started()
        self.assertEqual(self.owner_by(hook), "ann")
        self.assert_refused(self.ask(hook), CHALLENGE)
        self.assert_refused(self.ask(hook, "Bearer a.b.c"), INVALID)

    def test_time(self) -> None:
        """It ends, and may begin, but for a little that clocks may be apart."""
        hook, now = self.started(), int(time.time())
        for name, good, bad in (
            ("exp", now - LEEWAY_S + 8, now - LEEWAY_S - 1),
            ("nbf", now + LEEWAY_S - 1, now + LEEWAY_S + 60),
            ("iat", now + LEEWAY_S - 1, now + LEEWAY_S + 60),
        ):
            self.assertEqual(self.owner_by(hook, **{name: good}), "ann", name)
            self.assertIsNone(self.owner_by(hook, **{name: bad}), name)

    def test_needed(self) -> None:
        """One that has no end, or is for nobody, or about nobody, is no good."""
        hook = self.started()
        for name in ("exp", "aud", "sub"):
            self.assertIsNone(self.owner_by(hook, **{name: None}), name)
        odd: list[Any] = ["soon", [], {}, float("inf"), float("nan"), True]
        for value in odd:
            self.assertIsNone(self.owner_by(hook, exp=value), value)

    def test_audience(self) -> None:
        """It must be for this server, perhaps among others."""
        hook = self.started()
        self.assertEqual(self.owner_by(hook, aud=["x", AUDIENCE]), "ann")
        others: list[Any] = ["x", ["x"], AUDIENCE + "/", AUDIENCE[:-1], [], "", [1], {}]
        for other in others:
            self.assertIsNone(self.owner_by(hook, aud=other), other)

    def test_issuer(self) -> None:
        """Where one is wanted, it must be from him, exactly."""
        hook = self.started()
        self.assertEqual(self.owner_by(hook, iss="whoever"), "ann")
        hook = self.started(issuer=ISSUER)
        self.assertEqual(self.owner_by(hook, iss=ISSUER), "ann")
        for other in (None, "", ISSUER[:-1], ISSUER + "/", [ISSUER], 1):
            self.assertIsNone(self.owner_by(hook, iss=other), other)

    def test_owner(self) -> None:
        """The owner may stand elsewhere; he must be a text that an owner can be."""
        hook = self.started(owner_claim="email")
        self.assertEqual(self.owner_by(hook, email="a@b.example"), "a@b.example")
        for other in (None, "", "a" * 201, "a\nb", 7, ["a"]):
            self.assertIsNone(self.owner_by(hook, email=other), other)


class SignatureTests(JwtCase):
    """How a token must be signed."""

    def test_keys(self) -> None:
        """Each algorithm is verified by a key of its kind, and by no other one."""
        for algorithm, kind in (
            ("RS256", "RSA"),
            ("PS512", "RSA"),
            ("ES256", "P-256"),
            ("ES384", "P-384"),
            ("EdDSA", "Ed25519"),
        ):
            self.write(public_pem(kind))
            hook = self.access(algorithm)
            self.start(hook)
            token = jwt.encode(claims(), private_key(kind), algorithm)
            self.assertEqual(self.owner(hook, token), "ann", algorithm)
            head, body, signature = token.split(".")
            other = jwt.encode(claims(sub="bob"), private_key(kind), algorithm)
            for forged in (other.split(".")[1] + f".{signature}", f"{body}."):
                self.assertIsNone(self.owner(hook, f"{head}.{forged}"), algorithm)

    def test_pinned(self) -> None:
        """An algorithm that was not asked for is refused, be it a good one."""
        hook = self.started("HS256")
        self.assertIsNone(self.owner(hook, jwt.encode(claims(), SECRET * 2, "HS512")))
        self.write(public_pem("RSA"))
        hook = self.access("RS256", "PS256")
        self.start(hook)
        for algorithm, owner in (("RS256", "ann"), ("PS256", "ann"), ("RS512", None)):
            token = jwt.encode(claims(), private_key("RSA"), algorithm)
            self.assertEqual(self.owner(hook, token), owner, algorithm)

    def test_none(self) -> None:
        """A token that nobody has signed is refused, whatever it calls that."""
        hook = self.started()
        names: list[Any] = ["none", "None", "NONE", "nOnE", "", None, ["HS256"], {}, 1]
        for name in names:
            self.assertIsNone(self.owner(hook, raw({"alg": name, "typ": "JWT"})), name)

    def test_public_key_as_a_secret(self) -> None:
        """Who knows the public key, as all do, cannot sign with it."""
        pem = public_pem("RSA")
        self.write(pem)
        hook = self.access("RS256")
        self.start(hook)
        token = raw({"alg": "HS256", "typ": "JWT"}, key=pem)
        self.assertIsNone(self.owner(hook, token))

    def test_critical(self) -> None:
        """What a token says must be understood, and is not, is refused."""
        token = jwt.encode(claims(), SECRET, "HS256", headers={"crit": ["x"], "x": 1})
        self.assertIsNone(self.owner(self.started(), token))

    def test_odd(self) -> None:
        """What is no token at all is refused; the log has nothing of it."""
        hook = self.started()
        deep = encoded(b"[" * 10_000)
        for token in (
            "a",
            "a.b",
            "a.b.c",
            "..",
            f"{deep}.{deep}.",
            f"{encoded(b'[]')}.{encoded(b'{}')}.",
            f"{encoded(b'null')}..",
            f"{encoded(bytes([255]))}.{encoded(b'{}')}.",
            jwt.api_jws.encode(b"[1]", SECRET, "HS256"),
            jwt.api_jws.encode(b"[" * 10_000, SECRET, "HS256"),
            jwt.api_jws.encode(b"\xff", SECRET, "HS256"),
        ):
            with capturedLogs() as events:
                self.assert_refused(self.ask(hook, f"Bearer {token}"), INVALID)
            for event in events:  # a kind of error at most, and no failure
                self.assertEqual(event["log_level"], LogLevel.debug)
                self.assertRegex(event["why"], r"\A[A-Za-z]+\Z")


class KeyFileTests(JwtCase):
    """Files of keys."""

    def assert_no_key(self, content: bytes, sentence: str, *algorithms: str) -> None:
        """It is not taken, and the reason is told, nothing of the key."""
        self.write(content)
        told = self.assert_unusable(self.access(*algorithms), sentence)
        self.assertTrue(told.startswith(f"--jwt-key-file {self.path}: "), told)
        self.assertNotIn(SECRET.decode()[:8], told)

    def test_secret(self) -> None:
        """A text may end with a line end; of other bytes each counts."""
        token = jwt.encode(claims(), SECRET, "HS256")
        raw_secret = b"\x00" * 32 + b"\n"
        for content, sent, owner in (
            (SECRET + b"\n", token, "ann"),
            (SECRET + b"\r\n", token, "ann"),
            (SECRET + b" ", token, None),
            (raw_secret, jwt.encode(claims(), raw_secret, "HS256"), "ann"),
        ):
            self.write(content)
            hook = self.access()
            self.start(hook)
            self.assertEqual(self.owner(hook, sent), owner, content)

    def test_short_secret(self) -> None:
        """A secret is as long as its hash."""
        for size, algorithms in (
            (32, ("HS256",)),
            (48, ("HS256", "HS384")),
            (64, ("HS512",)),
        ):
            short = b"s" * (size - 1)
            self.assert_no_key(short, f"has less than {size} bytes", *algorithms)
            self.assert_no_key(short + b"\n", f"less than {size} bytes", *algorithms)

    def test_no_secret(self) -> None:
        """A public key, which all know, is no secret, and neither is a JWK."""
        self.assert_no_key(public_pem("RSA"), "holds a key of another kind")
        jwk = json.dumps({"kty": "oct", "k": SECRET.decode()}).encode()
        self.assert_no_key(jwk, "holds a key of another kind")

    def test_no_public_key(self) -> None:
        """It is in PEM, public, strong enough, and one for each of the algorithms."""
        self.assert_no_key(SECRET, "holds no public key in PEM", "RS256")
        self.assert_no_key(b"", "holds no public key in PEM", "ES256")
        pem = public_pem("RSA")
        self.assert_no_key(pem.replace(b"A", b"B"), "no public key in PEM", "RS256")
        private = private_key("P-256").private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        self.assert_no_key(private, "holds a private key", "ES256")
        self.assert_no_key(public_pem("weak RSA"), "less than 2048 bits", "RS256")
        self.assert_no_key(pem, "is none for ES256", "RS256", "ES256")
        self.assert_no_key(public_pem("P-384"), "is none for ES256", "ES256")
        self.assert_no_key(public_pem("P-256"), "is none for EdDSA", "EdDSA")

    def test_missing(self) -> None:
        """A file that is missing keeps the daemon from starting."""
        self.assert_unusable(self.access(), "No such file or directory")

    def test_not_started(self) -> None:
        """Nobody is let in by it before it has read the file."""
        token = jwt.encode(claims(), SECRET, "HS256")
        self.assertIsNone(self.owner(self.access(), token))

    def test_algorithms(self) -> None:
        """Kinds of keys do not mix."""
        self.assertRaises(ValueError, self.access, "HS256", "RS256")

    def test_reloaded(self) -> None:
        """A new key counts after a second; a file that is spoiled changes nothing."""
        hook = self.started()
        old = jwt.encode(claims(), SECRET, "HS256")
        new = jwt.encode(claims(), SECRET[::-1], "HS256")
        for content, owners in (
            (SECRET[::-1], (None, "ann")),
            (b"short", (None, "ann")),
            (SECRET, ("ann", None)),
        ):
            self.write(content)
            self.clock.advance(LOOK_S)
            self.assertEqual((self.owner(hook, old), self.owner(hook, new)), owners)


def encoded(content: bytes) -> str:
    """Code a part of a token."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def raw(header: dict[str, Any], key: bytes = b"") -> str:
    """Make a token as no library would, with good claims."""
    signed = ".".join(encoded(json.dumps(each).encode()) for each in (header, claims()))
    if not key:
        return f"{signed}."
    signature = hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{encoded(signature)}"
