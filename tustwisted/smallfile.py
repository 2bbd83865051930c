"""
Small files that somebody else may have replaced by anything: a pipe, a device.

What reads them may be the reactor's thread, which must neither wait for a pipe nor
take all of ``/dev/zero``.
"""

from __future__ import annotations

import os
import stat

_NO_FILE = "the file is none, but something else"
_TOO_LARGE = "the file is too large"


def read_small(path: str, most_bytes: int) -> tuple[bytes, os.stat_result]:
    """
    Read a file whole; blocks for no longer than its disk needs.

    :returns: its content, and what the system says of it.
    :raises OSError: that cannot be done.
    :raises ValueError: it is no file, or has more bytes; a sentence of its own.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        facts = os.fstat(file.fileno())
        _check(facts, most_bytes)
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:  # it has grown
        raise ValueError(_TOO_LARGE)
    return content, facts


def check_small(path: str, most_bytes: int) -> None:
    """
    See that what somebody else is about to read is a small file.

    :raises OSError: it is not there.
    :raises ValueError: as :func:`read_small`.
    """
    _check(os.stat(path), most_bytes)


def _check(facts: os.stat_result, most_bytes: int) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError(_NO_FILE)
    if facts.st_size > most_bytes:
        raise ValueError(_TOO_LARGE)


def _open_at_once(path: str, flags: int) -> int:
    # A pipe without a writer would hold this up for ever.
    return os.open(path, flags | os.O_NONBLOCK)
