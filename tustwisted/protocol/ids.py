"""
Upload ids: how they are made and which strings are one.

The one place where an id is judged, whether it comes from a URL, from a header or
from the application (DESIGN D4, D11; T-054, T-269).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

MAX_ID_CHARACTERS = 200

_REMEMBERED_IDS = 1024
"""A request asks of one id a dozen times: whoever gets it must not rely on others."""

RANDOM_BYTES = 16
"""128 bits: an id cannot be guessed and two uploads never meet (T-054)."""

_SEGMENT = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*")

_RESERVED_ENDINGS = (".info", ".lock", ".removed", ".stop", ".tmp", ".unverified")
"""Names that a store, ours or tusd's, gives to what stands beside the data."""


def new_id(random_bytes: Callable[[int], bytes]) -> str:
    """
    Make an id for a new upload.

    :param random_bytes: the source of randomness, such as :func:`os.urandom`.
    :returns: 32 lower-case hexadecimal digits.
    """
    return random_bytes(RANDOM_BYTES).hex()


@lru_cache(_REMEMBERED_IDS)
def is_upload_id(text: str) -> bool:
    """
    Tell whether a string may be an upload id.

    An id is one or more segments of ``[A-Za-z0-9_.+-]`` joined by ``/``, at most
    :data:`MAX_ID_CHARACTERS` long.  No segment begins with a dot (so that none is
    ``.`` or ``..`` and none meets a store's own hidden files) or has an ending that
    stores keep for themselves.
    """
    if len(text) > MAX_ID_CHARACTERS:
        return False
    return all(
        _SEGMENT.fullmatch(segment) is not None
        and not segment.endswith(_RESERVED_ENDINGS)
        for segment in text.split("/")
    )
