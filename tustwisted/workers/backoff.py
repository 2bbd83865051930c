"""How long to wait before a worker that ended is started again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from attrs import define

FIRST_S: Final = 0.1
MOST_S: Final = 30.0

STEADY_S: Final = 10.0
"""A worker that lived so long is not one of a series that fails."""

JITTER: Final = 0.2
"""By what share a delay may differ, so that workers do not fail in step."""


@define(eq=False, repr=False)
class Backoff:
    """
    Doubles with each life that was short, and begins anew after a long one.

    :param chance: gives numbers from 0 to 1.
    """

    _chance: Callable[[], float] = random.random
    _next_s: float = FIRST_S

    def after(self, lived_s: float) -> float:
        """Tell how long to wait after a life of so many seconds, seconds."""
        if lived_s >= STEADY_S:
            self._next_s = FIRST_S
        delay_s, self._next_s = self._next_s, min(2 * self._next_s, MOST_S)
        return delay_s * (1 + JITTER * (2 * self._chance() - 1))
