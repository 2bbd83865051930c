"""Tests for :mod:`tustwisted.protocol.metadata`."""

from __future__ import annotations

import base64

from attrs.exceptions import FrozenInstanceError
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import InvalidMetadata
from tustwisted.protocol.metadata import Metadata, parse_metadata

BASE64_ALPHABET = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

keys = st.text(VISIBLE.replace(",", ""), min_size=1, max_size=8)
pairs_to_send = st.dictionaries(keys, st.binary(max_size=20), max_size=5)

# Random bytes are hardly ever metadata, these pieces often nearly are.
pieces = st.sampled_from(
    (b" ", b",", b"=", b"a", b"b", b"a YQ==", b"b Yg==", b"YWJj", b"-", b"\t", b"\r\n")
)
lines = st.one_of(
    st.lists(st.binary(max_size=30), max_size=3),
    st.lists(st.lists(pieces, max_size=6).map(b"".join), max_size=3),
)


def _parse_or_none(values: list[bytes]) -> Metadata | None:
    """Return what is parsed, or ``None`` for what is refused."""
    try:
        return parse_metadata(values)
    except InvalidMetadata:
        return None


class _MetadataTests(SynchronousTestCase):
    def assert_pairs(self, header: bytes, pairs: dict[str, bytes]) -> None:
        """Fail unless the header has these pairs, in this order."""
        parsed = parse_metadata([header])
        self.assertEqual(list(parsed.pairs.items()), list(pairs.items()), header)

    def assert_refused(self, *headers: bytes) -> None:
        """Fail unless every header is invalid metadata."""
        for header in headers:
            with self.assertRaises(InvalidMetadata, msg=repr(header)) as caught:
                parse_metadata([header])
            self.assertEqual(caught.exception.header, "Upload-Metadata")


