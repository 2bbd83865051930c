"""Tests for :mod:`tustwisted.protocol.conditions` and :mod:`~.protocol.dates`."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import PreconditionFailed
from tustwisted.protocol.conditions import (
    Headers,
    Validators,
    is_not_modified,
    range_counts,
)
from tustwisted.protocol.dates import format_date, parse_date
from tustwisted.protocol.upload import UploadInfo, UploadState

MODIFIED_S = 784_111_777
AT = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
NOW_S = 1_000_000_000.0

HERE = Validators(b'"here"', MODIFIED_S, NOW_S)
UNDATED = Validators(b'"here"', None, NOW_S)

UPLOAD = UploadInfo(
    "a/b",
    5,
    5,
    state=UploadState.FINISHED,
    created_s=MODIFIED_S - 0.5,
    modified_s=MODIFIED_S + 0.75,
)


def sent(**values: bytes | Sequence[bytes]) -> Headers:
    """Have these headers; ``If_Match`` stands for ``If-Match``."""
    found = {
        name.replace("_", "-").encode(): [value] if isinstance(value, bytes) else value
        for name, value in values.items()
    }
    return lambda name: found.get(name, [])


class DateTests(SynchronousTestCase):
    """The dates of HTTP."""

    def test_three_forms(self) -> None:
        """All three forms of RFC 9110 are read."""
        for text in (
            AT,
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
        ):
            self.assertEqual(parse_date(text, NOW_S), MODIFIED_S)

    def test_written(self) -> None:
        """One form is written, and read again; what has none is not written."""
        for seconds in (0, 1, MODIFIED_S, 951_782_400, 253_402_300_799):
            text = format_date(seconds)
            assert text is not None
            self.assertEqual(parse_date(text, NOW_S), seconds)
        self.assertEqual(format_date(MODIFIED_S), AT)
        self.assertEqual(format_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT")
        for seconds in (-1, 253_402_300_800, 10**300):
            self.assertIsNone(format_date(seconds))

    def test_two_digits(self) -> None:
        """A year of two digits is never more than fifty years ahead."""
        for now_s, year, expected in (
            (NOW_S, b"51", b"2051"),  # in 2001
            (NOW_S, b"52", b"1952"),
            (4_070_908_800.0, b"94", b"2094"),  # in 2099
        ):
            short = parse_date(b"Sunday, 06-Nov-" + year + b" 08:49:37 GMT", now_s)
            full = parse_date(AT.replace(b"1994", expected), now_s)
            self.assertEqual(short, full)

    def test_no_dates(self) -> None:
        """What has another form, or is in no calendar, is no date."""
        for text in (
            b"",
            b"yesterday",
            b"1994-11-06T08:49:37Z",
            b"784111777",
            AT.lower(),
            AT[:-4],
            AT.replace(b"GMT", b"UTC"),
            AT.replace(b"GMT", b"+0000"),
            AT.replace(b"06", b"6"),
            AT.replace(b"06 Nov", b"31 Feb"),
            AT.replace(b"08:", b"24:"),
            AT.replace(b":37", b":61"),
            AT.replace(b"1994", b"0000"),
            AT + b" ",
            AT + b"; length=5",
        ):
            self.assertIsNone(parse_date(text, NOW_S), text)

    def test_leap_second(self) -> None:
        """A leap second is a second."""
        text = b"Sat, 31 Dec 2016 23:59:60 GMT"
        self.assertEqual(parse_date(text, NOW_S), 1_483_228_799)


class ValidatorsTests(SynchronousTestCase):
    """By what an upload is known again."""

    def test_strong(self) -> None:
        """The tag is a strong one, and the same for the same upload."""
        found = Validators.of(UPLOAD, NOW_S)
        self.assertRegex(found.etag, rb'\A"[0-9a-f]{32}"\Z')
        self.assertEqual(found, Validators.of(evolve(UPLOAD), NOW_S))
        self.assertEqual(found.last_modified, AT)

    def test_another_upload(self) -> None:
        """It differs with the id, with the length and with every time."""
        others = [
            evolve(UPLOAD, upload_id="a/c"),
            evolve(UPLOAD, length=6, offset=6),
            evolve(UPLOAD, created_s=UPLOAD.created_s + 0.001),
            evolve(UPLOAD, modified_s=UPLOAD.modified_s + 0.001),
        ]
        tags = {Validators.of(upload, NOW_S).etag for upload in (UPLOAD, *others)}
        self.assertEqual(len(tags), 5)

    def test_no_date(self) -> None:
        """A date to come, or one that cannot be written, is not told."""
        for modified_s in (NOW_S + 1, 1e300, -1.0, -1e300):
            found = Validators.of(evolve(UPLOAD, modified_s=modified_s), NOW_S)
            self.assertIsNone(found.last_modified)
        far = Validators.of(evolve(UPLOAD, modified_s=1e300), 1e301)
        self.assertIsNone(far.last_modified)


class ConditionTests(SynchronousTestCase):
    """What is answered instead of the bytes."""

    def assert_failed(self, headers: Headers, validators: Validators = HERE) -> None:
        """It is 412."""
        with self.assertRaises(PreconditionFailed):
            is_not_modified(headers, validators)

    def test_unconditional(self) -> None:
        """Without conditions all is sent."""
        self.assertFalse(is_not_modified(sent(), HERE))

    def test_if_none_match(self) -> None:
        """A client that has a tag of ours, weakly compared, has it all."""
        for value in (
            b'"here"',
            b'W/"here"',
            b'"there", "here"',
            b'"a,b","here"',
            b',"there" ,, W/"here",',
            b"*",
            (b'"there"', b'"here"'),
        ):
            headers = sent(If_None_Match=value)
            self.assertTrue(is_not_modified(headers, HERE), value)

    def test_if_none_match_of_another(self) -> None:
        """Another tag, or what is none, does not count."""
        for value in (
            b'"there"',
            b'W/"there"',
            b"here",
            b'"here',
            b'w/"here"',
            b'"here" "here"',
            b'"Here"',
            b"",
            b'*, "here"',
            b'"there, "here""',
        ):
            headers = sent(If_None_Match=value)
            self.assertFalse(is_not_modified(headers, HERE), value)

    def test_if_modified_since(self) -> None:
        """The date of the last byte, or a later one, means that it is known."""
        for value, expected in (
            (BEFORE, False),
            (AT, True),
            (AFTER, True),
            (b"Sunday, 06-Nov-94 08:49:37 GMT", True),
            (b"soon", False),
            ((AT, AT), False),
        ):
            headers = sent(If_Modified_Since=value)
            self.assertIs(is_not_modified(headers, HERE), expected, value)
            self.assertFalse(is_not_modified(headers, UNDATED))

    def test_tag_wins(self) -> None:
        """With a tag, the date beside it is not looked at."""
        headers = sent(If_None_Match=b'"there"', If_Modified_Since=AFTER)
        self.assertFalse(is_not_modified(headers, HERE))
        headers = sent(If_None_Match=b'"here"', If_Modified_Since=BEFORE)
        self.assertTrue(is_not_modified(headers, HERE))

    def test_if_match(self) -> None:
        """Who wants a certain upload gets that one or 412; weak tags never match."""
        for value in (b'"here"', b'"there", "here"', b"*"):
            self.assertFalse(is_not_modified(sent(If_Match=value), HERE))
        for value in (b'"there"', b'W/"here"', b"here", b""):
            self.assert_failed(sent(If_Match=value))

    def test_if_unmodified_since(self) -> None:
        """So does who wants it as it was at a date."""
        for value in (AT, AFTER, b"soon", (BEFORE, BEFORE)):
            self.assertFalse(is_not_modified(sent(If_Unmodified_Since=value), HERE))
        self.assert_failed(sent(If_Unmodified_Since=BEFORE))
        headers = sent(If_Unmodified_Since=BEFORE)
        self.assertFalse(is_not_modified(headers, UNDATED))

    def test_order(self) -> None:
        """First If-Match, in whose presence no date counts, then If-None-Match."""
        headers = sent(If_Match=b'"here"', If_Unmodified_Since=BEFORE)
        self.assertFalse(is_not_modified(headers, HERE))
        self.assert_failed(sent(If_Match=b'"there"', If_None_Match=b'"here"'))
        headers = sent(If_Match=b'"here"', If_None_Match=b'"here"')
        self.assertTrue(is_not_modified(headers, HERE))


class IfRangeTests(SynchronousTestCase):
    """Whether a part is of what the client has the rest of."""

    def test_counts(self) -> None:
        """With our tag, or our date, or nothing said, it is (T-217)."""
        self.assertTrue(range_counts(sent(), HERE))
        for value in (b'"here"', AT, b"Sunday, 06-Nov-94 08:49:37 GMT"):
            self.assertTrue(range_counts(sent(If_Range=value), HERE))

    def test_does_not_count(self) -> None:
        """With another or a weak tag, another date or nonsense, it is not (T-217)."""
        for value in (
            b'"there"',
            b'W/"here"',
            b'"here", "there"',
            b"*",
            b"",
            BEFORE,
            AFTER,
            b"soon",
            (b'"here"', b'"here"'),
        ):
            self.assertFalse(range_counts(sent(If_Range=value), HERE), value)
        self.assertFalse(range_counts(sent(If_Range=AT), UNDATED))
