"""How much of what can happen is tried: make test a part, make campaign all of it."""

from __future__ import annotations

import os
from typing import TypeVar

_T = TypeVar("_T")

IS_CAMPAIGN = bool(os.environ.get("TUSTWISTED_CAMPAIGN"))
"""Leave nothing out, which takes minutes."""


def tried(everything: _T, some: _T) -> _T:
    """Choose what is tried now."""
    return everything if IS_CAMPAIGN else some