class AcceptedTests(_MetadataTests):
    """What a client may send."""

    def test_absent(self) -> None:
        """No line is no metadata (T-067)."""
        self.assertEqual(parse_metadata([]), Metadata())

    def test_empty(self) -> None:
        """A line that says nothing is no metadata, and nothing is echoed (T-067)."""
        for values in ([b""], [b"", b""], [b" "], [b","], [b" , ,"], [b",", b" "]):
            self.assertEqual(parse_metadata(values), Metadata(), values)

    def test_pairs(self) -> None:
        """A key comes with a base64 value or alone (T-068)."""
        self.assert_pairs(
            b"filename d29ybGQ=,is_confidential",
            {"filename": b"world", "is_confidential": b""},
        )

    def test_order(self) -> None:
        """The pairs stay in the order in which they were sent (T-017)."""
        self.assert_pairs(b"z,y YQ==,a,m", {"z": b"", "y": b"a", "a": b"", "m": b""})

    def test_trailing_space(self) -> None:
        """A key with a space behind it and no value has an empty value (T-069)."""
        self.assert_pairs(b"a ,b YQ==", {"a": b"", "b": b"a"})
        self.assert_pairs(b"b YQ==,a ", {"b": b"a", "a": b""})

    def test_spaces_around_the_comma(self) -> None:
        """Spaces around the comma do not count (T-070)."""
        for header in (
            b"a YQ==, b Yg==",
            b"a YQ== ,b Yg==",
            b"a YQ==   ,   b Yg==",
            b" a YQ==,b Yg== ",
        ):
            self.assert_pairs(header, {"a": b"a", "b": b"b"})

    def test_spaces_around_a_lone_key(self) -> None:
        """A key alone may follow a comma and a space (T-070)."""
        self.assert_pairs(b"a YQ==, b, c", {"a": b"a", "b": b"", "c": b""})

    def test_equals_sign_in_a_key(self) -> None:
        """An equals sign belongs to a key, with or without spaces around (T-070)."""
        for header in (b"a YQ==,b=c", b"a YQ==, b=c", b"a YQ== , b=c "):
            self.assert_pairs(header, {"a": b"a", "b=c": b""})
        self.assert_pairs(b"b= YQ==, c= YQ==", {"b=": b"a", "c=": b"a"})

    def test_empty_elements(self) -> None:
        """Empty list elements are skipped (T-071)."""
        for header in (
            b"a YQ==,,b Yg==",
            b"a YQ==, ,b Yg==",
            b"a YQ==,b Yg==,",
            b",a YQ==,b Yg==",
            b",,, a YQ==,b Yg== , ,",
        ):
            self.assert_pairs(header, {"a": b"a", "b": b"b"})

    def test_letter_case(self) -> None:
        """Keys that differ in case are two keys (T-075)."""
        self.assert_pairs(b"Name YQ==,name Yg==", {"Name": b"a", "name": b"b"})

    def test_every_key_sign(self) -> None:
        """A key may hold every visible ASCII sign but the comma (T-077)."""
        for sign in VISIBLE.replace(",", ""):
            self.assert_pairs(f"{sign} YQ==".encode(), {sign: b"a"})

    def test_every_base64_sign(self) -> None:
        """A value may hold every sign of the standard alphabet (T-072)."""
        value = bytes(range(256))
        self.assert_pairs(b"a " + base64.b64encode(value), {"a": value})
        self.assert_pairs(b"a +/+/", {"a": b"\xfb\xff\xbf"})

    def test_not_utf_8(self) -> None:
        """A value that is not UTF-8 is kept as its bytes (T-078)."""
        self.assert_pairs(b"a /wD+", {"a": b"\xff\x00\xfe"})

    def test_hostile_file_names(self) -> None:
        """A value is never judged as a path: it is only kept (T-081)."""
        for name in (
            b"../../etc/passwd",
            b"/etc/passwd",
            b"..\\..\\boot.ini",
            b"a\x00b",
            b"a\r\nSet-Cookie: b",
            b"n" * 10_240,
        ):
            self.assert_pairs(b"filename " + base64.b64encode(name), {"filename": name})

    def test_several_lines(self) -> None:
        """Several lines are one, joined by commas (T-079)."""
        parsed = parse_metadata([b"a YQ==", b"b Yg==,c", b"", b"d"])
        self.assertEqual(parsed, parse_metadata([b"a YQ==,b Yg==,c,,d"]))
        self.assertEqual(parsed.pairs, {"a": b"a", "b": b"b", "c": b"", "d": b""})

    def test_verbatim(self) -> None:
        """The header stays as it was sent: order, spaces, bare keys (T-017, T-080)."""
        for header in (
            "filename d29ybGQ=,is_confidential",
            "z YQ==, b ,,a",
            "a YR==",  # bits that canonical base64 leaves zero
        ):
            self.assertEqual(parse_metadata([header.encode()]).header, header)


