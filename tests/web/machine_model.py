"""The model of test_machine: uploads, and what must come of a PATCH."""

from __future__ import annotations

import base64
import hashlib

from attrs import define
from hypothesis import strategies as st

from tests.web.tus_harness import BASE, EXTENSIONS, Client

LONGEST = 12
"""The maximum that the server is set to, bytes."""

HAS_CONCATENATION = b"concatenation" in EXTENSIONS.split(b",")


@define(eq=False)
class Model:
    """What an upload must be like."""

    path: bytes
    length: int | None
    content: bytes = b""
    is_partial: bool = False
    is_final: bool = False
    is_gone: bool = False

    @property
    def offset(self) -> int:
        """Bytes that count."""
        return len(self.content)

    @property
    def is_whole(self) -> bool:
        """All bytes are there."""
        return self.length == self.offset

    @property
    def upload_id(self) -> str:
        """Its id."""
        return self.path.removeprefix(BASE).decode()


@define
class Piece:
    """What a PATCH brings."""

    body: bytes
    off: int = 0
    """How far its offset is from the right one."""
    tells: int | None = None
    """The length that it tells, counted from the right offset; or none."""
    checksum: str = "none"

    def offset(self, model: Model) -> int:
        """The offset that it is sent for."""
        return max(0, model.offset + self.off)

    def lines(self, model: Model) -> list[bytes]:
        """Write the header lines beside those that every PATCH has."""
        lines = checksum_lines(self.checksum, self.body)
        if self.tells is not None:
            lines.append(b"Upload-Length: %d" % self._told(model))
        return lines

    def verdict(self, model: Model) -> tuple[int, int | None]:
        """Say what must come of it, were it sent as a whole: status and length."""
        status = self._status_without_lock(model) or self._status_of_length(model)
        if status:
            return status, model.length
        length = model.length if self.tells is None else self._told(model)
        if model.offset + len(self.body) > (LONGEST if length is None else length):
            return 413, model.length
        return (460, model.length) if self.checksum == "wrong" else (204, length)

    def _status_without_lock(self, model: Model) -> int:
        if model.is_gone:
            return 404
        if model.is_final:
            return 403
        if self.checksum == "unknown":
            return 400
        return 409 if self.offset(model) != model.offset else 0

    def _status_of_length(self, model: Model) -> int:
        if self.tells is None:
            return 0
        told = self._told(model)
        if model.length is not None:
            return 0 if told == model.length else 400
        if told > LONGEST:
            return 413
        return 400 if told < model.offset else 0

    def _told(self, model: Model) -> int:
        return max(0, model.offset + (self.tells or 0))

    def stops_others(self, model: Model) -> bool:
        """
        Say if it gets as far as to ask for the lock.

        What is wrong whoever holds the upload is judged before that (T-271): all of a
        PATCH for the offset that is stored, and an offset that can never be right.
        """
        status, offset = self.verdict(model)[0], self.offset(model)
        if status in (403, 404) or self.checksum == "unknown":
            return False
        if offset > model.offset:
            return model.length is None or offset <= model.length
        return status in (204, 460)


@define(eq=False)
class Sending:
    """A PATCH that is right, with a part of its body still to come."""

    client: Client
    model: Model
    rest: bytes
    length: int | None
    """What it makes of the upload's length."""
    checked: bytes | None
    """The body, if it has a checksum: nothing of it counts before its end."""
    status: int
    """What its end is to be answered with."""
    is_over: bool = False


def checksum_lines(kind: str, body: bytes) -> list[bytes]:
    """Write the header lines of a checksum."""
    right = b"sha1 " + base64.b64encode(hashlib.sha1(body).digest())
    wrong = b"sha1 " + base64.b64encode(hashlib.sha1(body + b"x").digest())
    values = {"right": right, "wrong": wrong, "unknown": b"sha999 YQ=="}
    return [b"Upload-Checksum: " + values[kind]] if kind in values else []


BODIES = st.binary(max_size=6)

PIECES = st.builds(
    Piece,
    BODIES,
    st.sampled_from([0, 0, 0, 0, 0, 1, -1, 100]),
    st.sampled_from([None, None, None, -1, 0, 0, 2, 5, 100]),
    st.sampled_from(["none", "none", "right", "wrong", "unknown"]),
)
