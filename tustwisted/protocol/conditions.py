"""
Conditional requests: what a client knows of an upload, against what is there.

Pure, and of finished uploads only: these never change, so that their validators are
strong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from attrs import frozen

from tustwisted.errors import PreconditionFailed
from tustwisted.protocol.dates import format_date, parse_date
from tustwisted.protocol.upload import UploadInfo

Headers = Callable[[bytes], Sequence[bytes]]
"""Gives the values of a header, one for each line that was sent."""

_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ONE_TAG = re.compile(_TAG)
_TAGS = re.compile(rb"[ \t,]*%b(?:[ \t]*,[ \t,]*%b)*[ \t,]*" % (_TAG, _TAG))

_TAG_CHARACTERS = 32


@frozen
class Validators:
    """By what a client can tell whether it has the same bytes."""

    etag: bytes
    """A strong entity tag, with its quotes."""

    modified_s: int | None
    """``Last-Modified``, seconds since 1970; ``None`` where none can be told."""

    now_s: float
    """The time, seconds since 1970."""

    @classmethod
    def of(cls, upload: UploadInfo, now_s: float) -> Validators:
        """
        Make those of a finished upload.

        The tag is made of facts that differ when an id is used again after a removal.
        A date to come is not told (RFC 9110, section 8.8.2.1).
        """
        facts = (upload.upload_id, upload.offset, upload.created_s, upload.modified_s)
        digest = hashlib.sha256(repr(facts).encode("ascii")).hexdigest()
        modified = upload.modified_s
        known = 0 <= modified <= now_s and format_date(int(modified)) is not None
        etag = f'"{digest[:_TAG_CHARACTERS]}"'.encode("ascii")
        return cls(etag, int(modified) if known else None, now_s)

    @property
    def last_modified(self) -> bytes | None:
        """``Last-Modified``, if it is known."""
        return None if self.modified_s is None else format_date(self.modified_s)


def is_not_modified(headers: Headers, validators: Validators) -> bool:
    """
    Judge the conditions of a GET or HEAD, in their order.

    :returns: whether the client has what is there: 304.
    :raises PreconditionFailed: it wants what is not there any more: 412.

    Spec: RFC 9110, section 13.2.2.
    """
    if wanted := headers(b"If-Match"):
        if not _names(wanted, validators.etag, weakly=False):
            raise PreconditionFailed
    elif _was_modified(headers(b"If-Unmodified-Since"), validators) is True:
        raise PreconditionFailed
    if known := headers(b"If-None-Match"):
        return _names(known, validators.etag, weakly=True)
    return _was_modified(headers(b"If-Modified-Since"), validators) is False


def range_counts(headers: Headers, validators: Validators) -> bool:
    """
    Judge ``If-Range``: whether the client has the rest of what is there.

    Spec: RFC 9110, section 13.1.5.
    """
    values = headers(b"If-Range")
    if not values:
        return True
    if list(values) == [validators.etag]:
        return True
    since = _date(values, validators)
    return since is not None and since == validators.modified_s


def _names(values: Sequence[bytes], etag: bytes, *, weakly: bool) -> bool:
    header = b",".join(values)
    if header.strip(b" \t") == b"*":
        return True
    if _TAGS.fullmatch(header) is None:
        return False
    tags = _ONE_TAG.findall(header)
    return etag in tags or (weakly and b"W/" + etag in tags)


def _was_modified(values: Sequence[bytes], validators: Validators) -> bool | None:
    """Compare with a date; ``None`` where one of the two dates is not known."""
    since = _date(values, validators)
    if since is None or validators.modified_s is None:
        return None
    return validators.modified_s > since


def _date(values: Sequence[bytes], validators: Validators) -> int | None:
    """Read a date; several of them, or what is none, do not count."""
    return parse_date(values[0], validators.now_s) if len(values) == 1 else None