class RefusedTests(_MetadataTests):
    """What a client may not send."""

    def test_alphabet(self) -> None:
        """A sign outside the base64 alphabet is refused, not skipped (T-072)."""
        self.assert_refused(
            b"a Y!Q==", b"a *", b"a YQ==\xff", b"a \xe9", b"a YQ.=", b"a YWJj\x00"
        )

    def test_url_safe_alphabet(self) -> None:
        """The URL-safe alphabet is refused (T-072)."""
        self.assert_refused(b"a -_-_", b"a YWJ-", b"a YWJ_")

    def test_missing_padding(self) -> None:
        """Base64 without all of its padding is refused (T-072)."""
        self.assert_refused(b"a YQ", b"a YQ=", b"a YWI", b"a Y", b"a YWJjY")

    def test_excess_padding(self) -> None:
        """Base64 with more padding than it needs is refused (T-072)."""
        self.assert_refused(
            b"a YQ===", b"a YWI==", b"a YWJj=", b"a YWJj==", b"a YWJj===", b"a YWJj===="
        )

    def test_misplaced_padding(self) -> None:
        """Padding alone, or before the end, is refused (T-072)."""
        self.assert_refused(
            b"a =", b"a ==", b"a ====", b"a =YQ=", b"a Y=Q=", b"a YQ==YQ=="
        )

    def test_inner_whitespace(self) -> None:
        """White space in a value is refused (T-072)."""
        self.assert_refused(
            b"a Y\tQ==", b"a YWJj\nYWJj", b"a YWJj\r\n", b"a YQ==\t", b"a \tYQ=="
        )

    def test_third_word(self) -> None:
        """A third word in a pair is refused (T-073)."""
        self.assert_refused(b"a YQ== x", b"a YWJj YWJj", b"a b c d", b"x,a YQ== YQ==")

    def test_two_spaces(self) -> None:
        """Two spaces between key and value are refused (T-073)."""
        self.assert_refused(b"a  YQ==", b"x,a   YQ==,y")

    def test_duplicate_key(self) -> None:
        """A key that is there twice is refused, even with the same value (T-074)."""
        self.assert_refused(b"a YQ==,a Yg==", b"a YQ==,a YQ==", b"a,b,a", b"a, a ")

    def test_duplicate_key_on_two_lines(self) -> None:
        """A key is refused as well when its two places are on two lines (T-079)."""
        with self.assertRaises(InvalidMetadata):
            parse_metadata([b"a YQ==", b"a Yg=="])

    def test_empty_key(self) -> None:
        """A value without a key before its space is refused (T-076)."""
        self.assert_refused(b"x, YQ==,y", b"x, YWI=", b" YQ==")

    def test_key_signs(self) -> None:
        """A byte outside 0x21 to 0x7E is refused in a key (T-077)."""
        for code in (*range(0x20), *range(0x7F, 0x100)):
            sign = bytes([code])
            self.assert_refused(
                sign, b"a" + sign, sign + b"a", b"x,a" + sign + b"b YQ=="
            )

    def test_tab_between(self) -> None:
        """A tab does not stand for the space, nor around the comma (T-077)."""
        self.assert_refused(b"a\tYQ==", b"a YQ==,\tb Yg==", b"a\t,b")

    def test_line_ends(self) -> None:
        """CR, LF and NUL are refused wherever they stand (T-080)."""
        for sign in (b"\r", b"\n", b"\r\n", b"\x00"):
            for place in range(len(b"a YQ==, b") + 1):
                header = b"a YQ==, b"[:place] + sign + b"a YQ==, b"[place:]
                self.assert_refused(header)


class AnyBytesTests(_MetadataTests):
    """What holds for every header."""

    @given(lines)
    def test_echo(self, values: list[bytes]) -> None:
        """A header that is accepted is printable ASCII without line ends (T-080)."""
        parsed = _parse_or_none(values)
        if parsed is not None:
            self.assertLessEqual(set(parsed.header), set(VISIBLE) | {" "})

    @given(lines)
    def test_parsed_again(self, values: list[bytes]) -> None:
        """A header that is accepted means the same when it is read again (T-017)."""
        parsed = _parse_or_none(values)
        if parsed is not None:
            again = parse_metadata([parsed.header.encode("ascii")])
            self.assertEqual(again, parsed)
            self.assertEqual(list(again.pairs), list(parsed.pairs))

    @given(lines)
    def test_joined(self, values: list[bytes]) -> None:
        """Lines mean what their join with commas means, good or bad (T-079)."""
        self.assertEqual(_parse_or_none(values), _parse_or_none([b",".join(values)]))

    @given(lines)
    def test_error_text(self, values: list[bytes]) -> None:
        """A refusal is said in printable ASCII, whatever was sent (T-080)."""
        try:
            parse_metadata(values)
        except InvalidMetadata as error:
            self.assertLessEqual(set(str(error)), set(VISIBLE) | {" "})

    @given(st.text("aZ0+/=-_", min_size=1, max_size=12))
    @example("YWJj=")
    @example("====")
    def test_strict_base64(self, value: str) -> None:
        """A value is whole groups of four signs, the last with up to two ``=``."""
        signs = value.rstrip("=").encode()
        strict = (
            len(value) % 4 == 0
            and len(value) - len(signs) <= 2
            and set(signs) <= BASE64_ALPHABET
        )
        accepted = _parse_or_none([f"a {value}".encode()]) is not None
        self.assertIs(accepted, strict)

    @given(pairs_to_send)
    def test_round_trip(self, pairs: dict[str, bytes]) -> None:
        """Metadata made from pairs is read back from its header (T-068)."""
        made = Metadata.from_pairs(pairs)
        self.assertEqual(parse_metadata([made.header.encode("ascii")]), made)
        self.assertEqual(list(made.pairs.items()), list(pairs.items()))

    @given(st.dictionaries(keys, st.binary(min_size=1, max_size=20), max_size=5))
    def test_round_trip_with_spaces(self, pairs: dict[str, bytes]) -> None:
        """A space behind every comma, as TUSKit sends it, changes nothing (T-070)."""
        header = Metadata.from_pairs(pairs).header.replace(",", ", ")
        self.assertEqual(parse_metadata([header.encode("ascii")]).pairs, pairs)


