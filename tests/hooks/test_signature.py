"""Tests for :mod:`tustwisted.hooks.signature`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.signature import (
    TOLERANCE_S,
    BadSignature,
    read_secrets,
    sign,
    verify,
)

SECRET = b"a secret of at least 16 bytes"
OTHER = b"another one, just as long"
NOW_S = 1_764_433_980


class VerifyTests(SynchronousTestCase):
    """Who is believed."""

    def _assert_bad(
        self, sentence: str, header: str, body: bytes, now_s: float = NOW_S
    ) -> None:
        with self.assertRaises(BadSignature) as caught:
            verify(header, body, [SECRET], now_s)
        self.assertIn(sentence, str(caught.exception))

    def test_known_value(self) -> None:
        """The signature is HMAC-SHA256 over time, dot and body, as OpenSSL makes it."""
        # printf '1764433980.{}' | openssl dgst -sha256 -hmac 'a secret of at least ...'
        self.assertEqual(
            sign(b"{}", SECRET, NOW_S),
            "t=1764433980,v1="
            "ce2b60dc24938264443c53a00ca5d5edfbf1855ea2c6490821273be2bae57a1b",
        )

    @given(st.binary(max_size=50), st.integers(0, 10**11))
    def test_round_trip(self, body: bytes, now_s: int) -> None:
        """What was signed is believed, by any of the secrets that are known."""
        verify(sign(body, SECRET, now_s), body, [OTHER, SECRET], now_s)

    def test_time(self) -> None:
        """It is believed for five minutes, also by a clock that is behind."""
        header = sign(b"x", SECRET, NOW_S)
        for now_s in (NOW_S - TOLERANCE_S, NOW_S + TOLERANCE_S):
            verify(header, b"x", [SECRET], now_s)
        for now_s in (NOW_S - TOLERANCE_S - 1, NOW_S + TOLERANCE_S + 1):
            self._assert_bad("too old", header, b"x", now_s)

    def test_others(self) -> None:
        """Another secret, another body or another time is not believed."""
        header = sign(b"x", SECRET, NOW_S)
        self._assert_bad("not by a secret", sign(b"x", OTHER, NOW_S), b"x")
        self._assert_bad("not by a secret", header, b"y")
        self._assert_bad("not by a secret", header.replace("980", "981"), b"x")

    def test_garbage(self) -> None:
        """What is no signature is not believed."""
        for header in ("", "v1=00", "t=1,v1=", f"{sign(b'x', SECRET, 1)} ", "t=1"):
            self._assert_bad("missing", header, b"x")


class SecretsTests(SynchronousTestCase):
    """The file of secrets."""

    def test_lines(self) -> None:
        """Each line is one, without the blanks around it; empty lines are none."""
        content = b"\n" + SECRET + b" \r\n\n  " + OTHER
        self.assertEqual(read_secrets(content), [SECRET, OTHER])

    def test_bad(self) -> None:
        """A file without a secret, or with a short one, is refused."""
        for content, sentence in ((b" \n", "no secret"), (b"short", "at least 16")):
            error = self.assertRaises(ValueError, read_secrets, content)
            self.assertIn(sentence, str(error))
