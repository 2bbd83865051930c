"""
Starting to write dirty pages out, without waiting (Linux).

``sync_file_range(SYNC_FILE_RANGE_WRITE)`` while bytes arrive leaves next to nothing to
the sync at the end: 5 ms instead of 430-570 ms after 1 GiB (measured,
``research/streaming.md``).  It promises nothing by itself.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_SYNC_FILE_RANGE_WRITE = 2  # <linux/fs.h>


def _find_call() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    call.restype = ctypes.c_int
    return call


_sync_file_range = _find_call()


def start_write_out(fd: int, offset: int, length: int) -> None:
    """
    Ask for a range of a file to be written out soon; a hint, so it never fails.

    :param offset: bytes from the start of the file.
    :param length: bytes.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)
