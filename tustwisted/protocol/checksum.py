"""
``Upload-Checksum``: which algorithms there are, and how the header is read.

Spec: tus 1.0.0, Checksum.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

from attrs import define, frozen

from tustwisted.errors import InvalidChecksum, UnsupportedChecksum

_HEADER = "Upload-Checksum"

_VALUE = re.compile(rb"([!-~]+) ([A-Za-z0-9+/]+={0,2})")


class Hash(Protocol):
    """What goes over the bytes of a chunk, as ``hashlib`` has them."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@define(eq=False, repr=False)
class _Crc:
    """A cyclic redundancy check of 32 bits; its digest is big-endian (T-131)."""

    _extend: Callable[[bytes, int], int]
    _value: int = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._extend(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _sha1() -> Hash:
    return hashlib.sha1(usedforsecurity=False)


def _md5() -> Hash:
    return hashlib.md5(usedforsecurity=False)


def _crc32() -> Hash:
    return _Crc(zlib.crc32)


ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "sha1": _sha1,  # the one that every server must have
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": _md5,
    "crc32": _crc32,
}
"""By the name in the header, in the order of ``Tus-Checksum-Algorithm`` (T-125)."""

with suppress(ImportError):  # the extra "crc32c"
    import google_crc32c

    def _crc32c() -> Hash:
        return _Crc(lambda data, value: google_crc32c.extend(value, data))

    ALGORITHMS["crc32c"] = _crc32c


@frozen
class Checksum:
    """What a client says of the bytes of one request."""

    algorithm: str
    """As it stands in the header; perhaps none that there is."""

    digest: bytes
    """Perhaps too long or too short for the algorithm: then nothing matches (T-130)."""

    def require_supported(self) -> None:
        """
        Refuse an algorithm that is not offered; names have a case (T-128).

        :raises UnsupportedChecksum: it is not.
        """
        if self.algorithm not in ALGORITHMS:
            raise UnsupportedChecksum(tuple(ALGORITHMS))

    def matches(self, digest: bytes) -> bool:
        """Tell whether the bytes that came are those that were meant."""
        return hmac.compare_digest(self.digest, digest)


@frozen
class TrailingChecksum:
    """A checksum that follows the body (checksum-trailer)."""

    tell: Callable[[], Checksum]
    """
    Reads it once the body has come as a whole.

    It raises InvalidChecksum or UnsupportedChecksum.
    """


def algorithms_of(checksum: Checksum | TrailingChecksum) -> Collection[str]:
    """List the algorithms one of which will be asked for when the body has come."""
    if isinstance(checksum, Checksum):
        return [checksum.algorithm]
    return ALGORITHMS


def parse_checksum(values: Sequence[bytes]) -> Checksum | None:
    """
    Read ``Upload-Checksum``.

    :param values: one for each line sent.
    :returns: ``None`` when it was not sent.
    :raises InvalidChecksum: repeated, or not a name, a space and strict base64.

    Spec: tus 1.0.0, Upload-Checksum; rows T-027, T-126 to T-131.
    """
    if not values:
        return None
    if len(values) > 1:
        raise InvalidChecksum(_HEADER, "must be sent once")
    match = _VALUE.fullmatch(values[0])
    if match is None or len(match[2]) % 4:
        raise InvalidChecksum(
            _HEADER, "must be an algorithm, a space and a digest in base64"
        )
    return Checksum(match[1].decode("ascii"), b64decode(match[2]))
