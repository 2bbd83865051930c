"""The hooks that the settings of who may upload ask for."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.task import Clock
from twisted.python.threadpool import ThreadPool

from tests.config.support import SettingsCase, settings
from tustwisted.accessmaking import make_access_hooks
from tustwisted.auth.either import EitherToken
from tustwisted.auth.jwt import JwtAccess
from tustwisted.auth.tokens import TokenFile
from tustwisted.interfaces import IHook

TOKENS = ("--auth-tokens", "tokens")
JWT = (
    *("--jwt-key-file", "key", "--jwt-algorithm", "RS256"),
    *("--jwt-audience", "https://files.example"),
)


class IdleReactor(Clock):
    """Has threads, which nobody starts."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = ThreadPool(0, 1)

    def getThreadPool(self) -> ThreadPool:
        return self.pool


def made(*words: str) -> list[IHook]:
    """The hooks of a command line."""
    return make_access_hooks(IdleReactor(), settings(*words))


class AccessTests(SettingsCase):
    """Who may upload."""

    def test_nobody_is_asked(self) -> None:
        """Without a word there is no hook, and all may upload."""
        self.assertEqual(made(), [])
        self.assertFalse(settings().asks_who)

    def test_hooks(self) -> None:
        """Each option makes its hook; two of them one, which wants one token."""
        for words, kind in (
            (TOKENS, TokenFile),
            (JWT, JwtAccess),
            ((*TOKENS, *JWT), EitherToken),
        ):
            (hook,) = made(*words)
            self.assertIsInstance(hook, kind)
            self.assertTrue(settings(*words).asks_who)

    def test_other_hooks(self) -> None:
        """Hooks of one's own may ask as well, if they are asked themselves."""
        http = ("--hooks-http", "http://127.0.0.1:1/")
        self.assertTrue(settings(*http).asks_who)
        self.assertTrue(settings("--hooks-python", "a:b").asks_who)
        enabled = ("--hooks-enabled-events", "post-finish")
        self.assertFalse(settings(*http, *enabled).asks_who)

    def test_jwt(self) -> None:
        """All of it reaches the hook."""
        words = ("--jwt-algorithm=PS256", "--jwt-issuer=i", "--jwt-owner-claim=email")
        (hook,) = made(*JWT, *words)
        expected: Any = JwtAccess(
            *("key", Clock(), ("RS256", "PS256")),
            *("https://files.example", "i", "email"),
        )
        for name in ("key_file", "algorithms", "audience", "issuer", "owner_claim"):
            found = getattr(hook, f"_{name}")
            self.assertEqual(found, getattr(expected, f"_{name}"), name)
        (hook,) = made(*JWT)
        self.assertEqual(getattr(hook, "_owner_claim"), "sub")  # noqa: B009

    def test_missing(self) -> None:
        """Without an algorithm and an audience no token can be trusted."""
        key = ("--jwt-key-file", "key")
        self.assert_ends(
            "--jwt-key-file: must come with --jwt-algorithm",
            *(*key, "--jwt-audience", "a"),
        )
        self.assert_ends(
            "--jwt-key-file: must come with --jwt-audience",
            *(*key, "--jwt-algorithm", "ES256"),
        )

    def test_without_a_key(self) -> None:
        """What is said of such tokens means nothing without a key."""
        for name in ("algorithm", "audience", "issuer", "owner-claim"):
            self.assert_ends(
                f"--jwt-{name}: means nothing without --jwt-key-file: omit it",
                *(f"--jwt-{name}", "ES256"),
            )

    def test_algorithms(self) -> None:
        """They are known, and need keys of one kind."""
        self.assert_ends(
            "--jwt-algorithm none: must be one of HS256, ",
            *(*JWT, "--jwt-algorithm", "none"),
        )
        self.assert_ends(
            "--jwt-algorithm: algorithms with a secret and with a public key do not",
            *(*JWT, "--jwt-algorithm", "HS256"),
        )

    def test_without_pyjwt(self) -> None:
        """Where it is not installed one sentence says what to do."""
        for name in ("jwt", "tustwisted.auth.jwt"):
            self.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
        sys.modules["jwt"] = None  # type: ignore[assignment]
        del sys.modules["tustwisted.auth.jwt"]
        error = str(self.assertRaises(SystemExit, made, *JWT))
        self.assertEqual(
            error, "tustwisted: --jwt-key-file needs PyJWT: pip install tustwisted[jwt]"
        )
