"""Which way the bytes of a body take to the writer (D7)."""

from __future__ import annotations

from tustwisted.interfaces import IDisk
from tustwisted.receive.queue import Run

IN_PLACE_BYTES = 64 * 1024
"""A body up to this length is written where it arrives: a thread costs more."""


LEAST_BYTES = 128 * 1024
"""Below that much to come, borrowing the socket costs more than it saves."""


def may_borrow(body_length: int | None) -> bool:
    """
    Tell whether the socket of a body is worth borrowing.

    Whether it can be had, :func:`tustwisted.receive.intake.borrow` finds out.
    """
    return body_length is not None and body_length > LEAST_BYTES


def choose(disk: IDisk, body_length: int | None, hashes: bool) -> Run:
    """
    Choose how the jobs of one body are run.

    :param body_length: bytes announced; ``None`` when the body is chunked.
    :param hashes: the bytes are hashed where they are written.
    :returns: in place for a small body while the disk is quick, else in the pool.
    """
    if hashes:
        return disk.write
    if body_length is not None and body_length <= IN_PLACE_BYTES:
        return disk.quick
    return disk.write
