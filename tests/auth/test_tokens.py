"""Tests for :mod:`tustwisted.auth.tokens`."""

from __future__ import annotations

import os
from hashlib import sha256

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.auth.support import CHALLENGE, INVALID, OTHER, TOKEN, HookCase
from tustwisted.auth.bearer import IKnowsTokens
from tustwisted.auth.tokens import TokenFile, parse_tokens
from tustwisted.auth.watched import LOOK_S


def digest(token: str) -> bytes:
    """By what a token is known."""
    return sha256(token.encode()).digest()


class ParseTests(SynchronousTestCase):
    """What a file of tokens may hold."""

    def test_tokens(self) -> None:
        """An owner may have several; a token may stand there as its digest."""
        hashed = digest(OTHER).hex()
        content = f"\n# of Ann\nann {TOKEN}\n  ann\tsha256:{hashed.upper()}\r\n \n"
        expected = {digest(TOKEN): "ann", digest(OTHER): "ann"}
        self.assertEqual(parse_tokens(content.encode()), expected)
        self.assertEqual(parse_tokens(b"\xef\xbb\xbf" + content.encode()), expected)

    def test_none(self) -> None:
        """An empty file holds none."""
        self.assertEqual(parse_tokens(b""), {})

    def test_wrong(self) -> None:
        """A wrong line is named by its number; nothing shows a token."""
        sixteen = "s" * 16
        for line, problem in (
            ("ann", "must be an owner and a token, and nothing else"),
            (
                f"ann {sixteen} {TOKEN}",
                "must be an owner and a token, and nothing else",
            ),
            (f"{'a' * 201} {sixteen}", "has an owner that is longer than"),
            (f"a\x00n {sixteen}", "has an owner that is longer than"),
            (f"ann {'s' * 15}", "has a token of less than 16 characters"),
            (f"ann {sixteen}\xe9", "has a token with characters that no bearer"),
            (f"ann {sixteen}=s", "has a token with characters that no bearer"),
            (f"ann sha256:{'s' * 64}", "must have 64 hexadecimal digits after sha256:"),
            ("ann sha256:", "must have 64 hexadecimal digits after sha256:"),
            (f"bob {TOKEN}", "has the token of line 2 again"),
            (f"bob sha256:{digest(TOKEN).hex()}", "has the token of line 2 again"),
        ):
            content = f"# tokens\nann {TOKEN}\n\n{line}\n".encode()
            told = str(self.assertRaises(ValueError, parse_tokens, content))
            self.assertTrue(told.startswith(f"line 4 of the file {problem}"), told)
            self.assertNotIn("sss", told)
            self.assertNotIn(TOKEN, told)

    def test_no_text(self) -> None:
        """What is no text is no file of tokens."""
        told = str(self.assertRaises(ValueError, parse_tokens, b"ann \xff"))
        self.assertEqual(told, "the file is no text in UTF-8")


class TokenFileTests(HookCase):
    """The hook."""

    def setUp(self) -> None:
        super().setUp()
        self.hook = TokenFile(self.path, self.clock)

    def test_interface(self) -> None:
        """It is a hook that knows tokens."""
        self.assertTrue(verifyObject(IKnowsTokens, self.hook))
        self.assertEqual(self.hook.name, "tokens")

    def test_asked(self) -> None:
        """Who brings a token is its owner; who brings another one, or none, is not."""
        self.write(f"ann {TOKEN}\nbob sha256:{digest(OTHER).hex()}\n")
        self.start(self.hook)
        self.assertEqual(self.owner(self.hook, TOKEN), "ann")
        self.assertEqual(self.owner(self.hook, OTHER), "bob")
        for wrong in (TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "ann"):
            self.assert_refused(self.ask(self.hook, f"Bearer {wrong}"), INVALID)
        self.assert_refused(self.ask(self.hook), CHALLENGE)

    def test_digest_is_no_token(self) -> None:
        """Who can read the file cannot get in with a digest of it."""
        hashed = digest(TOKEN).hex()
        self.write(f"ann sha256:{hashed}\n")
        self.start(self.hook)
        self.assertIsNone(self.owner(self.hook, hashed))

    def test_unusable(self) -> None:
        """A file that cannot be used keeps the daemon from starting."""
        option = f"--auth-tokens {self.path}: "
        self.assert_unusable(self.hook, f"{option}No such file or directory")
        self.write(f"ann {TOKEN}\nann {TOKEN}\n")
        told = self.assert_unusable(self.hook, f"{option}line 2 of the file has the")
        self.assertNotIn(TOKEN, told)

    def test_not_started(self) -> None:
        """Nobody is let in by it before it has read the file."""
        self.assertIsNone(self.owner(self.hook, TOKEN))

    def test_reloaded(self) -> None:
        """A token that is added counts after a second, and one that is removed not."""
        self.write(f"ann {TOKEN}\n")
        self.start(self.hook)
        self.write(f"ann {OTHER}\n")
        self.clock.advance(LOOK_S)
        self.assertEqual(self.owner(self.hook, OTHER), "ann")
        self.assertIsNone(self.owner(self.hook, TOKEN))
        self.write("")
        self.clock.advance(LOOK_S)
        self.assertIsNone(self.owner(self.hook, OTHER))

    def test_spoiled(self) -> None:
        """A file that is gone or wrong keeps the tokens; the log has none of them."""
        self.write(f"ann {TOKEN}\n")
        self.start(self.hook)
        with capturedLogs() as events:
            self.write(f"ann {OTHER}\nann secret\n")
            self.clock.advance(LOOK_S)
            os.unlink(self.path)
            self.clock.advance(LOOK_S)
        self.assertEqual([e["log_level"] for e in events], [LogLevel.error] * 2)
        for secret in (TOKEN, OTHER, "secret"):
            self.assertNotIn(secret, str(events))
        self.assertEqual(self.owner(self.hook, TOKEN), "ann")
        self.assertIsNone(self.owner(self.hook, OTHER))

    def test_warnings(self) -> None:
        """A file without a token, or that others may read, is warned of."""
        for content, mode, warnings in (
            ("# none yet\n", 0o600, 1),
            (f"ann {TOKEN}\n", 0o640, 1),
            (f"ann {TOKEN}\n", 0o604, 1),
            (f"ann {TOKEN}\n", 0o600, 0),
        ):
            self.write(content)
            os.chmod(self.path, mode)
            with capturedLogs() as events:
                self.start(TokenFile(self.path, self.clock))
            self.assertEqual(
                [e["log_level"] for e in events], [LogLevel.warn] * warnings
            )
