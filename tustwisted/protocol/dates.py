"""The dates of HTTP: whole seconds, in one form when written and in three when read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache

_DAYS = b"Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LONG_DAYS = b"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_MONTHS = b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TIME = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = b"(?P<month>" + _MONTHS + b")"

_FORMS = (
    # Sun, 06 Nov 1994 08:49:37 GMT
    rb"(?:%b), (?P<day>\d\d) %b (?P<year>\d{4}) %b GMT" % (_DAYS, _MONTH, _TIME),
    # Sunday, 06-Nov-94 08:49:37 GMT
    rb"(?:%b), (?P<day>\d\d)-%b-(?P<year>\d\d) %b GMT" % (_LONG_DAYS, _MONTH, _TIME),
    # Sun Nov  6 08:49:37 1994
    rb"(?:%b) %b (?P<day>[ \d]\d) %b (?P<year>\d{4})" % (_DAYS, _MONTH, _TIME),
)

_LAST_S = 253_402_300_799
"""The end of the year 9999, the last that can be written."""


def parse_date(value: bytes, now_s: float) -> int | None:
    """
    Read a date.

    :param now_s: the time, seconds since 1970: a year of two digits lies at the most
        fifty years ahead of it.
    :returns: seconds since 1970; ``None`` if it is no date.

    Spec: RFC 9110, section 5.6.7.
    """
    for form in _FORMS:
        match = re.fullmatch(form, value)
        if match:
            break
    else:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        this_year = datetime.fromtimestamp(now_s, UTC).year
        year += this_year // 100 * 100
        year -= 100 if year > this_year + 50 else 0
    numbers = [int(match[name]) for name in ("day", "hour", "minute", "second")]
    day, hour, minute, second = numbers
    month = _MONTHS.split(b"|").index(match["month"]) + 1
    try:
        # A leap second is as good as the one before.
        found = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return int(found.timestamp()) if second <= 60 else None


@lru_cache(maxsize=64)  # one answer asks twice, and the next one for the same upload
def format_date(seconds: int) -> bytes | None:
    """
    Write a date.

    :param seconds: since 1970.
    :returns: ``None`` for what is before that or past the year 9999.
    """
    if not 0 <= seconds <= _LAST_S:
        return None
    return formatdate(seconds, usegmt=True).encode("ascii")
