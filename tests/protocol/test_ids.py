"""Tests for :mod:`tustwisted.protocol.ids`."""

from __future__ import annotations

import os
import posixpath

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.ids import MAX_ID_CHARACTERS, is_upload_id, new_id

ALPHABET = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"
)

# What an attacker would build a path from, and what ids are built from.
segments = st.sampled_from(
    ("", ".", "..", "...", "a", "b.c", ".a", "a.", "a..", "a.info", "%2e%2e", "..\\")
)
almost_ids = st.one_of(
    st.text(),
    st.text("aZ9_.+-/\\%~ \n\x00٣"),
    st.lists(segments, max_size=5).map("/".join),
)


class NewIdTests(SynchronousTestCase):
    """Ids that we make."""

    def test_random_bits(self) -> None:
        """An id is made from 128 bits of the given source, asked for once (T-054)."""
        asked: list[int] = []

        def random_bytes(count: int) -> bytes:
            asked.append(count)
            return bytes(range(count))

        upload_id = new_id(random_bytes)
        self.assertEqual(asked, [16])
        self.assertEqual(upload_id, "000102030405060708090a0b0c0d0e0f")

    def test_never_equal(self) -> None:
        """Two ids from the system's randomness differ (T-054)."""
        self.assertNotEqual(new_id(os.urandom), new_id(os.urandom))

    @given(st.binary(min_size=16, max_size=16))
    def test_no_bit_is_lost(self, entropy: bytes) -> None:
        """Different random bytes give different ids: the id gives them back (T-054)."""
        self.assertEqual(bytes.fromhex(new_id(lambda _: entropy)), entropy)

    @given(st.binary(min_size=16, max_size=16))
    def test_is_an_id(self, entropy: bytes) -> None:
        """Whatever the random bytes, the id is one that we accept (T-054)."""
        self.assertTrue(is_upload_id(new_id(lambda _: entropy)))

    @given(st.binary(min_size=16, max_size=16))
    def test_url_safe(self, entropy: bytes) -> None:
        """An id holds lower-case hexadecimal digits only (T-054)."""
        self.assertLessEqual(set(new_id(lambda _: entropy)), set("0123456789abcdef"))


class IsUploadIdTests(SynchronousTestCase):
    """Ids that come from a URL, a header or a hook."""

    def _assert_refused(self, *texts: str) -> None:
        for text in texts:
            self.assertFalse(is_upload_id(text), repr(text[:80]))

    def test_accepted(self) -> None:
        """Letters, digits and ``_ . + -`` make an id, in segments or in one (T-269)."""
        for text in (
            "a",
            "0",
            "_",
            "-",
            "+",
            "24e533e02ec3bc40c387f1a0e460e216",
            "24e533e02ec3bc40c387f1a0e460e216+multipart_upload.id-7",  # tusd on S3
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "film.mp4",
            "a..b",
            "a.",
            "info",
            "lock",
            "a.information",
            "a.info.mp4",
            "users/7/film.mp4",
        ):
            self.assertTrue(is_upload_id(text), text)

    def test_empty(self) -> None:
        """The empty string is no id (T-269)."""
        self._assert_refused("")

    def test_dot_segments(self) -> None:
        """No segment is ``.`` or ``..``, at any place (T-269)."""
        self._assert_refused(
            ".", "..", "../a", "./a", "a/..", "a/.", "a/../b", "a/./b", "../../etc"
        )

    def test_percent(self) -> None:
        """A percent sign is refused: an id is never decoded a second time (T-269)."""
        self._assert_refused("%2e%2e", "a%2Fb", "%2e%2e%2fa", "a%00", "%", "a%252e")

    def test_backslash(self) -> None:
        """A backslash is refused: elsewhere it separates folders (T-269)."""
        self._assert_refused("\\", "a\\b", "..\\a", "a\\..\\b", "C:\\a")

    def test_nul(self) -> None:
        """A NUL is refused: in C it ends the name (T-269)."""
        self._assert_refused("\x00", "a\x00", "\x00a", "a\x00b", "a/\x00")

    def test_control_characters(self) -> None:
        """No other control character and no blank is taken (T-269)."""
        self._assert_refused("a b", " a", "a ", "a\tb", "a\rb", "a\x7f", "a\x1b", " ")

    def test_trailing_newline(self) -> None:
        """A newline at the end is refused, which ``$`` in a pattern lets by (T-269)."""
        self._assert_refused("a\n", "a\r\n", "a/b\n", "a\n/b", "\n")

    def test_leading_dot(self) -> None:
        """No segment begins with a dot, as hidden files do (T-269)."""
        self._assert_refused(".a", ".htaccess", "...", "a/.b", ".a/b", "a/...")

    def test_reserved_endings(self) -> None:
        """No segment ends as a file that a store keeps beside the bytes (T-269)."""
        for ending in (
            ".info",
            ".lock",
            ".removed",
            ".stop",
            ".tmp",
            ".unverified",
        ):
            self._assert_refused(f"a{ending}", f"a/b{ending}", f"a{ending}/b", ending)

    def test_empty_segments(self) -> None:
        """No segment is empty: no slash at an end, no two in a row (T-269)."""
        self._assert_refused("/", "//", "/a", "a/", "a//b", "//a", "/etc/passwd")

    def test_not_ascii(self) -> None:
        """Letters and digits beyond ASCII are refused (T-269)."""
        self._assert_refused(
            "٣",
            "a\uff15",
            "é",
            "e\u0301",
            "\u212a",  # KELVIN SIGN, lower-cased to an ASCII k
            "\u2024\u2024",  # ONE DOT LEADER, normalised to a dot
            "\u2215",  # DIVISION SLASH
            "\u202ea",
            "\udc80",  # a byte that could not be decoded
        )

    def test_other_signs(self) -> None:
        """Every ASCII sign outside the alphabet is refused (T-269)."""
        for code in range(128):
            sign = chr(code)
            if sign != "/":
                self.assertEqual(is_upload_id(f"a{sign}b"), sign in ALPHABET, sign)

    def test_longest(self) -> None:
        """An id has at most 200 characters, slashes included (T-269)."""
        self.assertEqual(MAX_ID_CHARACTERS, 200)
        self.assertTrue(is_upload_id("a" * 200))
        self.assertTrue(is_upload_id("a/" * 99 + "bc"))
        self._assert_refused("a" * 201, "a/" * 100 + "b", "a" * 4096)

    @given(almost_ids)
    def test_stays_below_its_directory(self, text: str) -> None:
        """A path of a directory and an id is plain and lies in it (T-269)."""
        if is_upload_id(text):
            joined = posixpath.join("/r", text)
            self.assertTrue(joined.startswith("/r/"))
            self.assertEqual(posixpath.normpath(joined), joined)

    @given(almost_ids)
    def test_alphabet(self, text: str) -> None:
        """An id, however strange the text, has only signs of the alphabet (T-269)."""
        if is_upload_id(text):
            self.assertLessEqual(set(text), ALPHABET | {"/"})

    @given(st.text("aZ9_+-", min_size=1, max_size=100), st.text("aZ9_.+-", max_size=99))
    def test_plain_names(self, start: str, rest: str) -> None:
        """Every short name that begins with no dot and ends with ``x`` is an id."""
        self.assertTrue(is_upload_id(f"{start}{rest}x"))
