"""Tests for :mod:`tustwisted.protocol.checksum`."""

from __future__ import annotations

import contextlib
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import InvalidChecksum, UnsupportedChecksum
from tustwisted.protocol.checksum import (
    ALGORITHMS,
    Checksum,
    TrailingChecksum,
    algorithms_of,
    parse_checksum,
)

NINE = b"123456789"

# Of the nine digits, as the definitions of the algorithms and their registers give it.
CHECKS = {
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "sha512": "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
    "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "crc32": "cbf43926",
    "crc32c": "e3069283",
}

MALFORMED = (
    b"",
    b" ",
    b"sha1",
    b"sha1 ",
    b" Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    b"sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
    b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0==",
    b"sha1 Kq5sNclPz7QV2_lfQIuc6R7oRu0=",
    b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0= x",
    b"sha1 Kq5s Nclw",
    b"sha1\tKq5sNclPz7QV2+lfQIuc6R7oRu0=",
    b"sha1 =",
    b"sha1 ====",
    b"sha1 YQ==YQ==",
    b"sh\xc3\xa9 YQ==",
    b"sha1,YQ==",
)


class AlgorithmTests(SynchronousTestCase):
    """What is computed."""

    def test_names(self) -> None:
        """The algorithms are these, sha1 first (T-125)."""
        self.assertEqual(list(ALGORITHMS), list(CHECKS))

    def test_check_values(self) -> None:
        """Each gives its known value; those of the CRCs are big-endian (T-131)."""
        for name, expected in CHECKS.items():
            hashing = ALGORITHMS[name]()
            for start in range(0, 9, 2):
                hashing.update(NINE[start : start + 2])
            self.assertEqual(hashing.digest().hex(), expected, name)

    @given(st.lists(st.binary(max_size=40), max_size=6))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """How the bytes are cut does not matter."""
        for make in ALGORITHMS.values():
            whole, cut = make(), make()
            whole.update(b"".join(pieces))
            for piece in pieces:
                cut.update(piece)
            self.assertEqual(whole.digest(), cut.digest())


class ParseTests(SynchronousTestCase):
    """The header."""

    def test_value(self) -> None:
        """It is an algorithm and a digest (T-126)."""
        found = parse_checksum([b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="])
        digest = bytes.fromhex("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed")
        self.assertEqual(found, Checksum("sha1", digest))

    @given(st.sampled_from([*CHECKS, "SHA1", "x"]), st.binary(min_size=1))
    def test_any_digest(self, name: str, digest: bytes) -> None:
        """Any digest in base64 is read, of whatever length (T-130)."""
        value = b"%b %b" % (name.encode(), b64encode(digest))
        self.assertEqual(parse_checksum([value]), Checksum(name, digest))

    def test_absent(self) -> None:
        """Without it nothing is said."""
        self.assertIsNone(parse_checksum([]))

    def test_twice(self) -> None:
        """Sent twice it is refused, equal or not (T-027)."""
        with self.assertRaises(InvalidChecksum):
            parse_checksum([b"sha1 YQ==", b"sha1 YQ=="])

    def test_malformed(self) -> None:
        """Anything else is refused (T-129)."""
        for value in MALFORMED:
            with self.assertRaises(InvalidChecksum, msg=value):
                parse_checksum([value])

    @given(st.binary(max_size=60))
    def test_no_other_error(self, value: bytes) -> None:
        """Whatever is sent, it is read or refused (T-129)."""
        with contextlib.suppress(InvalidChecksum):
            parse_checksum([value])


class ChecksumTests(SynchronousTestCase):
    """What a checksum is good for."""

    def test_supported(self) -> None:
        """Every algorithm that is listed may be used."""
        for name in ALGORITHMS:
            Checksum(name, b"a").require_supported()

    def test_not_supported(self) -> None:
        """Others are refused with those that may; capitals are others (T-128)."""
        for name in ("sha999", "SHA1", "Sha1", "sha-1"):
            with self.assertRaises(UnsupportedChecksum) as caught:
                Checksum(name, b"a").require_supported()
            self.assertEqual(caught.exception.offered, tuple(ALGORITHMS))

    def test_match(self) -> None:
        """Only the same digest matches, not a part of it (T-127, T-130)."""
        checksum = Checksum("md5", b"abc")
        self.assertTrue(checksum.matches(b"abc"))
        for other in (b"abd", b"ab", b"abcd", b""):
            self.assertFalse(checksum.matches(other))

    def test_which_to_compute(self) -> None:
        """One that is known needs one algorithm, a trailing one needs them all."""
        self.assertEqual(list(algorithms_of(Checksum("md5", b"a"))), ["md5"])
        trailing = TrailingChecksum(lambda: Checksum("md5", b"a"))
        self.assertEqual(list(algorithms_of(trailing)), list(ALGORITHMS))