class FromPairsTests(SynchronousTestCase):
    """Metadata that no client sent."""

    def test_header(self) -> None:
        """Pairs become the header that a client would send for them (T-068)."""
        made = Metadata.from_pairs({"filename": b"world", "is_confidential": b""})
        self.assertEqual(made.header, "filename d29ybGQ=,is_confidential")

    def test_nothing(self) -> None:
        """No pairs are no metadata (T-067)."""
        self.assertEqual(Metadata.from_pairs({}), Metadata())

    def test_key(self) -> None:
        """A key that no client could send is refused (T-076, T-077)."""
        for key in ("", " ", "a b", "a,b", "a\tb", "a\n", "a\r\nb: c", "a\x00", "é"):
            with self.assertRaises(InvalidMetadata, msg=repr(key)):
                Metadata.from_pairs({"good": b"", key: b"x"})

    def test_own_copy(self) -> None:
        """Changing the given pairs afterwards does not change the metadata."""
        pairs = {"a": b"1"}
        made = Metadata.from_pairs(pairs)
        pairs["b"] = b"2"
        self.assertEqual(made.pairs, {"a": b"1"})

    def test_frozen(self) -> None:
        """Metadata does not change after it was made."""
        made = Metadata.from_pairs({"a": b"1"})
        with self.assertRaises(FrozenInstanceError):
            made.header = "b"  # type: ignore[misc]
        self.assertEqual(made.header, "a MQ==")


class DamagedTests(SynchronousTestCase):
    """A header out of a record that was damaged."""

    def test_no_pairs(self) -> None:
        """What cannot be understood has no pairs, and is no error when it is used."""
        for header in ("k !", "a YQ==,a YQ==", "a b c", "a YQ=", "\u00e9 YQ=="):
            damaged = Metadata(header)
            self.assertEqual((damaged.header, damaged.pairs), (header, {}))
        for header in ("a !", "a b c", "a YQ=", "a  YQ=="):
            self.assertEqual(Metadata(header).value("a"), b"")


class ValueTests(SynchronousTestCase):
    """One value, found without decoding the others."""

    @given(pairs_to_send, keys)
    @example({"a.": b"1", "a": b"2", "ab": b"3"}, "a")
    def test_as_in_the_pairs(self, pairs: dict[str, bytes], other: str) -> None:
        """It is that of the pairs; empty for a key that is not there."""
        made = Metadata.from_pairs(pairs)
        for header in (made.header, made.header.replace(",", " , ") + ",, "):
            metadata = Metadata(header)
            for key in (*pairs, other):
                self.assertEqual(metadata.value(key), pairs.get(key, b""))
