"""Tests for :mod:`tustwisted.protocol.headers`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import InvalidHeader, InvalidOffset, InvalidUploadLength
from tustwisted.protocol.headers import (
    MAX_BYTES,
    is_offset_octet_stream,
    parse_length,
    parse_offset,
)

NOT_NUMBERS = (
    b"",
    b" ",
    b"-1",
    b"-0",
    b"+5",
    b"5.0",
    b".5",
    b"0x5",
    b"5h",
    b"1e3",
    b"1_0",
    b"1,000",
    b"5, 5",
    b"5 5",
    b" 5",
    b"5 ",
    b"5\n",
    b"5\r\n",
    b"5\x00",
    b"\x00",
    b"abc",
    b"NaN",
    b"Infinity",
    "٣".encode(),  # ARABIC-INDIC DIGIT THREE, 3 for int() and for re's \d in str
    "\uff15".encode(),  # FULLWIDTH DIGIT FIVE
    b"\xb2",  # SUPERSCRIPT TWO in latin-1
    str(MAX_BYTES + 1).encode(),
    b"9" * 19,
    b"1" + b"0" * 19,
    b"0" * 20,
    b"9" * 5000,  # int() refuses more than 4300 digits with an error of its own
)

NUMBERS = (
    (b"0", 0),
    (b"1", 1),
    (b"1048576", 1048576),
    (b"4294967296", 2**32),
    (str(MAX_BYTES).encode(), MAX_BYTES),
)

LEADING_ZEROS = ((b"00", 0), (b"007", 7), (b"0" * 18 + b"7", 7), (b"0" * 19, 0))

# Random bytes hardly ever look like a number, these often nearly do.
almost_numbers = st.text("0123456789+-_., eEx٣\n\x00", max_size=22).map(str.encode)
header_lines = st.lists(st.one_of(st.binary(), almost_numbers), max_size=3)
long_numbers = st.from_regex(rb"[0-9]{1,25}", fullmatch=True)
media_type_pieces = st.sampled_from(
    (
        b"application/offset+octet-stream",
        b"APPLICATION/Offset+octet-stream",
        *(
            b"application/offset",
            b"+octet-stream",
            b" ",
            b"\t",
            b";",
            b",",
            b"\n",
            b"a=b",
        ),
    )
)


def _says_a_number(value: bytes) -> bool:
    """Row T-025 in other words than the code's."""
    if not 1 <= len(value) <= 19 or not set(value) <= set(b"0123456789"):
        return False
    return int(value) <= 2**63 - 1


class _NumericHeaderTests(SynchronousTestCase):
    def assert_refused(
        self,
        parse: Callable[[Sequence[bytes]], int | None],
        values: Sequence[bytes],
        error: type[InvalidHeader],
        header: str,
    ) -> None:
        """Fail unless the values raise exactly that error, naming the header."""
        try:
            number = parse(values)
        except InvalidHeader as raised:
            self.assertIs(type(raised), error, values)
            self.assertEqual(raised.header, header, values)
        else:
            self.fail(f"{values!r} was read as {number}")


class ParseOffsetTests(_NumericHeaderTests):
    """``Upload-Offset``."""

    def _assert_refused(self, values: Sequence[bytes]) -> None:
        self.assert_refused(parse_offset, values, InvalidOffset, "Upload-Offset")

    def test_number(self) -> None:
        """A decimal number from 0 to 2^63-1 is the offset (T-025)."""
        for value, number in NUMBERS:
            self.assertEqual(parse_offset([value]), number, value)

    def test_missing(self) -> None:
        """An offset that is not sent is refused (T-024)."""
        self._assert_refused([])

    def test_not_a_number(self) -> None:
        """Whatever is not 1 to 19 ASCII digits up to 2^63-1 is refused (T-025)."""
        for value in NOT_NUMBERS:
            self._assert_refused([value])

    def test_leading_zeros(self) -> None:
        """Leading zeros change nothing (T-026)."""
        for value, number in LEADING_ZEROS:
            self.assertEqual(parse_offset([value]), number, value)

    def test_repeated(self) -> None:
        """Two lines are refused, even when they say the same (T-027)."""
        for values in ([b"5", b"5"], [b"5", b"6"], [b"5", b""], [b"0"] * 3):
            self._assert_refused(values)

    @given(header_lines)
    def test_any_bytes(self, values: list[bytes]) -> None:
        """Any bytes are an offset or :class:`InvalidOffset`, nothing else (T-025)."""
        if len(values) == 1 and _says_a_number(values[0]):
            self.assertEqual(parse_offset(values), int(values[0]))
        else:
            self._assert_refused(values)

    @given(st.integers(0, MAX_BYTES))
    @example(0)
    @example(MAX_BYTES)
    def test_every_offset(self, offset: int) -> None:
        """Every number in range is read back from its decimal digits (T-025)."""
        self.assertEqual(parse_offset([b"%d" % offset]), offset)

    @given(st.integers(MAX_BYTES + 1))
    def test_beyond_every_offset(self, number: int) -> None:
        """Every number above 2^63-1 is refused (T-025)."""
        self._assert_refused([b"%d" % number])


