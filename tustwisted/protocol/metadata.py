"""``Upload-Metadata``: what a client says of its file, kept as it was said."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import frozen

from tustwisted.errors import InvalidMetadata

_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # visible ASCII without the comma

# b64decode(validate=True) lets surplus padding through ("YWJj="): match first (T-072).
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

_HEADER = "Upload-Metadata"

_SHOWN_CHARACTERS = 40


@frozen
class Metadata:
    """
    The metadata of an upload.

    Client's words: never a path, a header or a log line without cleaning (D11, T-081).
    """

    header: str = ""
    """The value as the client sent it, printable ASCII (T-017, T-080); empty: none."""

    @cached_property
    def pairs(self) -> Mapping[str, bytes]:
        """
        The decoded values by key, in the order sent; any bytes (T-078).

        Decoded when they are first asked for: most that is done with an upload needs
        none of them, and there may be thousands.  A header that makes no sense, out of
        a record that was damaged, has none.
        """
        try:
            return _read_pairs(self.header)
        except InvalidMetadata:
            return {}

    def value(self, key: str) -> bytes:
        """Tell one value without decoding the others; empty if it is not there."""
        found = re.search(
            rf"(?:\A|,)( *{re.escape(key)}(?: [^,]*)?)(?:,|\Z)", self.header
        )
        try:
            return _parse_pair(found[1])[1] if found else b""
        except InvalidMetadata:
            return b""

    @classmethod
    def from_pairs(cls, pairs: Mapping[str, bytes]) -> Metadata:
        """
        Make metadata that no client sent, as an application or an old record gives it.

        :raises InvalidMetadata: a key is empty or not visible ASCII without comma.
        """
        for key in pairs:
            _check_key(key)
        return cls(
            ",".join(
                f"{key} {base64.b64encode(value).decode('ascii')}" if value else key
                for key, value in pairs.items()
            )
        )


def parse_metadata(values: Sequence[bytes]) -> Metadata:
    """
    Read ``Upload-Metadata``.

    :param values: the values sent, one for each header line; joined by commas (T-079).
    :raises InvalidMetadata: an empty, repeated or unprintable key, a third word in a
        pair, or a value that is not strict base64.

    Spec: tus 1.0.0, Upload-Metadata; rows T-067 to T-080.
    """
    header = b",".join(values).decode("latin-1")
    pairs = _read_pairs(header)
    metadata = Metadata(header if pairs else "")
    object.__setattr__(metadata, "pairs", pairs)  # for the record, which has them, too
    return metadata


def _read_pairs(header: str) -> dict[str, bytes]:
    pairs: dict[str, bytes] = {}
    for element in header.split(","):
        if not element.strip(" "):
            continue  # an empty list element (RFC 9110 section 5.6.1; T-071)
        key, value = _parse_pair(element)
        if key in pairs:
            raise InvalidMetadata(_HEADER, f"has the key {_cut(key)} twice")
        pairs[key] = value
    return pairs


def _parse_pair(element: str) -> tuple[str, bytes]:
    key, *rest = element.strip(" ").split(" ")
    if element.startswith(" ") and not rest and key.endswith("="):
        key = ""  # a space before a lone key is fine (T-070), a lone value not (T-076)
    _check_key(key)
    if len(rest) > 1:
        raise InvalidMetadata(
            _HEADER, f"has more than a key and a value at {_cut(key)}"
        )
    value = "".join(rest)
    if _BASE64.fullmatch(value) is None:
        raise InvalidMetadata(_HEADER, f"has no valid base64 at {_cut(key)}")
    return key, base64.b64decode(value)


def _cut(key: str) -> str:
    """Shorten a client's words for an answer."""
    return key if len(key) <= _SHOWN_CHARACTERS else key[:_SHOWN_CHARACTERS] + "..."


def _check_key(key: str) -> None:
    if _KEY.fullmatch(key) is None:
        raise InvalidMetadata(_HEADER, "has a key that is not visible ASCII")
