"""Tests for :mod:`tustwisted.protocol.ranges`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.errors import UnsatisfiableRange
from tustwisted.protocol.ranges import ByteRange, parse_range

LENGTH = 10_000

GIVEN = {
    b"bytes=0-0": (0, 1),
    b"bytes=0-499": (0, 500),
    b"bytes=500-999": (500, 500),
    b"bytes=9500-": (9500, 500),
    b"bytes=-500": (9500, 500),
    b"bytes=-1": (9999, 1),
    b"bytes=9999-9999": (9999, 1),
    b"bytes=0-": (0, LENGTH),
    # past the end, as far as there is something
    b"bytes=9999-20000": (9999, 1),
    b"bytes=-20000": (0, LENGTH),
    b"bytes=0-99999999999999999999999999": (0, LENGTH),
    b"bytes=-99999999999999999999999999": (0, LENGTH),
    b"bytes=0-" + b"9" * 10_000: (0, LENGTH),
    # oddly written
    b"BYTES=0-4": (0, 5),
    b"bytes=0007-0009": (7, 3),
    b"bytes=,,0-4, ,": (0, 5),
    b"bytes= 0-4\t": (0, 5),
    b" bytes=0-4 ": (0, 5),
}

PAST_THE_END = (
    b"bytes=10000-",
    b"bytes=10000-10000",
    b"bytes=99999999999999999999999999-",
    b"bytes=" + b"9" * 10_000 + b"-",
    b"bytes=-0",
)

IGNORED = (
    b"",
    b"bytes",
    b"bytes=",
    b"bytes=-",
    b"bytes=5",
    b"bytes=5-4",
    b"bytes=a-b",
    b"bytes=0x0-0x4",
    b"bytes=+0-4",
    b"bytes=0-4-8",
    b"bytes=--4",
    b"bytes=0 -4",
    b"bytes =0-4",
    b"bytes:0-4",
    b"bytes=0-4;q=1",
    b"bytes=\xd9\xa3-",
    b"items=0-4",
    b"=0-4",
    b"bytes=0-4,8-9",
    b"bytes=0-4, 8-9",
    b"bytes=-5,-7",
    b"bytes=99999-,0-4",
)


class RangeTests(SynchronousTestCase):
    """Which bytes are asked for."""

    def test_single(self) -> None:
        """One range of bytes is found, cut to what is there (T-217)."""
        for header, (first, size) in GIVEN.items():
            found = parse_range([header], LENGTH)
            self.assertEqual(found, ByteRange(first, size), header[:50])

    def test_past_the_end(self) -> None:
        """What has nothing to begin with cannot be satisfied (T-217)."""
        for header in PAST_THE_END:
            with self.assertRaises(UnsatisfiableRange) as caught:
                parse_range([header], LENGTH)
            self.assertEqual(caught.exception.length, LENGTH)

    def test_ignored(self) -> None:
        """Several ranges, other units and nonsense mean the whole upload (T-218)."""
        for header in IGNORED:
            self.assertIsNone(parse_range([header], LENGTH), header)
        self.assertIsNone(parse_range([], LENGTH))
        self.assertIsNone(parse_range([b"bytes=0-4", b"bytes=0-4"], LENGTH))

    def test_empty_upload(self) -> None:
        """Of an empty upload no range is taken (T-207)."""
        for header in (*GIVEN, *PAST_THE_END, *IGNORED):
            self.assertIsNone(parse_range([header], 0))

    def test_content_range(self) -> None:
        """A part says where it stands."""
        self.assertEqual(ByteRange(0, 1).content_range(10), b"bytes 0-0/10")
        self.assertEqual(ByteRange(3, 7).content_range(10), b"bytes 3-9/10")

    @given(st.text("bytes=0123456789-, ", max_size=20), st.integers(0, 200))
    @steady(500)
    def test_any_text(self, text: str, length: int) -> None:
        """Whatever is sent, a part has a byte and lies in the upload (T-217, T-218)."""
        for header in (text, f"bytes={text}"):
            try:
                found = parse_range([header.encode()], length)
            except UnsatisfiableRange:
                continue
            if found is not None:
                self.assertGreater(found.size_bytes, 0)
                self.assertLessEqual(found.first + found.size_bytes, length)