class ParseLengthTests(_NumericHeaderTests):
    """``Upload-Length``."""

    def _assert_refused(self, values: Sequence[bytes]) -> None:
        self.assert_refused(parse_length, values, InvalidUploadLength, "Upload-Length")

    def test_number(self) -> None:
        """A decimal number from 0 to 2^63-1 is the length (T-057, T-060)."""
        for value, number in NUMBERS:
            self.assertEqual(parse_length([value]), number, value)

    def test_absent(self) -> None:
        """A length that is not sent is no length and no error (T-055, T-099)."""
        self.assertIsNone(parse_length([]))

    def test_not_a_number(self) -> None:
        """Whatever is not 1 to 19 ASCII digits up to 2^63-1 is refused (T-057)."""
        for value in NOT_NUMBERS:
            self._assert_refused([value])

    def test_leading_zeros(self) -> None:
        """Leading zeros change nothing (T-026)."""
        for value, number in LEADING_ZEROS:
            self.assertEqual(parse_length([value]), number, value)

    def test_repeated(self) -> None:
        """Two lines are refused, even when they say the same (T-027)."""
        for values in ([b"5", b"5"], [b"5", b"6"], [b"", b"5"], [b"0"] * 3):
            self._assert_refused(values)

    @given(header_lines)
    def test_any_bytes(self, values: list[bytes]) -> None:
        """Any bytes are a length, none or :class:`InvalidUploadLength` (T-057)."""
        if not values:
            self.assertIsNone(parse_length(values))
        elif len(values) == 1 and _says_a_number(values[0]):
            self.assertEqual(parse_length(values), int(values[0]))
        else:
            self._assert_refused(values)

    @given(long_numbers)
    def test_agrees_with_offset(self, digits: bytes) -> None:
        """Length and offset are read by the same rule (T-025, T-057)."""
        if _says_a_number(digits):
            self.assertEqual(parse_length([digits]), parse_offset([digits]))
        else:
            self._assert_refused([digits])


class OffsetOctetStreamTests(SynchronousTestCase):
    """``Content-Type``."""

    def test_exact(self) -> None:
        """The media type of the specification declares upload bytes (T-022)."""
        self.assertTrue(is_offset_octet_stream([b"application/offset+octet-stream"]))

    def test_missing(self) -> None:
        """A body without Content-Type is not declared as upload bytes (T-022)."""
        self.assertFalse(is_offset_octet_stream([]))

    def test_another_type(self) -> None:
        """Any other media type does not declare upload bytes (T-022)."""
        for value in (
            b"",
            b";",
            b"application/octet-stream",
            b"application/offset",
            b"application/offset octet-stream",
            b"application/offset+octet-streams",
            b"xapplication/offset+octet-stream",
            b"application / offset+octet-stream",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=application/offset+octet-stream",
            b"text/plain; application/offset+octet-stream",
            b"application/offset+octet-stream, text/plain",
            b"application/offset+octet-stream\n",
            b"application/offset+octet-stream\x00",
            b"\xff\xfe",
        ):
            self.assertFalse(is_offset_octet_stream([value]), value)

    def test_letter_case(self) -> None:
        """The letter case does not matter (T-023)."""
        for value in (
            b"Application/Offset+Octet-Stream",
            b"APPLICATION/OFFSET+OCTET-STREAM",
        ):
            self.assertTrue(is_offset_octet_stream([value]), value)

    def test_parameters(self) -> None:
        """Parameters, and the blanks around them, do not matter (T-023)."""
        for value in (
            b"application/offset+octet-stream; charset=UTF-8",
            b"application/offset+octet-stream;charset=UTF-8",
            b"application/offset+octet-stream \t; a=b; c=d",
            b"application/offset+octet-stream;",
            b"application/offset+octet-stream; \xff",
        ):
            self.assertTrue(is_offset_octet_stream([value]), value)

    def test_repeated(self) -> None:
        """Two Content-Type lines declare nothing, whatever they say (T-022)."""
        self.assertFalse(
            is_offset_octet_stream([b"application/offset+octet-stream"] * 2)
        )

    @given(st.lists(media_type_pieces, max_size=5).map(b"".join))
    def test_anything_like_it(self, value: bytes) -> None:
        """What stands before the first semicolon decides, nothing else (T-023)."""
        declared = re.match(
            rb"[ \t]*application/offset\+octet-stream[ \t]*(;|\Z)", value, re.I
        )
        self.assertIs(is_offset_octet_stream([value]), declared is not None)
